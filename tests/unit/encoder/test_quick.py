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
    for count in (0, 1, 40):
        np.testing.assert_allclose(
            quick.encode_patches(pictures(count)), whole.encode_patches(pictures(count)), atol=1e-5
        )
    tokens = picture_tokens(quick, [None, quick.prepare(pictures(1)[0])])
    assert tokens[0] is None and tokens[1].shape == (9, quick.dim)
    assert quick.encode_texts([]).shape == (0, quick.dim)
    with pytest.raises(InvalidInput, match="shape"):
        quick.encode_prepared(np.zeros((3, 96, 96), dtype=np.float32))


def without_patches(data: Path) -> None:
    """As if the tower had none that can be exported."""
    for file in (data / "runtimes").glob("*.json"):
        note = json.loads(file.read_text())
        file.write_text(json.dumps(note | {"patch_tower": None, "probe_patches": []}))


def test_what_only_the_whole_encoder_can_do_waits_for_it_and_then_it_does_all(noted, data):
    without_patches(data)
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

    without_patches(data)
    quick = load_soon(settings(data), fails)
    for _ in range(2):
        with pytest.raises(EncoderUnavailable, match="weights are gone"):
            quick.encode_patches(pictures(1))
    assert quick.encode_texts(["boots"]).shape == (1, quick.dim)


@pytest.mark.parametrize(
    ("given", "gains"),
    [
        ({"precision": "fp32"}, False),
        ({"precision": "bf16"}, True),
        ({"precision": "bf16", "runtime": "onnx8"}, False),
    ],
)
def test_the_whole_encoder_is_loaded_unasked_where_it_is_faster_at_many(data, given, gains):
    load_soon(settings(data, **given))
    quick = load_soon(settings(data, **given))
    assert isinstance(quick, QuickEncoder)
    assert quick.gains_by_loading == gains


SERVICE = """
import base64, io, sys
from fastapi.testclient import TestClient
from PIL import Image
from pydantic import SecretStr
from searcher.api.app import create_app
from services.settings import Settings
import vitrine.cli

settings = Settings(
    _env_file=None, data_dir=sys.argv[1], device="cpu", precision="fp32", runtime="onnx",
    write_key=SecretStr("k"), late_interaction=True, log_level="error",
)
picture = io.BytesIO()
Image.new("RGB", (50, 80), "red").save(picture, "PNG")
photo = base64.b64encode(picture.getvalue()).decode()
with TestClient(create_app(settings)) as http:
    product = {"id": "1", "title": "red dress", "image": f"data:image/png;base64,{photo}"}
    put = http.put("/products", json=[product], headers={"Authorization": "Bearer k"})
    assert put.json()["upserted"] == 1, put.text
    for body in (
        {"text": "red"}, {"image": photo}, {"text": "red", "image": photo, "explain": True},
        {"text": "red", "image": photo, "rerank": "late"}, {"image": photo, "box": [0.1, 0.1, 0.8, 0.8]},
    ):
        answer = http.post("/search", json=body)
        assert [hit["id"] for hit in answer.json()["hits"]] == ["1"], answer.text
    regions = http.post("/regions", files={"image": picture.getvalue()})
    assert regions.status_code == 200, regions.text
slow = {"torch", "open_clip", "torchvision", "timm", "transformers", "qdrant_client"}
print(sorted(slow & set(sys.modules)))
"""


def test_a_service_writes_searches_explains_and_finds_regions_without_torch_or_open_clip(data):
    command = [sys.executable, "-c", SERVICE, str(data)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


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
