"""Encoders that transformers builds: SigLIP and SigLIP 2, CLIP, Chinese-CLIP and their relatives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoTokenizer
from transformers.utils import logging

from services.encoder import hub
from services.encoder.dual import DualEncoder
from services.encoder.failures import one_line, unusable_model, unusable_tokenizer
from services.encoder.identity import tokenizer_configuration
from services.encoder.patches import no_patches
from services.errors import EncoderUnavailable
from services.settings import Settings

_FILES = ("*.json", *hub.TOKENIZER_FILES)
_WEIGHTS = ("model*.safetensors", "pytorch_model*.bin")
#: Settings of an image processor that decide its pixels. Named one by one, since processors also tell
#: where they run and by which release they were saved.
_PREPROCESSING = (
    "do_convert_rgb",
    "do_resize",
    "size",
    "default_to_square",
    "resample",
    "do_center_crop",
    "crop_size",
    "do_pad",
    "pad_size",
    "do_rescale",
    "rescale_factor",
    "do_normalize",
    "image_mean",
    "image_std",
)


class TransformersEncoder(DualEncoder):
    """A dual encoder of transformers, with its image processor and its tokenizer.

    SigLIP texts are lower-cased and padded to the full context, and padding is attended to: that is
    how both generations were trained (Zhai et al. 2023, arXiv 2303.15343; Tschannen et al. 2025,
    arXiv 2502.14786), though some published tokenizers no longer do the first by themselves.
    """

    exportable = True

    def __init__(self, name: str, model: Any, processor: Any, tokenizer: Any, settings: Settings) -> None:
        self._processor = processor
        self._tokenizer = tokenizer
        self.family = f"transformers ({model.config.model_type})"
        self._siglip = model.config.model_type == "siglip"
        length = min(tokenizer.model_max_length, model.config.text_config.max_position_embeddings)
        settings_of_images = processor.to_dict()
        configuration = {
            "image": {key: settings_of_images.get(key) for key in _PREPROCESSING},
            "text": tokenizer_configuration(tokenizer) | {"context_length": length, "siglip": self._siglip},
        }
        super().__init__(name, model, settings, context_length=length, configuration=configuration)

    def _prepared(self, image: Image.Image) -> torch.Tensor:
        pixels: torch.Tensor = self._processor(images=image, return_tensors="pt")["pixel_values"][0]
        return pixels

    def _tokens(self, texts: list[str]) -> dict[str, torch.Tensor]:
        tokens = self._tokenizer(
            [text.lower() for text in texts] if self._siglip else texts,
            padding="max_length" if self._siglip else "longest",
            truncation=True,
            max_length=self.context_length,
            return_tensors="pt",
        )
        return {"input_ids": tokens["input_ids"]} if self._siglip else dict(tokens)

    def _image_features(self, pixels: torch.Tensor) -> torch.Tensor:
        return _pooled(self._model.get_image_features(pixel_values=pixels))  # type: ignore[operator]

    def _text_features(self, tokens: dict[str, torch.Tensor]) -> torch.Tensor:
        return _pooled(self._model.get_text_features(**tokens))  # type: ignore[operator]

    def _patch_features(self, pixels: torch.Tensor) -> torch.Tensor:
        tower: Any = self._model.vision_model
        patch = getattr(tower.config, "patch_size", None)
        head: Any = getattr(tower, "head", None)
        projection: Any = getattr(self._model, "visual_projection", None)
        if not isinstance(patch, int) or (head is None and projection is None):
            raise no_patches(type(tower).__name__)
        rows, columns = pixels.shape[-2] // patch, pixels.shape[-1] // patch
        hidden: torch.Tensor = tower(pixel_values=pixels).last_hidden_state
        # Class tokens, where there are any, stand before the patches.
        tokens = hidden[:, hidden.shape[1] - rows * columns :]
        features: torch.Tensor
        if projection is not None:
            features = projection(tower.post_layernorm(tokens))
        else:
            features = head(tokens.flatten(0, 1).unsqueeze(1))
        return features.reshape(len(pixels), rows, columns, -1)


def load_transformers(name: str, place: str, settings: Settings) -> TransformersEncoder:
    """The dual encoder of a hub's repository or of a local folder.

    Only safetensors are read, or pickles of nothing but tensors; code that comes with a model is not
    run. Raises `EncoderUnavailable`.
    """
    folder = _folder(name, place)
    config = _config(name, folder)
    # Everything is on disk by now; a bar for reading it would only flicker.
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    local = {"local_files_only": True, "trust_remote_code": False}
    try:
        model, report = AutoModel.from_pretrained(
            folder, config=config, dtype=torch.float32, output_loading_info=True, weights_only=True, **local
        )
    except Exception as error:
        raise unusable_model(name, error) from None
    if missing := sorted(report["missing_keys"]):
        raise EncoderUnavailable(
            f"The weights of {name!r} lack {len(missing)} of the model's parameters, {missing[0]} for one.",
            mend="Fetch or copy the weights again.",
            field="encoder",
        )
    try:
        processor = AutoImageProcessor.from_pretrained(folder, **local)  # type: ignore[no-untyped-call]
    except Exception as error:
        raise EncoderUnavailable(
            f"The image preprocessing of {name!r} cannot be read: {one_line(error)}.",
            mend="Its folder needs preprocessor_config.json or processor_config.json.",
            field="encoder",
        ) from None
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **local)
    except Exception as error:
        raise unusable_tokenizer(name, error) from None
    return TransformersEncoder(name, model, processor, tokenizer, settings)


def _folder(name: str, place: str) -> Path:
    folder = Path(place).expanduser()
    if folder.is_dir():
        return folder
    if folder.is_absolute() or place.startswith((".", "~")) or place.count("/") > 1:
        raise EncoderUnavailable(
            f"The model folder {place!r} does not exist.",
            mend="Give a folder that holds config.json and weights, or the name of a model on a hub.",
            field="encoder",
        )
    return hub.fetch(name, place, _FILES, weights=_WEIGHTS)


def _config(name: str, folder: Path) -> Any:
    """The model's configuration, if it is of a kind that can serve."""
    if not (folder / "config.json").is_file():
        clue = " It holds open_clip_config.json." if (folder / "open_clip_config.json").is_file() else ""
        raise EncoderUnavailable(
            f"{name!r} holds no config.json.{clue}",
            mend="For a model that open_clip saved, use hf-hub:MODEL or local-dir:FOLDER.",
            field="encoder",
        )
    if not any(folder.glob("*.safetensors")) and not any(folder.glob("*.bin")):
        raise EncoderUnavailable(
            f"{name!r} holds no weights (model.safetensors).",
            mend="Fetch or copy the model again.",
            field="encoder",
        )
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise unusable_model(name, error) from None
    if config.model_type == "siglip2":
        raise EncoderUnavailable(
            f"{name!r} is a SigLIP 2 of variable resolution (NaFlex), which is not supported.",
            mend="Use one of fixed size, such as transformers:google/siglip2-base-patch16-224.",
            field="encoder",
        )
    model_class = AutoModel._model_mapping.get(type(config), None)
    if not (hasattr(model_class, "get_image_features") and hasattr(model_class, "get_text_features")):
        raise EncoderUnavailable(
            f"{name!r} is a {config.model_type} model, which does not put pictures and texts into one space.",
            mend="Use a CLIP, SigLIP or Chinese-CLIP model.",
            field="encoder",
        )
    return config


def _pooled(output: Any) -> torch.Tensor:
    pooled: torch.Tensor = output if isinstance(output, torch.Tensor) else output.pooler_output
    return pooled
