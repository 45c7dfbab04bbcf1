"""Towers from torch to ONNX Runtime: the same vectors, on a CPU in half the time for one picture or text.

A tower is exported as torch runs it, checked against torch on a probe, and kept as a file, so that only the
first start pays for the export.
"""

from __future__ import annotations

import io
import logging
import tempfile
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
import torch

from services.encoder.onnx import OnnxTower, alike, keep
from services.errors import EncoderUnavailable

log = structlog.get_logger(__name__)

Tower = Callable[[Any], torch.Tensor]

_OPSET = 18
#: Exporting turns a switch that holds for the whole process.
_exporting = threading.Lock()


def onnx_tower(
    tower: Tower, probe: Any, file: Path, *, threads: int, small: bool = False
) -> OnnxTower | None:
    """The tower in ONNX Runtime, from `file` or exported to it; None, with a line in the log, if it cannot be
    exported or then gives other vectors.

    `probe` is an input of two rows, a tensor or tensors by name, on the CPU; a run takes so many `threads`.
    `small`: products of matrices are computed with 8 bits, weights quantised now and the rest as it comes
    (dynamic quantisation).
    """
    try:
        with torch.inference_mode():
            wanted = tower(probe).float().numpy()
    except EncoderUnavailable:
        return None  # no patches
    for kept in (True, False):
        try:
            model = file.read_bytes() if kept else _exported(tower, probe, small)
            found = OnnxTower(model, threads)
            if not alike(found(probe), wanted, small=small):
                raise ValueError("its vectors are not those of torch")
        except FileNotFoundError:
            continue
        except Exception as error:
            # A file of another version, or damaged, is made anew; a tower that fails then stays in torch.
            log.info(
                "tower stays in torch", file=file.name, kept=kept, reason=f"{type(error).__name__}: {error}"
            )
            continue
        if not kept:
            keep(file, model)
        return found
    return None


def _exported(tower: Tower, probe: Any, small: bool) -> bytes:
    names = list(probe) if isinstance(probe, dict) else ["pixels"]
    tensors = tuple(probe.values()) if isinstance(probe, dict) else (probe,)
    # Tokens may be padded to the longest of a batch only; pictures have one size.
    axes = {name: {0: "n", 1: "length"} if isinstance(probe, dict) else {0: "n"} for name in names}
    file = io.BytesIO()
    with _exporting, warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        fast = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            torch.onnx.export(
                _Module(tower, names).eval(), tensors, file,  # type: ignore[arg-type]  # the older exporter writes to it
                input_names=names, output_names=["vectors"],
                dynamic_axes={**axes, "vectors": {0: "n"}}, opset_version=_OPSET, dynamo=False,
            )  # fmt: skip
        finally:
            torch.backends.mha.set_fastpath_enabled(fast)
    return _quantized(file.getvalue()) if small else file.getvalue()


def _quantized(model: bytes) -> bytes:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "small.onnx"
        logging.disable(logging.WARNING)  # that there might be something to gain by preparing the model
        try:
            quantize_dynamic(
                onnx.load_model_from_string(model), out, weight_type=QuantType.QInt8,
                op_types_to_quantize=["MatMul", "Gemm"],
            )  # fmt: skip
        finally:
            logging.disable(logging.NOTSET)
        return out.read_bytes()


class _Module(torch.nn.Module):
    """A method as the module that the exporter asks for."""

    def __init__(self, tower: Tower, names: list[str]) -> None:
        super().__init__()
        self._tower, self._names = tower, names
        # The exporter knows weights as such only if they are those of the module. It puts that back into the
        # mode it was in, so it has to be in evaluation mode itself.
        self.model = getattr(getattr(tower, "__self__", None), "_model", None)

    def forward(self, *given: torch.Tensor) -> torch.Tensor:
        pictures = self._names == ["pixels"]
        return self._tower(given[0] if pictures else dict(zip(self._names, given, strict=True)))
