"""The quick encoder: texts and pictures without torch, the same vectors, and the whole encoder behind it."""

import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from services.encoder.base import Encoder
from services.encoder.openclip import OpenClipEncoder
from services.encoder.quick import QuickEncoder
from services.encoder.registry import DEFAULT_FOLDER, load_accelerated, load_soon
from services.encoder.tokens import PatchEncoder, picture_tokens
from services.errors import EncoderUnavailable, InvalidInput
from services.settings import Settings
from tests.unit.encoder.test_onnx import pictures

TEXTS = [
    "red summer dress",
    "",
    "Caf\u00e9 &amp; cr\u00e8me \ud800",
    "a very long title " * 400,
    "\u7ea2\u8272\u8fde\u8863\u88d9",
]


def settings(data: Path, **given) -> Settings:
    return Settings(
        _env_file=None, data_dir=data, **{"device": "cpu", "precision": "fp32", "runtime": "auto", **given}
    )


@pytest.fixture(scope="module")
def noted(tmp_path_factory) -> tuple[Path, OpenClipEncoder]:
    """A data folder in which the shipped encoder was loaded before, and that encoder."""
    data = tmp_path_factory.mktemp("noted")
    whole = load_accelerated(settings(data))
    assert isinstance(whole, OpenClipEncoder)
    return data, whole


@pytest.fixture
def data(noted, tmp_path) -> Path:
    return Path(shutil.copytree(noted[0], tmp_path / "data"))


def test_the_second_start_has_the_same_vectors_without_the_whole_encoder(noted, data):
    def never(_: Settings) -> OpenClipEncoder:
        raise AssertionError("nobody asked for it")

    quick, whole = load_soon(settings(data), never), noted[1]
    assert isinstance(quick, QuickEncoder) and isinstance(quick, PatchEncoder) and isinstance(quick, Encoder)
    assert (quick.identity, quick.dim, quick.image_size) == (whole.identity, whole.dim, whole.image_size)
    assert (quick.measure, quick.sees_text) == (whole.measure, whole.sees_text)
    np.testing.assert_allclose(quick.encode_texts(TEXTS), whole.encode_texts(TEXTS), atol=1e-6)
    for count in (0, 1, 3, 40):
        np.testing.assert_allclose(
            quick.encode_images(pictures(count)), whole.encode_images(pictures(count)), atol=1e-5
        )
    for mode, size in (("L", (33, 200)), ("RGBA", (500, 40)), ("CMYK", (96, 96)), ("P", (7, 7))):
        picture = pictures(1)[0].convert(mode).resize(size)
        np.testing.assert_array_equal(quick.prepare(picture), whole.prepare(picture))
    assert quick.encode_texts([]).shape == (0, quick.dim)
    with pytest.raises(InvalidInput, match="shape"):
        quick.encode_prepared(np.zeros((3, 96, 96), dtype=np.float32))


def test_what_only_the_whole_encoder_can_do_waits_for_it_and_then_it_does_all(noted, data):
    begin, asked = threading.Event(), []

    def slowly(own: Settings) -> OpenClipEncoder:
        asked.append(own)
        assert begin.wait(30)
        return noted[1]

    quick = load_soon(settings(data), slowly)
    quick.complete()
    quick.complete()
    before = quick.encode_texts(TEXTS)
    threading.Timer(0.2, begin.set).start()
    picture = pictures(1)
    np.testing.assert_allclose(quick.encode_patches(picture), noted[1].encode_patches(picture), atol=1e-6)
    assert len(asked) == 1
    tokens = picture_tokens(quick, [None, quick.prepare(picture[0])])
    assert tokens[0] is None and tokens[1].shape == (9, quick.dim)
    np.testing.assert_allclose(quick.encode_texts(TEXTS), before, atol=1e-6)
    np.testing.assert_array_equal(quick.encode_images(picture), noted[1].encode_images(picture))
    with pytest.raises(InvalidInput, match="sequence of strings"):
        quick.encode_texts("one")


