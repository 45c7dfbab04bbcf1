"""Encoders that open_clip builds: its own models, models of a hub, folders, and the shipped default."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import open_clip
import torch
from huggingface_hub import constants
from open_clip.modified_resnet import ModifiedResNet
from open_clip.pretrained import get_pretrained_cfg
from open_clip.timm_model import TimmModel
from open_clip.tokenizer import DEFAULT_CONTEXT_LENGTH, HFTokenizer, SimpleTokenizer
from PIL import Image
from timm.utils.model import reparameterize_model

import services.encoder.towers  # noqa: F401  # so that a model's config may name them
from services.encoder import hub
from services.encoder.dual import DualEncoder
from services.encoder.failures import one_line, unusable_model, unusable_tokenizer
from services.encoder.identity import hash_configuration, tokenizer_configuration
from services.encoder.patches import patch_features
from services.errors import EncoderUnavailable
from services.settings import Settings

CONFIG = "open_clip_config.json"
_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
#: Words whose tokens open_clip's own tokenizer may keep at hand.
WORDS_KEPT = 100_000
_WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pth")


@dataclass
class _Source:
    """What open_clip's factory is asked for, every file being on disk by now."""

    model: str
    tokenizer: Callable[[], Any]
    options: dict[str, Any] = field(default_factory=dict)


