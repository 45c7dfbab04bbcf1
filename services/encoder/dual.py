"""What the encoders have in common: devices, batches, threads, and unit vectors out."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image

from services.encoder.base import EncoderIdentity, Vectors
from services.encoder.device import Precision, pick_device, pick_precision
from services.encoder.failures import one_line
from services.encoder.identity import hash_configuration, hash_weights
from services.errors import EncoderUnavailable, InvalidInput
from services.settings import Settings

Item = TypeVar("Item")

#: Characters of a text that are looked at for each token the text tower can hold. Real text has about
#: five to a token, and the cost of some tokenizers grows with the square of an endless word.
CHARACTERS_PER_TOKEN = 32


class DualEncoder(ABC):
    """A pair of towers in torch; keeps the contract of `services.encoder.base.Encoder`.

    A subclass builds the model (float32, on the CPU) and says how to prepare a picture, how to make
    tokens, and how to run either tower. Safe to call from several threads: the towers keep no state
    while they run, and tokenizers, which do, are used one call at a time.
    """

    #: The library that built the model, for people to read.
    family: str

    def __init__(
        self,
        name: str,
        model: torch.nn.Module,
        settings: Settings,
        *,
        context_length: int,
        configuration: dict[str, Any],
    ) -> None:
        self.name = name
        self.context_length = context_length
        self.batch_size = settings.batch_size
        self.device = pick_device(settings.device)
        self.precision: Precision = pick_precision(settings.precision, self.device)
        self._tokenizing = threading.Lock()

        model = model.eval().requires_grad_(False)
        self.parameters = sum(parameter.numel() for parameter in model.parameters())
        self.bytes = sum(tensor.nbytes for tensor in model.state_dict().values())
        weights = hash_weights(model)
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
        """Width d of the shared space."""
        return self._identity.dim

    def prepare(self, image: Image.Image) -> torch.Tensor:
        """One picture as the model's own validation preprocessing makes it: float32 [3, height, width].

        Height and width are `image_size` for the usual square towers; for a rectangular one the larger
        of them is.
        """
        return self._prepared(image if image.mode == "RGB" else image.convert("RGB"))

    def encode_prepared(self, pixels: torch.Tensor) -> Vectors:
        """Pictures from `prepare`, stacked: float32 [n, 3, height, width] -> L2-normalised float32 [n, d]."""
        return self._run(self._image_features, self._stacked_batches(pixels))

    def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        """RGB pictures -> L2-normalised float32 [n, d]; n may be 0."""
        return self._run(self._image_features, self._prepared_batches(images))

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Texts -> L2-normalised float32 [n, d]; n may be 0.

        A text longer than the context is cut off at its end.
        """
        if isinstance(texts, str):
            raise InvalidInput(
                "Texts must come as a sequence of strings, not as one string.",
                mend="Wrap it in a list.",
                field="texts",
            )
        return self._run(
            self._text_features, (self._tokenize(batch) for batch in _batches(texts, self.batch_size))
        )

    def encode_patches(self, images: Sequence[Image.Image]) -> Vectors:
        """Patch tokens projected to the shared space: L2-normalised float32 [n, rows, columns, d].

        Each position goes through the tower's pooling and projection as if it were the whole picture
        (Zhou et al. 2022, MaskCLIP, arXiv 2112.01071). With mean pooling and a linear projection the
        mean of the patches before normalisation is the picture's embedding, exactly; where anything
        non-linear follows the pooling (a norm, mobilenetv4's convolution head, attention) only nearly.

        Raises `EncoderUnavailable` for a tower that has no spatial tokens.
        """
        if not images:
            return self._run(self._patch_features, [self._blank()])[:0]
        return self._run(self._patch_features, self._prepared_batches(images))

    def encode_prepared_patches(self, pixels: torch.Tensor) -> Vectors:
        """As `encode_patches`, of pictures from `prepare`, stacked, at least one: float32 [n, 3, h, w]."""
        return self._run(self._patch_features, self._stacked_batches(pixels))

    # What a subclass gives

    @abstractmethod
    def _prepared(self, image: Image.Image) -> torch.Tensor:
        """Preprocess one RGB picture: float32 [3, height, width]."""

    @abstractmethod
    def _tokens(self, texts: list[str]) -> dict[str, torch.Tensor]:
        """Token ids and what goes with them, each int64 [n, length]; called by one thread at a time."""

    @abstractmethod
    def _image_features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels on the device [n, 3, height, width] -> [n, d], not normalised."""

    @abstractmethod
    def _text_features(self, tokens: dict[str, torch.Tensor]) -> torch.Tensor:
        """Tokens -> [n, d], not normalised."""

    @abstractmethod
    def _patch_features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels on the device [n, 3, height, width] -> [n, rows, columns, d], not normalised."""

    def _tuned(self, model: torch.nn.Module) -> torch.nn.Module:
        """The same function in a form that runs faster; called once, after the weights were hashed."""
        return model

    # How it runs

    def _tokenize(self, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        limit = CHARACTERS_PER_TOKEN * self.context_length
        # Half of a surrogate pair, as cut-off JSON may hold, is no character and has no UTF-8 form.
        clean = [text[:limit].encode("utf-8", "replace").decode("utf-8") for text in texts]
        with self._tokenizing:
            return self._tokens(clean)

    def _prepared_batches(self, images: Sequence[Image.Image]) -> Iterator[torch.Tensor]:
        for batch in _batches(images, self.batch_size):
            yield torch.stack([self.prepare(image) for image in batch])

    def _stacked_batches(self, pixels: torch.Tensor) -> Iterator[torch.Tensor]:
        if pixels.ndim != 4 or pixels.shape[1] != 3:
            raise InvalidInput(
                f"Prepared pictures must have the shape [n, 3, height, width], not {list(pixels.shape)}.",
                mend="Stack what prepare() returns.",
                field="pixels",
            )
        starts = range(0, len(pixels), self.batch_size)
        return (pixels[start : start + self.batch_size] for start in starts)

    @contextmanager
    def _arithmetic(self) -> Iterator[None]:
        # Mixed precision leaves the weights in float32 and picks per operation, so any tower runs.
        mixed = torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")
        with torch.inference_mode(), mixed:
            yield

    def _run(self, tower: Callable[[Any], torch.Tensor], batches: Any) -> Vectors:
        """Unit vectors of all batches, one after another: float32 [n, ..., d]."""
        parts = []
        for batch in batches:
            with self._arithmetic():
                features = tower(self._on_device(batch))
            parts.append(torch.nn.functional.normalize(features.float(), dim=-1).cpu().numpy())
        return np.concatenate(parts) if parts else np.empty((0, self.dim), dtype=np.float32)

    def _on_device(self, batch: Any) -> Any:
        if isinstance(batch, dict):
            return {name: tensor.to(self.device) for name, tensor in batch.items()}
        return batch.to(self.device, non_blocking=True)

    def _blank(self) -> torch.Tensor:
        return self.prepare(Image.new("RGB", (64, 64)))[None]

    def _first_run(self) -> tuple[int, int]:
        """(image size, width of the shared space), found by running both towers once.

        A model that loads but cannot run, or whose weights hold no numbers, is found out here and not
        in the middle of a catalogue.
        """
        try:
            pixels = self._blank()
            image = self._run(self._image_features, [pixels])
            text = self._run(self._text_features, [self._tokenize(["a product"])])
        except Exception as error:
            raise EncoderUnavailable(
                f"The model {self.name!r} loads but does not run: {one_line(error)}.",
                mend="Check that its configuration, preprocessing and tokenizer belong to its weights.",
                field="encoder",
            ) from None
        if image.shape != text.shape:
            raise EncoderUnavailable(
                f"The towers of {self.name!r} do not share a space: "
                f"pictures have {image.shape[1]} dimensions, texts {text.shape[1]}.",
                mend="Choose a model trained to compare pictures with texts, such as CLIP or SigLIP.",
                field="encoder",
            )
        if not (np.isfinite(image).all() and np.isfinite(text).all()):
            raise EncoderUnavailable(
                f"The weights of {self.name!r} are damaged: its vectors hold values that are no numbers.",
                mend="Fetch the weights again.",
                field="encoder",
            )
        return max(pixels.shape[-2:]), image.shape[1]


def _batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
