"""Where an encoder runs and in which arithmetic."""

from __future__ import annotations

from typing import Literal

import torch

from services.errors import EncoderUnavailable

Precision = Literal["fp32", "bf16"]


def pick_device(wanted: str) -> torch.device:
    """The device for `auto`, `cpu`, `cuda` or `mps`; `auto` takes the best there is.

    Raises `EncoderUnavailable` if a device is asked for by name and absent.
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return torch.device(next(name for name, there in present.items() if there))
    if not present.get(wanted, False):
        usable = ", ".join(name for name, there in present.items() if there)
        raise EncoderUnavailable(
            f"The encoder is set to run on {wanted!r}, which this machine does not have.",
            mend=f"Set VITRINE_DEVICE to auto or to one of: {usable}.",
            field="device",
        )
    return torch.device(wanted)


def pick_precision(wanted: str, device: torch.device) -> Precision:
    """The arithmetic for `auto`, `fp32` or `bf16` on that device.

    `auto` takes bf16 where the hardware multiplies it natively. bf16 that is merely emulated is
    slower than fp32 and less exact, so there `auto` stays with fp32.
    """
    if wanted == "bf16" or (wanted == "auto" and _native_bf16(device)):
        return "bf16"
    return "fp32"


def _native_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        features = torch.cpu.get_capabilities()
        return any(there is True for name, there in features.items() if name.endswith("bf16"))
    return False