def test_an_encoder_that_fails_to_load_behind_is_told_to_those_who_need_it_alone(data):
    def fails(_: Settings) -> OpenClipEncoder:
        raise EncoderUnavailable("The weights are gone.", mend="Fetch them.", field="encoder")

    quick = load_soon(settings(data), fails)
    for _ in range(2):
        with pytest.raises(EncoderUnavailable, match="weights are gone"):
            quick.encode_patches(pictures(1))
    assert quick.encode_texts(["boots"]).shape == (1, quick.dim)


def test_neither_torch_nor_open_clip_is_imported_for_a_text_and_a_picture(data):
    program = """
import sys
from PIL import Image
from services.encoder.registry import load_soon
from services.settings import Settings
encoder = load_soon(Settings(_env_file=None, data_dir=sys.argv[1], device="cpu"))
encoder.encode_texts(["red dress"])
encoder.encode_images([Image.new("RGB", (50, 80), "red")])
import searcher.api.app, searcher.live, vitrine.cli
slow = {"torch", "open_clip", "torchvision", "timm", "transformers", "qdrant_client"}
print(sorted(slow & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(data)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("damage", ["note", "vectors", "tower", "no tower", "other weights"])
def test_what_does_not_hold_is_not_used_and_made_anew(data, damage):
    runtimes = data / "runtimes"
    note = next(runtimes.glob("*.json"))
    tower = next(file for file in runtimes.glob("*.onnx") if "text" in file.name)
    match damage:
        case "note":
            note.write_bytes(note.read_bytes()[:100])
        case "vectors":
            changed = json.loads(note.read_text())
            changed["probe_texts"] = changed["probe_texts"][::-1]
            note.write_text(json.dumps(changed))
        case "tower":
            tower.write_bytes(tower.read_bytes()[:-5000])
        case "no tower":
            tower.unlink()
        case "other weights":
            note.rename(note.with_stem("0" * 16))
    assert isinstance(load_soon(settings(data)), OpenClipEncoder)
    assert isinstance(load_soon(settings(data)), QuickEncoder)


def test_a_model_folder_that_changes_is_another_model(tmp_path):
    model = Path(shutil.copytree(DEFAULT_FOLDER, tmp_path / "model"))
    own = settings(tmp_path / "data", encoder=f"local-dir:{model}")
    load_soon(own)
    quick = load_soon(own)
    assert isinstance(quick, QuickEncoder) and quick.identity.name == f"local-dir:{model}"
    described = json.loads((model / "open_clip_config.json").read_text())
    described["preprocess_cfg"]["mean"] = [0.4, 0.5, 0.5]
    (model / "open_clip_config.json").write_text(json.dumps(described))
    changed = load_soon(own)
    assert isinstance(changed, OpenClipEncoder)
    assert changed.identity.preprocess != quick.identity.preprocess
    again = load_soon(own)
    assert isinstance(again, QuickEncoder) and again.identity == changed.identity
    grey = Image.new("RGB", (40, 40), "grey")
    assert np.abs(again.prepare(grey) - quick.prepare(grey)).max() > 0.05


def test_an_encoder_whose_ways_are_not_known_without_it_starts_as_a_whole(tmp_path, tiny_openclip_dir):
    model = Path(shutil.copytree(tiny_openclip_dir, tmp_path / "model"))
    described = json.loads((model / "open_clip_config.json").read_text())
    # Its pictures are cut to a square, not squeezed.
    described["preprocess_cfg"]["resize_mode"] = "shortest"
    (model / "open_clip_config.json").write_text(json.dumps(described))
    own = settings(tmp_path, encoder=f"local-dir:{model}")
    assert load_accelerated(own).exports
    assert not list((tmp_path / "runtimes").glob("*.json"))
    assert isinstance(load_soon(own), OpenClipEncoder)


def test_torch_when_it_is_asked_for(data):
    assert isinstance(load_soon(settings(data, runtime="torch")), OpenClipEncoder)
    # With 8 bits it is another encoder, with a note of its own.
    assert isinstance(load_soon(settings(data, runtime="onnx8")), OpenClipEncoder)
    assert isinstance(load_soon(settings(data, runtime="onnx8")), QuickEncoder)
    assert isinstance(load_soon(settings(data)), QuickEncoder)
