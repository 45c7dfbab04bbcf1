"""Towers in ONNX Runtime: the same vectors, kept as files that are checked, where they can be had."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from services.encoder.registry import describe, load_accelerated, load_encoder
from services.errors import EncoderUnavailable
from services.settings import Settings

TEXTS = ["red summer dress", "boots", "a very long title " * 40, ""]


def pictures(count: int, side: int = 90) -> list[Image.Image]:
    rng = np.random.default_rng(3)
    return [
        Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)).resize((120, 120))
        for _ in range(count)
    ]


def settings(tmp_path, **given) -> Settings:
    return Settings(_env_file=None, data_dir=tmp_path, device="cpu", **{"runtime": "auto", **given})


def exported(tmp_path) -> list[Path]:
    return sorted((tmp_path / "runtimes").glob("*.onnx"))


@pytest.fixture(scope="module")
def plain():
    return load_encoder(Settings(_env_file=None, device="cpu", precision="fp32", runtime="torch"))


def test_vectors_are_those_of_torch_for_any_number_of_pictures_and_texts(tmp_path, plain):
    encoder = load_accelerated(settings(tmp_path, precision="fp32"))
    assert describe(encoder)["runtime"] == "ONNX Runtime" and describe(plain)["runtime"] == "torch"
    assert encoder.identity == plain.identity
    for count in (0, 1, 2, 3, 70):
        np.testing.assert_allclose(
            encoder.encode_images(pictures(count)), plain.encode_images(pictures(count)), atol=1e-5
        )
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), plain.encode_texts(TEXTS), atol=1e-5)
    np.testing.assert_allclose(
        encoder.encode_patches(pictures(3)), plain.encode_patches(pictures(3)), atol=1e-5
    )


def test_exported_towers_are_kept_and_made_anew_where_they_are_damaged_or_of_other_weights(tmp_path, plain):
    load_accelerated(settings(tmp_path))
    files = exported(tmp_path)
    assert len(files) == 3
    times = [file.stat().st_mtime_ns for file in files]
    load_accelerated(settings(tmp_path))
    assert [file.stat().st_mtime_ns for file in files] == times

    image = next(file for file in files if "image" in file.name)
    text = next(file for file in files if "text" in file.name)
    whole = text.read_bytes()
    text.write_bytes(whole[: len(whole) // 2])
    # A model that loads, and runs, but is another one.
    image.write_bytes(whole)
    encoder = load_accelerated(settings(tmp_path, precision="fp32"))
    assert exported(tmp_path) == files
    assert text.read_bytes() == whole and image.read_bytes() != whole
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), plain.encode_texts(TEXTS), atol=1e-5)
    np.testing.assert_allclose(
        encoder.encode_images(pictures(2)), plain.encode_images(pictures(2)), atol=1e-5
    )


def test_weights_that_differ_from_the_exported_ones_are_noticed(tmp_path, plain):
    load_accelerated(settings(tmp_path))
    for file in exported(tmp_path):
        data = bytearray(file.read_bytes())
        # Somewhere in the middle of the weights: it still loads, with other numbers in it.
        middle = len(data) // 2
        data[middle : middle + 40_000] = bytes(40_000)
        file.write_bytes(bytes(data))
    encoder = load_accelerated(settings(tmp_path, precision="fp32"))
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), plain.encode_texts(TEXTS), atol=1e-5)


def test_a_folder_that_cannot_be_written_is_no_obstacle(tmp_path, plain):
    (tmp_path / "runtimes").write_text("a file is in the way")
    encoder = load_accelerated(settings(tmp_path, precision="fp32"))
    assert encoder.runtime == "ONNX Runtime"
    np.testing.assert_allclose(encoder.encode_texts(TEXTS), plain.encode_texts(TEXTS), atol=1e-5)


def test_torch_is_left_alone_when_it_is_asked_for_or_faster(tmp_path):
    assert load_accelerated(settings(tmp_path, runtime="torch")).runtime == "torch"
    assert load_accelerated(settings(tmp_path, precision="bf16"), many=True).runtime == "torch"
    assert not (tmp_path / "runtimes").exists()
    assert load_accelerated(settings(tmp_path, precision="fp32"), many=True).runtime == "ONNX Runtime"


def test_many_at_a_time_go_through_torch_where_that_is_in_bf16(tmp_path, plain):
    encoder = load_accelerated(settings(tmp_path, precision="bf16"))
    many, few = encoder.encode_images(pictures(8)), encoder.encode_images(pictures(1))
    exact = plain.encode_images(pictures(8))
    assert np.abs(many - exact).max() > 1e-5 > np.abs(few - exact[:1]).max()
    assert ((many * exact).sum(axis=1) > 0.999).all()


def test_an_extractor_is_exported_too_and_one_that_is_not_torch_says_so(tmp_path):
    with pytest.raises(EncoderUnavailable, match="cannot be run by ONNX Runtime") as caught:
        load_accelerated(settings(tmp_path, encoder="hog", runtime="onnx"))
    assert caught.value.field == "runtime" and "VITRINE_RUNTIME=auto" in caught.value.mend
    assert load_accelerated(settings(tmp_path, encoder="hog")).runtime == "torch"


def test_eight_bits_are_nearly_the_same_and_kept_beside_the_others(tmp_path, plain):
    load_accelerated(settings(tmp_path))
    encoder = load_accelerated(settings(tmp_path, runtime="onnx8", precision="bf16"))
    assert encoder.runtime == "ONNX Runtime, 8 bits"
    assert len(exported(tmp_path)) == 6
    # All of them, whatever the precision of torch.
    for found, exact in (
        (encoder.encode_images(pictures(8)), plain.encode_images(pictures(8))),
        (encoder.encode_texts(TEXTS), plain.encode_texts(TEXTS)),
    ):
        assert ((found * exact).sum(axis=1) > 0.98).all()
        assert np.abs(found - exact).max() > 1e-5
