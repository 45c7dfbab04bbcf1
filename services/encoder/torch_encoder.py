"""What all encoders in torch have in common: devices, batches, threads, and vectors out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from PIL import Image

from services.cores import ENCODERS
from services.encoder.base import EncoderIdentity, Measure, Pixels, Vectors
from services.encoder.device import Precision, pick_device, pick_precision
from services.encoder.failures import one_line
from services.encoder.identity import hash_configuration, hash_weights
from services.encoder.plain import check_stacked, probe_pictures
from services.errors import EncoderUnavailable
from services.settings import Settings

if TYPE_CHECKING:
    from services.encoder.onnx import OnnxTower

Item = TypeVar("Item")

#: Up to as many pictures or texts at a time, ONNX Runtime in float32 is faster than torch in bf16.
_FEW = 2
#: Larger models are not exported unasked: they would be in memory twice, and gain less.
MOST_PARAMETERS = 300_000_000


class TorchEncoder(ABC):
    """The image side of `services.encoder.base.Encoder`, and how any tower is run.

    A subclass builds the model (float32, on the CPU) and says how to prepare a picture and how to run it.
    Safe to call from several threads: the towers keep no state while they run.
    """

    #: What built the model, for people to read.
    family: str
    #: Whether texts have vectors as well.
    sees_text: bool
    #: What its vectors are compared by; only those compared by cosine have unit length.
    measure: Measure = "cosine"
    #: Whether its towers are torch from end to end, so that they can be exported.
    exportable = False

    def __init__(
        self, name: str, model: torch.nn.Module, settings: Settings, *, configuration: dict[str, Any]
    ) -> None:
        self.name = name
        self.batch_size = settings.batch_size
        self.device = pick_device(settings.device)
        self.precision: Precision = pick_precision(settings.precision, self.device)

        model = model.eval().requires_grad_(False)
        self.parameters = sum(parameter.numel() for parameter in model.parameters())
        self.bytes = sum(tensor.nbytes for tensor in model.state_dict().values())
        weights = hash_weights(model)
        self._runtime = settings.runtime
        #: Towers that ONNX Runtime runs instead of torch, by the name of their method.
        self._exported: dict[str, OnnxTower] = {}
        #: The files that they came from.
        self.exports: dict[str, Path] = {}
        self._model = self._tuned(model).to(self.device)

        self.image_size, dim = self._first_run()
        self._identity = EncoderIdentity(
            name=name, weights=weights, preprocess=hash_configuration(configuration), dim=dim
        )

    @property
    def identity(self) -> EncoderIdentity:
        return self._identity

    @property
    def dim(self) -> int:
        """Width d of the space."""
        return self._identity.dim

    @property
    def runtime(self) -> str:
        """What runs the towers: "torch", or "ONNX Runtime" for some or all of them."""
        if not self._exported:
            return "torch"
        return "ONNX Runtime, 8 bits" if self._runtime == "onnx8" else "ONNX Runtime"

    def prepare(self, image: Image.Image) -> Pixels:
        """One picture as the model's own preprocessing makes it: float32 [3, height, width].

        Height and width are `image_size` for the usual square towers; for a rectangular one the larger
        of them is.
        """
        pixels: Pixels = self._plain(image).numpy()
        return pixels

    def encode_prepared(self, pixels: Pixels) -> Vectors:
        """Pictures from `prepare`, stacked: float32 [n, 3, height, width] -> float32 [n, d], of unit length
        unless `measure` is another than cosine."""
        return self._run(self._image_features, self._stacked_batches(pixels))

    def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        """As `encode_prepared`, of RGB pictures; n may be 0."""
        return self._run(self._image_features, self._prepared_batches(images))

    def accelerate(self, folder: Path, *, many: bool = False) -> bool:
        """Have ONNX Runtime run the towers, where that gives the same vectors sooner; True if it does.

        For processes that encode a lot: the first time for these weights takes seconds, after that the
        exported towers come from `folder`. Worth it on a CPU: for a few pictures or texts at a time, and for
        `many` unless torch has bf16, which is faster still. Does nothing if the settings say torch; raises
        `EncoderUnavailable` if they say onnx or onnx8 and it cannot be.
        """
        if self._runtime == "torch":
            return False
        asked = self._runtime != "auto"
        if not asked and ((many and self.precision == "bf16") or self.parameters > MOST_PARAMETERS):
            return False
        probes = self._probes() if self.exportable and self.device.type == "cpu" else []
        if probes:
            from services.encoder.export import onnx_tower

            small, threads = self._runtime == "onnx8", torch.get_num_threads()
            if many:
                # A worker encodes several batches at the same time, which share them out.
                threads //= min(ENCODERS, threads)
            for tower, probe in probes:
                name = f"{self._identity.weights}-{self._identity.preprocess}{tower.__name__}"
                file = folder / f"{name}{'-8' * small}-{torch.__version__}.onnx"
                if found := onnx_tower(tower, probe, file, threads=threads, small=small):
                    self._exported[tower.__name__] = found
                    self.exports[tower.__name__] = file
        # Patches are asked for seldom, and not every tower has them.
        needed = {tower.__name__ for tower, _ in probes} - {"_patch_features"}
        if asked and (not probes or not needed <= set(self._exported)):
            raise EncoderUnavailable(
                f"The encoder {self.name!r} cannot be run by ONNX Runtime here.",
                mend="Set VITRINE_RUNTIME=auto, or VITRINE_DEVICE=cpu if it is on another device.",
                field="runtime",
            )
        return bool(self._exported)

    @abstractmethod
    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Texts -> float32 [n, d]; n may be 0. Raises `PicturesOnly` if the encoder does not see any."""

    def encode_patches(self, images: Sequence[Image.Image]) -> Vectors:
        """Patches projected to the space: L2-normalised float32 [n, rows, columns, d], whatever `measure` is.

        Each position goes through the tower's pooling and projection as if it were the whole picture
        (Zhou et al. 2022, MaskCLIP, arXiv 2112.01071). With mean pooling and a linear projection the
        mean of the patches before normalisation is the picture's embedding, exactly; where anything
        non-linear follows the pooling (a norm, mobilenetv4's convolution head, attention) only nearly.

        Raises `EncoderUnavailable` for a tower that has no spatial tokens.
        """
        if not images:
            return self._run(self._patch_features, [self._blank()], unit=True)[:0]
        return self._run(self._patch_features, self._prepared_batches(images), unit=True)

    def encode_prepared_patches(self, pixels: Pixels) -> Vectors:
        """As `encode_patches`, of pictures from `prepare`, stacked: float32 [n, 3, height, width], n > 0."""
        return self._run(self._patch_features, self._stacked_batches(pixels), unit=True)

    # What a subclass gives

    @abstractmethod
    def _prepared(self, image: Image.Image) -> torch.Tensor:
        """Preprocess one RGB picture: float32 [3, height, width]."""

    @abstractmethod
    def _image_features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels on the device [n, 3, height, width] -> [n, d], not normalised."""

    @abstractmethod
    def _patch_features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels on the device [n, 3, height, width] -> [n, rows, columns, d], not normalised."""

    def _tuned(self, model: torch.nn.Module) -> torch.nn.Module:
        """The same function in a form that runs faster; called once, after the weights were hashed."""
        return model

    def _check_first(self, image: Vectors) -> None:
        """Look at the vector [1, d] of the first picture and raise `EncoderUnavailable` if the model cannot
        serve."""
        check_finite(self.name, image)

    # How it runs

    def _probes(self) -> list[tuple[Callable[[Any], torch.Tensor], Any]]:
        """The towers that can be exported, each with an input of two rows to try it on."""
        pictures = [self._plain(picture) for picture in probe_pictures()]
        return [(self._image_features, torch.stack(pictures))]

    def _plain(self, image: Image.Image) -> torch.Tensor:
        return self._prepared(image if image.mode == "RGB" else image.convert("RGB"))

    def _prepared_batches(self, images: Sequence[Image.Image]) -> Iterator[torch.Tensor]:
        for batch in batches(images, self.batch_size):
            yield torch.stack([self._plain(image) for image in batch])

    def _stacked_batches(self, pixels: Pixels) -> Iterator[torch.Tensor]:
        check_stacked(pixels)
        return iter(torch.split(torch.from_numpy(pixels), self.batch_size) if len(pixels) else ())

    @contextmanager
    def _arithmetic(self) -> Iterator[None]:
        # Mixed precision leaves the weights in float32 and picks per operation, so any tower runs.
        mixed = torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")
        with torch.inference_mode(), mixed:
            yield

    def _run(
        self, tower: Callable[[Any], torch.Tensor], inputs: Iterable[Any], *, unit: bool = False
    ) -> Vectors:
        """Vectors of all batches, one after another: float32 [n, ..., d], `unit` whatever `measure` is."""
        parts = []
        for batch in inputs:
            features = self._features(tower, batch)
            if unit or self.measure == "cosine":
                features = torch.nn.functional.normalize(features, dim=-1)
            parts.append(features.cpu().numpy())
        return np.concatenate(parts) if parts else np.empty((0, self.dim), dtype=np.float32)

    def _features(self, tower: Callable[[Any], torch.Tensor], batch: Any) -> torch.Tensor:
        exported = self._exported.get(getattr(tower, "__name__", ""))
        # Only where many are encoded at once is bf16 in torch faster than float32.
        exact = self._runtime != "onnx8"
        if exported is not None and not (exact and self.precision == "bf16" and _rows(batch) > _FEW):
            return torch.from_numpy(exported(batch))
        with self._arithmetic():
            return tower(self._on_device(batch)).float()

    def _on_device(self, batch: Any) -> Any:
        if isinstance(batch, dict):
            return {name: tensor.to(self.device) for name, tensor in batch.items()}
        return batch.to(self.device, non_blocking=True)

    def _blank(self) -> torch.Tensor:
        return self._plain(Image.new("RGB", (64, 64)))[None]

    def _first_run(self) -> tuple[int, int]:
        """(image size, width of the space), found by running the model once.

        A model that loads but cannot run, or whose weights hold no numbers, is found out here and not
        in the middle of a catalogue.
        """
        try:
            pixels = self._blank()
            image = self._run(self._image_features, [pixels])
        except Exception as error:
            raise does_not_run(self.name, error) from None
        self._check_first(image)
        return max(pixels.shape[-2:]), image.shape[1]


def does_not_run(name: str, error: Exception) -> EncoderUnavailable:
    """Why a model that could be built is of no use."""
    return EncoderUnavailable(
        f"The model {name!r} loads but does not run: {one_line(error)}.",
        mend="Check that its configuration, preprocessing and tokenizer belong to its weights.",
        field="encoder",
    )


def check_finite(name: str, *vectors: Vectors) -> None:
    """Raise `EncoderUnavailable` for vectors that hold values that are no numbers."""
    if not all(np.isfinite(some).all() for some in vectors):
        raise EncoderUnavailable(
            f"The weights of {name!r} are damaged: its vectors hold values that are no numbers.",
            mend="Fetch the weights again.",
            field="encoder",
        )


def _rows(batch: Any) -> int:
    return len(next(iter(batch.values())) if isinstance(batch, dict) else batch)


def batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    """The items, `size` at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
