"""An encoder that is ready in a fraction of a second: exported towers at once, the whole of it behind.

torch and open_clip take seconds to import and most of a gigabyte of memory, and a service that starts, or a
search from the command line, needs neither for a text or a picture. Whoever has loaded the whole encoder
leaves a note of how it is to be done without them, checked against the encoder itself; with that note, and
files that are those it was made of, the next start does so. Whatever only the whole encoder can do waits for
it, and once it is loaded, it does everything.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import structlog
from PIL import Image
from pydantic import BaseModel, ConfigDict

from services.cores import cores
from services.encoder.base import Encoder, EncoderIdentity, Measure, Pixels, Vectors
from services.encoder.onnx import OnnxTower, alike, keep
from services.encoder.plain import PROBE_TEXTS, Squeezed, TokenFile, check_stacked, probe_pictures
from services.errors import EncoderUnavailable
from services.measures import normalised
from services.settings import Settings

if TYPE_CHECKING:
    from services.encoder.openclip import OpenClipEncoder

log = structlog.get_logger(__name__)

_TOKENIZER = "tokenizer.json"
#: Libraries of which another release might prepare or export otherwise.
_LIBRARIES = ("open_clip_torch", "torch", "transformers", "tokenizers", "pillow", "onnxruntime", "ftfy")
_FORM = 2
_BATCH = 32


class Note(BaseModel):
    """What it takes to encode without torch; files are named without their folder, and are those of one
    model folder's contents (`fingerprint`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: str
    preprocess: str
    dim: int
    picture: Squeezed
    context_length: int
    pad: int
    image_tower: str
    text_tower: str
    #: None where the tower has no patches, or they cannot be exported.
    patch_tower: str | None
    #: Whether the towers compute with 8 bits.
    small: bool
    #: Arithmetic of the whole encoder on this machine; in bf16 it is faster at many at a time.
    precision: Literal["fp32", "bf16"]
    #: Vectors of the probes of `services.encoder.plain`, [n][d], and the means of their patches.
    probe_pictures: list[list[float]]
    probe_texts: list[list[float]]
    probe_patches: list[list[float]]


class Towers(NamedTuple):
    """The exported towers of one encoder."""

    image: OnnxTower
    text: OnnxTower
    patches: OnnxTower | None


