"""Vocabularies of visual words: fitted in one pass, judged through the encoder that they make."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from PIL import Image
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from services.encoder.extractors.folder import read_folder
from services.encoder.extractors.handmade import library
from services.encoder.extractors.words import Method, WordsConfig, WordsEncoder, fit
from services.encoder.fit.plan import Plan
from services.encoder.fit.task import Lesson
from services.settings import Settings


class VocabularyStart:
    """What is fitted, checked. Raises `InvalidInput` for options that no vocabulary can have, and
    `EncoderUnavailable` without the libraries."""

    def __init__(self, plan: Plan) -> None:
        library("cv2", "opencv-python-headless")
        library("sklearn", "scikit-learn")
        method = next(known for known in get_args(Method) if known == plan.method)
        self.side = plan.image_size or plan.usual.image_size or WordsConfig.image_size
        self.config = WordsConfig(method, dim=plan.dim, image_size=self.side)


def fit_vocabulary(
    start: VocabularyStart, lesson: Lesson, out: Path, settings: Settings
) -> tuple[float, int]:
    """Write the model folder; returns the score on the validation products and how many numbers were
    fitted."""
    pixels = lesson.pictures.pixels
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=lesson.console, transient=True) as progress:
        bar = progress.add_task("")
        fit(
            (Image.fromarray(pixels[row]) for row in lesson.rows),
            out,
            start.config,
            seed=lesson.plan.seed,
            progress=lambda doing, count: progress.update(bar, description=f"{doing} {count} pictures"),
        )
        progress.update(bar, description="scoring")
        encoder = WordsEncoder(f"local-dir:{out}", out, settings)
        score = lesson.judge(
            lambda some: encoder.encode_images([Image.fromarray(one) for one in some]), encoder.measure
        )
    return score, sum(tensor.numel() for tensor in read_folder(out)[1].values())
