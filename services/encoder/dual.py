"""What the dual encoders have in common: a text tower beside the image tower, and one space for both."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch

from services.encoder.base import Vectors
from services.encoder.plain import PROBE_TEXTS, clean_text
from services.encoder.torch_encoder import TorchEncoder, batches, check_finite, does_not_run
from services.errors import EncoderUnavailable, InvalidInput
from services.settings import Settings


class DualEncoder(TorchEncoder):
    """A pair of towers in torch; keeps the contract of `services.encoder.base.Encoder`.

    A subclass says, beside what `TorchEncoder` asks, how to make tokens and how to run the text tower.
    Tokenizers keep state while they run and are used one call at a time.
    """

    sees_text = True

    def __init__(
        self,
        name: str,
        model: torch.nn.Module,
        settings: Settings,
        *,
        context_length: int,
        configuration: dict[str, Any],
    ) -> None:
        self.context_length = context_length
        self._tokenizing = threading.Lock()
        super().__init__(name, model, settings, configuration=configuration)

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
            self._text_features, (self._tokenize(batch) for batch in batches(texts, self.batch_size))
        )

    # What a subclass gives

    @abstractmethod
    def _tokens(self, texts: list[str]) -> dict[str, torch.Tensor]:
        """Token ids and what goes with them, each int64 [n, length]; called by one thread at a time."""

    @abstractmethod
    def _text_features(self, tokens: dict[str, torch.Tensor]) -> torch.Tensor:
        """Tokens -> [n, d], not normalised."""

    # How it runs

    def _probes(self) -> list[tuple[Callable[[Any], torch.Tensor], Any]]:
        texts = self._tokenize(PROBE_TEXTS[:2])
        return [*super()._probes(), (self._text_features, texts)]

    def _tokenize(self, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        clean = [clean_text(text, self.context_length) for text in texts]
        with self._tokenizing:
            return self._tokens(clean)

    def _check_first(self, image: Vectors) -> None:
        try:
            text = self._run(self._text_features, [self._tokenize(["a product"])])
        except Exception as error:
            raise does_not_run(self.name, error) from None
        if image.shape != text.shape:
            raise EncoderUnavailable(
                f"The towers of {self.name!r} do not share a space: "
                f"pictures have {image.shape[1]} dimensions, texts {text.shape[1]}.",
                mend="Choose a model trained to compare pictures with texts, such as CLIP or SigLIP.",
                field="encoder",
            )
        check_finite(self.name, image, text)
