"""Other libraries' errors while a model is loaded, as one sentence of our own."""

from __future__ import annotations

import pickle

from safetensors import SafetensorError

from services.errors import EncoderUnavailable


def one_line(error: BaseException, limit: int = 240) -> str:
    """The message of another library's error, on one line and not too long."""
    text = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"


def unusable_model(name: str, error: Exception) -> EncoderUnavailable:
    """Why a model could not be built from files that are there."""
    if isinstance(error, pickle.UnpicklingError) or "weights_only" in str(error):
        return EncoderUnavailable(
            f"The weights of {name!r} cannot be read without running code they hold, or are damaged.",
            mend="Use weights in the safetensors format.",
            field="encoder",
        )
    if isinstance(error, (SafetensorError, EOFError)) or "PytorchStreamReader" in str(error):
        return EncoderUnavailable(
            f"The weights of {name!r} are damaged or incomplete: {one_line(error)}.",
            mend="Fetch or copy the file again.",
            field="encoder",
        )
    return EncoderUnavailable(
        f"The model {name!r} cannot be built: {one_line(error)}.",
        mend="Check that its configuration and weights belong together.",
        field="encoder",
    )


def unusable_tokenizer(name: str, error: Exception) -> EncoderUnavailable:
    """Why a tokenizer could not be made from files that are there."""
    if isinstance(error, ImportError):
        reason, mend = one_line(error), "Install the library it names."
    else:
        reason, mend = (
            one_line(error),
            "Save it again with save_pretrained() of transformers, or fetch it anew.",
        )
    return EncoderUnavailable(
        f"The tokenizer of {name!r} cannot be read: {reason}.", mend=mend, field="encoder"
    )