class OpenClipEncoder(DualEncoder):
    """A model that open_clip's factory builds, with the preprocessing and the tokenizer it names."""

    family = "open_clip"
    exportable = True

    def __init__(self, name: str, model: Any, preprocess: Any, tokenizer: Any, settings: Settings) -> None:
        self._preprocess = preprocess
        self._tokenizer = tokenizer
        configuration = {"image": dict(model.visual.preprocess_cfg), "text": _describe_tokenizer(tokenizer)}
        super().__init__(
            name,
            model,
            settings,
            context_length=tokenizer.context_length,
            configuration=configuration,
        )

    def tokenize(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Token ids of texts: int64 [n, context_length]."""
        ids: npt.NDArray[np.int64] = self._tokenize(texts)["text"].numpy()
        return ids

    def plan(self) -> dict[str, Any] | None:
        """What of `services.encoder.quick.Note` only the encoder knows: how it prepares pictures and texts,
        and where its exported towers are. None if one of them is missing, or done as only open_clip can."""
        seen: dict[str, Any] = self._model.visual.preprocess_cfg  # type: ignore[union-attr,assignment]
        tokenizer = self._tokenizer
        size = seen["size"] if isinstance(seen["size"], int) else max(seen["size"])
        image, text, patches = (self.exports.get(f"_{name}_features") for name in ("image", "text", "patch"))
        if seen["resize_mode"] != "squash" or not isinstance(tokenizer, HFTokenizer) or not image or not text:
            return None
        return {
            "picture": {"size": size} | {key: seen[key] for key in ("mean", "std", "interpolation")},
            "context_length": tokenizer.context_length,
            "pad": tokenizer.tokenizer.pad_token_id,
            "image_tower": image.name,
            "text_tower": text.name,
            "patch_tower": patches and patches.name,
        }

    def _prepared(self, image: Image.Image) -> torch.Tensor:
        pixels: torch.Tensor = self._preprocess(image)
        return pixels

    def _tokens(self, texts: list[str]) -> dict[str, torch.Tensor]:
        tokens = {"text": self._tokenizer(texts)}
        if isinstance(self._tokenizer, SimpleTokenizer) and len(self._tokenizer.cache) > WORDS_KEPT:
            # It remembers every word it ever saw, which a service that runs for months cannot afford.
            special = self._tokenizer.all_special_ids
            self._tokenizer.cache = dict(list(self._tokenizer.cache.items())[: len(special)])
        return tokens

    def _image_features(self, pixels: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self._model.encode_image(pixels, normalize=False)  # type: ignore[operator]
        return features

    def _text_features(self, tokens: dict[str, torch.Tensor]) -> torch.Tensor:
        features: torch.Tensor = self._model.encode_text(tokens["text"], normalize=False)  # type: ignore[operator]
        return features

    def _patch_features(self, pixels: torch.Tensor) -> torch.Tensor:
        return patch_features(self._model.visual, pixels)  # type: ignore[arg-type]

    def _probes(self) -> list[tuple[Callable[[Any], torch.Tensor], Any]]:
        probes = super()._probes()
        _, pixels = probes[0]
        return [*probes, (self._patch_features, pixels)]

    def _tuned(self, model: Any) -> torch.nn.Module:
        # Folding the training-time branches (MobileCLIP, RepViT) and channels-last convolutions
        # give the same vectors in about half the time.
        if isinstance(model.visual, TimmModel):
            model.visual.trunk = reparameterize_model(model.visual.trunk, inplace=True)
        if isinstance(model.visual, (TimmModel, ModifiedResNet)):
            model.visual.to(memory_format=torch.channels_last)
        return model  # type: ignore[no-any-return]


def load_folder(name: str, folder: Path, settings: Settings) -> OpenClipEncoder:
    """The model of a folder that holds `open_clip_config.json`, weights and tokenizer files."""
    return _build(name, _from_folder(name, folder), settings)


def load_from_hub(name: str, repository: str, settings: Settings) -> OpenClipEncoder:
    """A model of a hub that was saved by open_clip (`hf-hub:` in open_clip's own naming)."""
    return _build(name, _from_hub(name, repository), settings)


def load_pretrained(name: str, model: str, weights: str | None, settings: Settings) -> OpenClipEncoder:
    """A model open_clip knows by name, with weights it knows by tag, or from a file.

    Weights trained with QuickGELU get QuickGELU, also where the model's plain name would not say so:
    without it open_clip warns, and the vectors are worse than they should be.
    """
    return _build(name, _from_names(name, model, weights), settings)


@dataclass(frozen=True)
class Trainable:
    """A model as its weights were trained, before anything is folded, to be trained further; `config` is the
    `open_clip_config.json` that builds it, `folder` where it was read from, if it was a folder."""

    model: Any
    tokenizer: Any
    config: dict[str, Any]
    folder: Path | None


def load_trainable(name: str, kind: str, place: str, weights: str | None) -> Trainable:
    """The model that a name taken apart (`registry.parse_name`) stands for, float32 on the CPU.

    Its pictures are squeezed to a square from then on, whatever was done to them before. Raises
    `EncoderUnavailable` for one that cannot be had, or is none of open_clip.
    """
    if kind == "folder":
        source = _from_folder(name, Path(place).expanduser())
    elif kind == "hub":
        source = _from_hub(name, place)
    elif kind == "openclip":
        source = _from_names(name, place, weights)
    else:
        raise EncoderUnavailable(
            f"{name!r} is no model of open_clip, which alone can be trained further.",
            mend="Use vitrine-compact, MODEL/PRETRAINED of open_clip, or a folder or hub model saved by it.",
            field="start",
        )
    model, _, tokenizer = _made(name, source)
    prefix, _, path = source.model.partition(":")
    folder = Path(path) if prefix == "local-dir" else None
    if folder is not None:
        architecture = json.loads((folder / CONFIG).read_text(encoding="utf-8"))["model_cfg"]
    else:
        architecture = dict(open_clip.get_model_config(source.model))
        if source.options.get("force_quick_gelu"):
            architecture["quick_gelu"] = True
    seen = model.visual.preprocess_cfg
    preprocess = {key: seen[key] for key in ("mean", "std", "interpolation")} | {"resize_mode": "squash"}
    return Trainable(model, tokenizer, {"model_cfg": architecture, "preprocess_cfg": preprocess}, folder)


def _build(name: str, source: _Source, settings: Settings) -> OpenClipEncoder:
    return OpenClipEncoder(name, *_made(name, source), settings)


def _made(name: str, source: _Source) -> tuple[Any, Any, Any]:
    """The model, its preprocessing and its tokenizer."""
    try:
        model, preprocess = open_clip.create_model_from_pretrained(
            source.model, precision="fp32", device="cpu", weights_only=True, **source.options
        )
    except Exception as error:
        raise unusable_model(name, error) from None
    try:
        tokenizer = source.tokenizer()
    except Exception as error:
        raise unusable_tokenizer(name, error) from None
    return model, preprocess, tokenizer


# Where the files come from


def _from_folder(name: str, folder: Path) -> _Source:
    text = _text_config(folder)
    _check_weights(folder)
    if text.get("hf_tokenizer_name") and not any(folder.glob("tokenizer*.json")):
        raise _missing(folder, "no tokenizer (tokenizer.json, tokenizer_config.json)")
    place = f"local-dir:{folder}"
    # open_clip looks for the tokenizer of a local-dir model in that same folder, whatever it is called.
    options = {"trust_remote_code": False} if text.get("hf_tokenizer_name") else {}
    return _Source(place, lambda: open_clip.get_tokenizer(place, **options), _text_tower(name, text))


def _from_hub(name: str, repository: str) -> _Source:
    folder = hub.fetch(name, repository, [CONFIG, *hub.TOKENIZER_FILES], weights=_WEIGHTS)
    if not (folder / CONFIG).is_file():
        raise EncoderUnavailable(
            f"The model {repository!r} holds no {CONFIG}, so open_clip cannot build it.",
            mend=f"If it is a model for transformers, set VITRINE_ENCODER=transformers:{repository}.",
            field="encoder",
        )
    text = _text_config(folder)
    if text.get("hf_tokenizer_name") in (None, "", repository):
        return _from_folder(name, folder)
    _check_weights(folder)
    return _Source(f"local-dir:{folder}", _hub_tokenizer(name, text), _text_tower(name, text))


def _from_names(name: str, model: str, weights: str | None) -> _Source:
    known = open_clip.list_models()
    if model not in known:
        elsewhere = f"A model of a hub is written hf-hub:{name} (saved by open_clip) or transformers:{name}"
        raise _unknown("model", model, ["vitrine-compact", *known], elsewhere)
    tags = open_clip.list_pretrained_tags_by_model(model)
    if weights is None:
        raise EncoderUnavailable(
            f"{model!r} names a model of open_clip but not which weights.",
            mend=f"Write {model}/PRETRAINED with one of: {', '.join(tags[:8])}{', …' if tags[8:] else ''}."
            if tags
            else "open_clip has none for it; choose another model.",
            field="encoder",
        )
    text = open_clip.get_model_config(model)["text_cfg"]
    options: dict[str, Any]
    if tag := get_pretrained_cfg(model, weights):
        options = {
            "pretrained": str(_pretrained_file(name, tag["hf_hub"])),
            "force_quick_gelu": bool(tag.get("quick_gelu")),
            "image_mean": tag.get("mean"),
            "image_std": tag.get("std"),
            "image_interpolation": tag.get("interpolation"),
            "image_resize_mode": tag.get("resize_mode"),
        }
    elif Path(weights).expanduser().is_file():
        options = {"pretrained": str(Path(weights).expanduser())}
    else:
        raise _unknown(f"weights for {model}", weights, tags, "Or give the path of a file that holds them")
    borrowed = bool(text.get("hf_tokenizer_name"))
    tokenizer = _hub_tokenizer(name, text) if borrowed else lambda: open_clip.get_tokenizer(model)
    return _Source(model, tokenizer, options | _text_tower(name, text))


def _pretrained_file(name: str, place: str) -> Path:
    """The file of a tag's place on the hub, `ORGANISATION/NAME/` or `ORGANISATION/NAME/FILE`."""
    organisation, model, file = place.split("/", 2)
    repository = f"{organisation}/{model}"
    wanted = (str(Path(file).with_suffix(".safetensors")), file) if file else _WEIGHTS
    folder = hub.fetch(name, repository, [CONFIG], weights=wanted)
    for candidate in wanted:
        if (folder / candidate).is_file():
            return folder / candidate
    raise EncoderUnavailable(
        f"The encoder {name!r} has no weights on this machine or at {constants.ENDPOINT}/{repository} "
        f"({' or '.join(wanted)}).",
        mend="Connect to the network to fetch them, or choose another encoder.",
        field="encoder",
    )


def _hub_tokenizer(name: str, text: dict[str, Any]) -> Callable[[], Any]:
    """The tokenizer of another repository, made as `open_clip.get_tokenizer` would make it."""
    folder = hub.fetch(name, text["hf_tokenizer_name"], hub.TOKENIZER_FILES)
    return lambda: HFTokenizer(
        str(folder),
        context_length=text.get("context_length", DEFAULT_CONTEXT_LENGTH),
        tokenizer_mode=text.get("tokenizer_mode"),
        trust_remote_code=False,
        **(text.get("tokenizer_kwargs") or {}),
    )


def _text_tower(name: str, text: dict[str, Any]) -> dict[str, Any]:
    """Factory options that let a text tower of transformers find its configuration on disk."""
    if not text.get("hf_model_name"):
        return {}
    folder = hub.fetch(name, text["hf_model_name"], ["config.json"])
    return {"text_cfg": text | {"hf_model_name": str(folder), "hf_model_pretrained": False}}


def _text_config(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise EncoderUnavailable(
            f"The model folder {str(folder)!r} does not exist.",
            mend=f"Give a folder that holds {CONFIG} and weights.",
            field="encoder",
        )
    if not (folder / CONFIG).is_file():
        raise _missing(folder, f"no {CONFIG}")
    try:
        text = json.loads((folder / CONFIG).read_text(encoding="utf-8"))["model_cfg"]["text_cfg"]
        return dict(text)
    except (ValueError, KeyError, TypeError) as error:
        raise EncoderUnavailable(
            f"{str(folder / CONFIG)!r} is no model configuration of open_clip: {type(error).__name__}: "
            f"{one_line(error)}.",
            mend="It must be JSON with model_cfg.vision_cfg and model_cfg.text_cfg.",
            field="encoder",
        ) from None


def _check_weights(folder: Path) -> None:
    if not any(path.suffix in _WEIGHT_SUFFIXES for path in folder.iterdir()):
        raise _missing(folder, f"no weights ({_WEIGHTS[0]})")


def _missing(folder: Path, what: str) -> EncoderUnavailable:
    return EncoderUnavailable(
        f"The model folder {str(folder)!r} holds {what}.",
        mend="Fetch or copy the model again.",
        field="encoder",
    )


def _unknown(kind: str, name: str, known: Iterable[str], else_: str) -> EncoderUnavailable:
    names = list(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5) or (names if len(names) <= 12 else [])
    hint = f"Did you mean {', '.join(close)}? " if close else ""
    return EncoderUnavailable(
        f"open_clip knows no {kind} called {name!r}.", mend=f"{hint}{else_}.", field="encoder"
    )


def _describe_tokenizer(tokenizer: Any) -> dict[str, Any]:
    """What decides the token ids, for the identity."""
    common = {"context_length": tokenizer.context_length, "clean": tokenizer.clean_fn.__name__}
    if isinstance(tokenizer, HFTokenizer):
        return common | {
            "mode": tokenizer.tokenizer_mode,
            "strip_sep_token": tokenizer.strip_sep_token,
            **tokenizer_configuration(tokenizer.tokenizer),
        }
    return common | {"vocabulary": hash_configuration({"words": list(tokenizer.encoder)})}