class QuickEncoder:
    """Keeps the contract of `services.encoder.base.Encoder`; thread-safe.

    `load` gives the whole encoder. It is called once, in a thread of its own, by `complete` or by the first
    call that needs it.
    """

    measure: Measure = "cosine"
    sees_text = True

    def __init__(
        self,
        settings: Settings,
        note: Note,
        model: Path,
        towers: Towers,
        load: Callable[[], Encoder],
    ) -> None:
        self.identity = EncoderIdentity(settings.encoder.strip(), note.weights, note.preprocess, note.dim)
        self.dim = note.dim
        self.image_size = note.picture.size
        self._picture = note.picture
        self.tokenize = TokenFile(model / _TOKENIZER, length=note.context_length, pad=note.pad)
        self._towers: Towers | None = towers
        #: Whether the whole encoder would be faster at many texts or pictures at a time.
        self.gains_by_loading = settings.runtime == "auto" and note.precision == "bf16"
        self._load = load
        self._loading: Future[Encoder] | None = None
        self._lock = threading.Lock()

    def prepare(self, image: Image.Image) -> Pixels:
        """One picture -> float32 [3, image_size, image_size]."""
        return self._picture(image)

    def encode_prepared(self, pixels: Pixels) -> Vectors:
        """Pictures from `prepare`, stacked: float32 [n, 3, s, s] -> L2-normalised float32 [n, d]."""
        if (towers := self._towers) is None:
            return self.complete().result().encode_prepared(pixels)
        check_stacked(pixels, self.image_size)
        return self._all(towers.image(pixels[at]) for at in _batches(len(pixels)))

    def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        """RGB pictures -> L2-normalised float32 [n, d]; n may be 0."""
        if self._towers is None:
            return self.complete().result().encode_images(images)
        prepared = [self.prepare(image) for image in images]
        size = self.image_size
        return self.encode_prepared(
            np.stack(prepared) if prepared else np.empty((0, 3, size, size), np.float32)
        )

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Texts -> L2-normalised float32 [n, d]; n may be 0."""
        if (towers := self._towers) is None or isinstance(texts, str):
            return self.complete().result().encode_texts(texts)
        return self._all(towers.text({"text": self.tokenize(texts[at])}) for at in _batches(len(texts)))

    def encode_patches(self, images: Sequence[Image.Image]) -> Vectors:
        """As `Encoder.encode_patches`."""
        if self._towers is None or self._towers.patches is None:
            return self.complete().result().encode_patches(images)
        shown = images or [Image.new("RGB", (64, 64))]
        return self.encode_prepared_patches(np.stack([self.prepare(one) for one in shown]))[: len(images)]

    def encode_prepared_patches(self, pixels: Pixels) -> Vectors:
        """As `services.encoder.tokens.PatchEncoder`."""
        if (towers := self._towers) is None or (tower := towers.patches) is None:
            whole: Any = self.complete().result()  # one of open_clip, which has this
            patches: Vectors = whole.encode_prepared_patches(pixels)
            return patches
        return normalised(np.concatenate([tower(pixels[at]) for at in _batches(len(pixels))]))

    def complete(self) -> Future[Encoder]:
        """Begin to load the whole encoder, if nobody has."""
        with self._lock:
            if self._loading is None:
                self._loading = Future()
                threading.Thread(target=self._fill, args=[self._loading], name="encoder").start()
            return self._loading

    def load_behind(self) -> None:
        """Begin to load the whole encoder if it will be faster."""
        if self.gains_by_loading:
            self.complete()

    def _fill(self, loading: Future[Encoder]) -> None:
        try:
            whole = self._load()
            if not whole.identity.same_space(self.identity):
                raise EncoderUnavailable(
                    f"The files of {self.identity.name!r} changed while it was loaded.",
                    mend="Start the service again.",
                    field="encoder",
                )
        except Exception as error:
            log.error("encoder only in part", encoder=self.identity.name, reason=str(error))
            loading.set_exception(error)
            return
        loading.set_result(whole)
        self._towers = None

    def _all(self, found: Iterator[Vectors]) -> Vectors:
        return normalised(np.concatenate([np.empty((0, self.dim), dtype=np.float32), *found]))


def quick_encoder(
    settings: Settings, model: Path, folder: Path, load: Callable[[], Encoder]
) -> QuickEncoder | None:
    """The encoder of a model folder by the note that `leave_note` left in `folder`; None where there is none,
    or what it says does not hold, and then it is gone."""
    if not any(folder.glob("*.json")):
        return None
    file = folder / f"{fingerprint(model, settings)}.json"
    try:
        return _by_note(settings, model, Note.model_validate_json(file.read_bytes()), folder, load)
    except FileNotFoundError:
        return None
    except Exception as error:
        log.info("no quick start", file=file.name, reason=f"{type(error).__name__}: {error}")
        with suppress(OSError):
            file.unlink(missing_ok=True)
        return None


def leave_note(encoder: OpenClipEncoder, model: Path, folder: Path, settings: Settings) -> None:
    """Say in `folder` how a loaded encoder, whose towers are exported there, can encode without torch; or
    nothing, with a line in the log, where that is not known or would give other vectors."""
    file = folder / f"{fingerprint(model, settings)}.json"
    plan = encoder.plan()
    if plan is None or file.exists():
        return
    pictures = probe_pictures()
    places = [encoder.encode_patches([one]) for one in pictures] if plan["patch_tower"] else []
    try:
        note = Note(
            weights=encoder.identity.weights,
            preprocess=encoder.identity.preprocess,
            dim=encoder.dim,
            small=settings.runtime == "onnx8",
            probe_pictures=[encoder.encode_images([one])[0].tolist() for one in pictures],
            probe_texts=[encoder.encode_texts([one])[0].tolist() for one in PROBE_TEXTS],
            probe_patches=[patches.mean((0, 1, 2)).tolist() for patches in places],
            precision=encoder.precision,
            **plan,
        )
        quick = _by_note(settings, model, note, folder, lambda: encoder)
        if not all(np.array_equal(quick.prepare(one), encoder.prepare(one)) for one in pictures):
            raise ValueError("pictures would be prepared otherwise")
        if not np.array_equal(quick.tokenize(PROBE_TEXTS), encoder.tokenize(PROBE_TEXTS)):
            raise ValueError("texts would be cut otherwise")
    except Exception as error:
        log.info("no quick start", file=file.name, reason=f"{type(error).__name__}: {error}")
        return
    keep(file, note.model_dump_json().encode())


def fingerprint(model: Path, settings: Settings) -> str:
    """SHA-256 (hex, 16 digits) over the files of a model folder, the libraries that read them, and how towers
    compute."""
    libraries = [version(one) for one in _LIBRARIES]
    found = hashlib.sha256(f"{_FORM} {settings.runtime == 'onnx8'} {settings.precision} {libraries}".encode())
    for file in sorted(path for path in model.iterdir() if path.is_file()):
        with file.open("rb") as opened:
            found.update(f"{file.name} {hashlib.file_digest(opened, 'sha256').hexdigest()}".encode())
    return found.hexdigest()[:16]


def _by_note(
    settings: Settings, model: Path, note: Note, folder: Path, load: Callable[[], Encoder]
) -> QuickEncoder:
    threads = int(os.environ.get("OMP_NUM_THREADS") or cores())
    image, text, patches = (
        None if file is None else OnnxTower((folder / file).read_bytes(), threads)
        for file in (note.image_tower, note.text_tower, note.patch_tower)
    )
    assert image is not None and text is not None
    quick = QuickEncoder(settings, note, model, Towers(image, text, patches), load)
    pictures = probe_pictures()
    found = [(quick.encode_images(pictures), note.probe_pictures)]
    found += [(quick.encode_texts(PROBE_TEXTS), note.probe_texts)]
    if patches is not None:
        found += [(quick.encode_patches(pictures).mean((1, 2)), note.probe_patches)]
    for vectors, wanted in found:
        if not alike(vectors, np.array(wanted, dtype=np.float32), small=note.small):
            raise ValueError("its vectors are others")
    return quick


def _batches(count: int) -> Iterator[slice]:
    return (slice(start, start + _BATCH) for start in range(0, count, _BATCH))
