"""A pretrained dual encoder that goes on learning from the catalogue's own pictures and titles."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import torch
from open_clip.tokenizer import HFTokenizer
from torch import Tensor, nn
from torch.nn import functional

from services.encoder.extractors.folder import is_extractor, unwritable
from services.encoder.fit.batches import in_turn
from services.encoder.fit.judge import mean_average_precision
from services.encoder.fit.objectives import optimiser_of
from services.encoder.fit.plan import Plan
from services.encoder.fit.task import Lesson, Task
from services.encoder.fit.views import Bytes, generator_of, labelled_views
from services.encoder.hub import TOKENIZER_FILES
from services.encoder.openclip import Trainable, load_trainable
from services.encoder.registry import parse_name
from services.encoder.train.augment import plain
from services.encoder.train.losses import MatchInfoNCE, MatchSigLip
from services.encoder.train.model import memory_format, save_weights, write_config
from services.errors import EncoderUnavailable, InvalidInput

#: Pictures are kept this much larger than the tower sees them, so that crops stay sharp.
_ROOM = 1.25
_DECAY = 0.05
#: CLIP's own bound on its scale (Radford et al. 2021).
_MOST_SCALE = 4.6052


class ClipStart:
    """The model to go on from. Raises `EncoderUnavailable` if it cannot be had."""

    def __init__(self, plan: Plan) -> None:
        parsed = parse_name(plan.start)
        if parsed.kind == "folder" and is_extractor(Path(parsed.place).expanduser()):
            raise EncoderUnavailable(
                f"{plan.start!r} sees pictures only, so there is no text tower to train.",
                mend="Start from a dual encoder of open_clip, such as vitrine-compact.",
                field="start",
            )
        self.trainable = load_trainable(plan.start, parsed.kind, parsed.place, parsed.weights)
        size = self.trainable.model.visual.image_size
        self.image_size = int(size if isinstance(size, int) else max(size))
        self.side = round(self.image_size * _ROOM)

    def begin(self, lesson: Lesson) -> Task:
        return _ClipTask(self, lesson)


class _ClipTask(Task):
    model: nn.Module
    scored_by = "title mAP"

    def __init__(self, start: ClipStart, lesson: Lesson) -> None:
        self._lesson, self._size, self._trainable = lesson, start.image_size, start.trainable
        vision = start.trainable.config["model_cfg"]["vision_cfg"]
        self._format = memory_format(str(vision.get("timm_model_name", "")))
        self.model = start.trainable.model.to(lesson.device, memory_format=self._format)
        self.model.requires_grad_(True)
        self.objective = nn.Identity()
        self.optimiser = optimiser_of(self.model, self.objective, lesson.plan.peak_rate, _DECAY)
        preprocess = start.trainable.config["preprocess_cfg"]
        self._mean, self._std = (torch.tensor(preprocess[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
        titles = lesson.pictures.titles
        self._tokens, self._codes = self._read([titles[row] for row in lesson.rows])
        held = lesson.held
        if len(held) < 2:
            raise InvalidInput(
                f"Only {len(held)} titles are left to choose the best weights by.",
                mend="Give more products, or a larger share of them with --validation.",
                field="validation",
            )
        self._held_titles, self._held_codes = self._read([titles[row] for row in held])

    def _read(self, titles: list[str]) -> tuple[Tensor, Tensor]:
        """Tokens int64 [different titles, context], and which of them each title is, int64 [n]."""
        names = sorted(set(titles))
        place = {name: at for at, name in enumerate(names)}
        tokens: Tensor = self._trainable.tokenizer(names)
        return tokens, torch.tensor([place[title] for title in titles])

    def loss(self, step: int) -> Tensor:
        lesson, model = self._lesson, self._towers
        places = in_turn(len(lesson.rows), lesson.plan.batch_size, lesson.plan.seed, step)
        pixels = np.array(lesson.pictures.pixels[lesson.rows[places]])
        generator = generator_of(lesson.plan.seed, step + 1)
        views = labelled_views(pixels, self._size, generator)
        # A title of several pictures of the batch stands there once, and is right for all of them.
        asked, which = torch.unique(self._codes[torch.from_numpy(places)], return_inverse=True)
        match = (torch.arange(len(asked))[:, None] == which[None, :]).to(lesson.device)
        with lesson.arithmetic():
            image = model.encode_image(self._normalised(views))
            text = model.encode_text(self._tokens[asked].to(lesson.device))
        image, text = (functional.normalize(some.float(), dim=-1) for some in (image, text))
        scale, unsure = model.logit_scale.clamp(max=_MOST_SCALE).exp(), torch.zeros_like(match)
        if model.logit_bias is not None:
            return MatchSigLip().matched(image, text, scale, model.logit_bias, match, unsure)
        return MatchInfoNCE().matched(image, text, scale, match, unsure)

    @property
    def _towers(self) -> Any:
        return self.model

    def _normalised(self, views: Tensor) -> Tensor:
        """Pixels in -1..1 as the image tower wants them, on the device."""
        pixels = views.add(1).div_(2).sub_(self._mean).div_(self._std)
        return pixels.to(self._lesson.device, memory_format=self._format)

    def score(self) -> float:
        """Mean average precision of searching the validation pictures by their titles."""
        lesson, size = self._lesson, self._lesson.plan.batch_size
        held: Bytes = lesson.judge.pixels
        with torch.inference_mode(), lesson.arithmetic():
            image = torch.cat([
                self._towers.encode_image(self._normalised(plain(held[at : at + size], self._size)))
                for at in range(0, len(held), size)
            ])  # fmt: skip
            text = torch.cat([
                self._towers.encode_text(some.to(lesson.device))
                for some in torch.split(self._held_titles, size)
            ])  # fmt: skip
        image, text = (functional.normalize(some.float(), dim=-1).cpu() for some in (image, text))
        relevant = torch.arange(len(text))[:, None] == self._held_codes[None, :]
        return mean_average_precision((text @ image.T).numpy(), relevant.numpy())

    def write(self, out: Path, training: dict[str, Any]) -> None:
        aside = out.with_name(f".{out.name}-{uuid4().hex[:8]}")
        try:
            write_config(aside, self._trainable.config)
            save_weights(self.model, aside)
            _write_tokenizer(self._trainable, aside)
            text = json.dumps(training, indent=1, ensure_ascii=False)
            (aside / "training.json").write_text(text + "\n", encoding="utf-8")
            if out.exists():
                out.rmdir()
            aside.rename(out)
        except OSError as error:
            raise unwritable(out, error) from error
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def _write_tokenizer(trainable: Trainable, folder: Path) -> None:
    """The tokenizer's files, as they were where there are any; open_clip's own needs none."""
    patterns = TOKENIZER_FILES if trainable.folder is not None else ()
    files = {file for pattern in patterns for file in (trainable.folder or folder).glob(pattern)}
    if files:
        for file in files:
            shutil.copyfile(file, folder / file.name)
    elif isinstance(trainable.tokenizer, HFTokenizer):
        trainable.tokenizer.tokenizer.save_pretrained(folder)
