"""Measure the garments of all photos once, and show a sample of them to be judged by eye.

Needs OpenCV (see `garment`)."""

from __future__ import annotations

import dataclasses
import random
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.encoder.train.garment import MASK_SIDE, Garment, Pixels, garment_mask
from services.encoder.train.garment_colours import garment_colours
from services.encoder.train.garment_pattern import garment_pattern
from services.encoder.train.photos import Photo, load, read_photos, write_garments
from services.encoder.train.titles import UNKNOWN

#: Longer side of the picture that patterns are seen in.
_DETAIL = 256


def find(picture: Image.Image) -> tuple[Pixels, Garment]:
    """The picture in its own proportions, uint8 [h, w, 3], and the garment in it, mask uint8 [h, w]."""
    square = np.asarray(picture.resize((MASK_SIDE, MASK_SIDE), Image.Resampling.BICUBIC))
    garment = garment_mask(square)
    scale = _DETAIL / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    pixels = np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))
    mask = cv2.resize(garment.mask * np.uint8(255), (width, height), interpolation=cv2.INTER_LINEAR)
    return pixels, Garment((mask > 127).astype(np.uint8), garment.sure)


def measured(photo: Photo) -> Photo:
    """The photo with its garment's colours and pattern; what rests on an unsure mask stays unknown."""
    cv2.setNumThreads(1)  # one process a core does already
    return described(photo, *find(load(photo.path)))


def described(photo: Photo, pixels: Pixels, garment: Garment) -> Photo:
    """As `measured`, of a garment that `find` found."""
    if not garment.sure:
        return dataclasses.replace(photo, colour=UNKNOWN, accent=UNKNOWN, pattern=None)
    colour, accent, _ = garment_colours(pixels, garment.mask)
    pattern = garment_pattern(pixels, garment.mask, photo.category)
    return dataclasses.replace(photo, colour=colour, accent=accent, pattern=pattern)


def measure(folder: Path) -> None:
    """Measure every photo of the folder and write `splits/garments.csv`; some minutes a core."""
    photos = read_photos(folder)
    columns = (TextColumn("measuring"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with ProcessPoolExecutor() as pool, Progress(*columns, console=Console(stderr=True)) as progress:
        found = list(progress.track(pool.map(measured, photos, chunksize=8), total=len(photos)))
    write_garments(found)
    colours = sum(photo.colour >= 0 for photo in found)
    patterns = sum(photo.pattern is not None for photo in found)
    print(f"{len(found)} photos measured: {colours} with a colour, {patterns} with a pattern")


def sheet(folder: Path, out: Path, count: int, seed: int, columns: int = 10) -> None:
    """A picture of `count` photos drawn by `seed`, the mask's outline in each, its made title below."""
    cell, caption = 180, 44
    chosen = random.Random(seed).sample(read_photos(folder), count)
    rows = -(-count // columns)
    board = Image.new("RGB", (columns * cell, rows * (cell + caption)), "white")
    draw = ImageDraw.Draw(board)
    for number, photo in enumerate(chosen):
        pixels, garment = find(load(photo.path))
        shown = described(photo, pixels, garment)
        outline = cv2.dilate(garment.mask, np.ones((3, 3), dtype=np.uint8)) - garment.mask
        marked = pixels.copy()
        marked[outline > 0] = (0, 255, 0) if garment.sure else (255, 0, 0)
        small = Image.fromarray(marked)
        small.thumbnail((cell - 6, cell - 6))
        left, top = number % columns * cell, number // columns * (cell + caption)
        board.paste(small, (left, top))
        accent = {True: "?", False: ""}[shown.accent == UNKNOWN]
        draw.text((left + 2, top + cell - 4), _wrapped(f"{number}. {shown.title}"), fill="black")
        draw.text((left + 2, top + cell + 26), f"{shown.pattern or '?'} {accent}", fill="grey")
    board.save(out)
    print(f"{count} photos in {out}")


def _wrapped(text: str, width: int = 29) -> str:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)
