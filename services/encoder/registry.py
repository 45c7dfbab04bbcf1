"""Name of an encoder -> encoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from services.encoder.base import Encoder
from services.encoder.choices import CLASSIC as CLASSIC
from services.encoder.choices import DEFAULT as DEFAULT
from services.encoder.choices import KNOWN as KNOWN
from services.errors import EncoderUnavailable
from services.settings import Settings

if TYPE_CHECKING:
    from services.encoder.torch_encoder import TorchEncoder

#: The folder of the encoder that comes with the package.
DEFAULT_FOLDER = Path(__file__).parent / "weights" / DEFAULT
HOG = "hog"


@dataclass(frozen=True)
class EncoderName:
    """A name taken apart: who builds the model, from what."""

    kind: Literal["folder", "hub", "openclip", "transformers", "hog", "timm", "torchvision"]
    #: Folder, repository or model name.
    place: str
    #: A tag of open_clip or torchvision, or a file; None: not given.
    weights: str | None = None


def parse_name(name: str) -> EncoderName:
    """Take an encoder's name apart; whether there is such a model only loading tells.

    `vitrine-compact`, `local-dir:FOLDER`, `hf-hub:ORGANISATION/NAME`, `transformers:MODEL_OR_FOLDER`,
    `MODEL/PRETRAINED`; and those that see pictures only, `hog`, `timm:NAME` and `torchvision:NAME/WEIGHTS`.
    Raises `EncoderUnavailable` for a name without its second half.
    """
    name = name.strip()
    if name == DEFAULT:
        return EncoderName("folder", str(DEFAULT_FOLDER))
    if name == HOG:
        return EncoderName("hog", name)
    prefix, colon, place = name.partition(":")
    kinds: dict[str, Literal["folder", "hub", "transformers", "timm", "torchvision"]] = {
        "local-dir": "folder",
        "hf-hub": "hub",
        "transformers": "transformers",
        "timm": "timm",
        "torchvision": "torchvision",
    }
    if colon and prefix in kinds:
        if not place.strip():
            raise EncoderUnavailable(
                f"The encoder name {name!r} ends where a model should follow.",
                mend=f"Give one, as in {_EXAMPLES[prefix]}.",
                field="encoder",
            )
        model, _, weights = (
            place.strip().partition("/") if prefix == "torchvision" else (place.strip(), "", "")
        )
        return EncoderName(kinds[prefix], model, weights or None)
    model, slash, weights = name.partition("/")
    if not model or (slash and not weights):
        raise EncoderUnavailable(
            f"{name!r} is no name of an encoder.",
            mend=f"Set VITRINE_ENCODER to {DEFAULT} or to a name such as {KNOWN[2].name}.",
            field="encoder",
        )
    return EncoderName("openclip", model, weights or None)


_EXAMPLES = {
    "local-dir": "local-dir:models/mine",
    "hf-hub": "hf-hub:Marqo/marqo-fashionSigLIP",
    "transformers": "transformers:google/siglip2-base-patch16-224",
    "timm": "timm:resnet50.a1_in1k",
    "torchvision": "torchvision:vgg16/IMAGENET1K_V1",
}


def load_encoder(settings: Settings) -> TorchEncoder:
    """The encoder that the settings name, loaded and run once.

    Raises `EncoderUnavailable`, in one sentence, for a model that cannot be had.
    """
    name = settings.encoder.strip()
    parsed = parse_name(name)
    # The libraries take seconds to import; only the one that is needed is.
    if parsed.kind == "transformers":
        from services.encoder.hf import load_transformers

        return load_transformers(name, parsed.place, settings)
    if parsed.kind in ("hog", "timm", "torchvision"):
        return _load_classic(name, parsed, settings)
    if parsed.kind == "folder":
        from services.encoder.extractors.folder import is_extractor

        folder = Path(parsed.place).expanduser()
        if is_extractor(folder):
            return _load_extractor(name, folder, settings)

    from services.encoder import openclip

    if parsed.kind == "folder":
        return openclip.load_folder(name, folder, settings)
    if parsed.kind == "hub":
        return openclip.load_from_hub(name, parsed.place, settings)
    return openclip.load_pretrained(name, parsed.place, parsed.weights, settings)


def _load_classic(name: str, parsed: EncoderName, settings: Settings) -> TorchEncoder:
    if parsed.kind == "hog":
        from services.encoder.extractors.hog import HogEncoder

        return HogEncoder(name, settings)
    from services.encoder.extractors import pretrained

    if parsed.kind == "timm":
        return pretrained.load_timm(name, parsed.place, settings)
    return pretrained.load_torchvision(name, parsed.place, parsed.weights, settings)


def _load_extractor(name: str, folder: Path, settings: Settings) -> TorchEncoder:
    """The extractor of a model folder, whatever fitted or trained it."""
    from services.encoder.extractors.folder import read_description

    description = read_description(folder)
    if description["method"] == "measure":
        from services.encoder.extractors.learned_measure import LearnedMeasure, base_name

        base = load_encoder(settings.model_copy(update={"encoder": base_name(name, description)}))
        return LearnedMeasure(name, folder, base, settings)
    if description["method"] in ("bow", "vlad"):
        from services.encoder.extractors.words import WordsEncoder

        return WordsEncoder(name, folder, settings)
    from services.encoder.extractors.network import NetworkEncoder

    return NetworkEncoder(name, folder, settings)


def load_accelerated(settings: Settings, *, many: bool = False) -> TorchEncoder:
    """As `load_encoder`, for a process that encodes a lot: with what makes it faster on this machine, see
    `TorchEncoder.accelerate`. What that takes seconds to make is kept in the data folder."""
    encoder = load_encoder(settings)
    encoder.accelerate(_runtimes(settings), many=many)
    if encoder.exports and (folder := _model_folder(settings)) is not None:
        from services.encoder.openclip import OpenClipEncoder
        from services.encoder.quick import leave_note

        if isinstance(encoder, OpenClipEncoder):
            leave_note(encoder, folder, _runtimes(settings), settings)
    return encoder


def load_soon(
    settings: Settings, otherwise: Callable[[Settings], TorchEncoder] = load_accelerated
) -> Encoder:
    """An encoder for queries as soon as it can be had: the quick one, with the whole behind it, where an
    earlier `load_accelerated` made that possible, and what `otherwise` loads where not.

    Raises `EncoderUnavailable`, in one sentence, for a model that cannot be had.
    """
    folder = _model_folder(settings)
    if folder is not None and settings.runtime != "torch" and settings.device in ("auto", "cpu"):
        from services.encoder.quick import quick_encoder

        load = partial(otherwise, settings)
        if quick := quick_encoder(settings, folder, _runtimes(settings), load):
            return quick
    return otherwise(settings)


def _runtimes(settings: Settings) -> Path:
    return settings.data_dir / "runtimes"


def _model_folder(settings: Settings) -> Path | None:
    """The folder whose files are the whole of the model, if it is one."""
    parsed = parse_name(settings.encoder)
    folder = Path(parsed.place).expanduser()
    return folder if parsed.kind == "folder" and folder.is_dir() else None


def describe(encoder: TorchEncoder) -> dict[str, Any]:
    """Facts about a loaded encoder, JSON-ready, for people to read."""
    from services.encoder.dual import DualEncoder

    return {
        "name": encoder.name,
        "family": encoder.family,
        "parameters": encoder.parameters,
        "size_mb": round(encoder.bytes / 1e6, 1),
        "image_size": encoder.image_size,
        "dim": encoder.dim,
        "sees": "pictures and words" if encoder.sees_text else "pictures only",
        "measure": encoder.measure,
        **({"context_length": encoder.context_length} if isinstance(encoder, DualEncoder) else {}),
        "device": str(encoder.device),
        "precision": encoder.precision,
        "runtime": encoder.runtime,
        "weights": encoder.identity.weights,
        "preprocess": encoder.identity.preprocess,
    }
