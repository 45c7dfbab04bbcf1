"""Decoding: every ordinary picture comes out as upright RGB on white, every other as a clear error."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from services.catalogue.images import (
    FORMATS,
    ImageDamaged,
    ImageEmpty,
    ImageTooLarge,
    ImageUnknown,
    decode_image,
)
from services.errors import ImageError
from tests.unit.catalogue.pictures import BLUE, GREEN, RED, WHITE, encode, halves, jpeg, near, noise

# The module silences Pillow's warnings; pytest turns them on again.
pytestmark = pytest.mark.filterwarnings("ignore:::PIL")

LIMIT = 50_000_000


def decode(data: bytes, **options: int) -> Image.Image:
    image = decode_image(data, **{"max_pixels": LIMIT, **options})
    assert type(image) is Image.Image and image.mode == "RGB"
    return image


@pytest.mark.parametrize("kind", [*FORMATS, "MPO"])
def test_every_format_is_read(kind: str) -> None:
    options = {"save_all": True, "append_images": [halves()]} if kind == "MPO" else {}
    image = decode(encode(halves(), kind, **options))
    assert image.size == (64, 32)
    assert near(image.getpixel((8, 16)), RED, 20) and near(image.getpixel((56, 16)), BLUE, 20)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_picture_stands_upright_whatever_the_camera_said(orientation: int) -> None:
    upright = halves((64, 32))
    # What a camera stores so that undoing `orientation` gives the upright picture again.
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    for kind in ("JPEG", "PNG", "WEBP", "TIFF"):
        image = decode(
            encode(stored, kind, exif=exif, **({"quality": 95} if kind != "PNG" else {})), target=16
        )
        assert image.size in ((64, 32), (32, 16)), kind
        width, height = image.size
        assert near(image.getpixel((width // 8, height // 2)), RED, 20), (kind, orientation)
        assert near(image.getpixel((width * 7 // 8, height // 2)), BLUE, 20), (kind, orientation)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_impossible_orientation_is_ignored(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert decode(jpeg((64, 48), exif=exif)).size == (64, 48)


def test_broken_metadata_does_not_make_a_bad_picture() -> None:
    assert decode(jpeg((64, 48), exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff")).size == (64, 48)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "TIFF", "AVIF"])
def test_transparency_lies_on_white(kind: str) -> None:
    image = Image.new("RGBA", (40, 40), (*GREEN, 255))
    image.paste((0, 0, 0, 0), (20, 0, 40, 40))
    decoded = decode(encode(image, kind))
    assert near(decoded.getpixel((5, 20)), GREEN, 20) and near(decoded.getpixel((35, 20)), WHITE, 3)


def test_half_transparency_is_mixed_with_white() -> None:
    for mode, colour in (("RGBA", (0, 0, 0, 128)), ("LA", (0, 128))):
        pixel = decode(encode(Image.new(mode, (4, 4), colour))).getpixel((0, 0))
        assert near(pixel, (127, 127, 127), 1)


def test_transparent_colour_of_a_palette_and_of_plain_modes_lies_on_white() -> None:
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, *RED])
    palette.putpixel((0, 0), 0)
    decoded = decode(encode(palette, transparency=0))
    assert decoded.getpixel((0, 0)) == WHITE and decoded.getpixel((1, 1)) == RED
    # Alpha for each entry of the palette.
    decoded = decode(encode(palette, transparency=bytes([255, 0])))
    assert decoded.getpixel((0, 0)) == (0, 0, 0) and decoded.getpixel((1, 1)) == WHITE
    assert decode(encode(Image.new("RGB", (2, 2), RED), transparency=RED)).getpixel((0, 0)) == WHITE
    assert decode(encode(Image.new("L", (2, 2), 7), transparency=7)).getpixel((0, 0)) == WHITE


def test_cmyk_is_read_as_colours() -> None:
    cmyk = halves().convert("CMYK")
    for kind in ("JPEG", "TIFF"):
        image = decode(encode(cmyk, kind))
        assert near(image.getpixel((8, 16)), RED, 20) and near(image.getpixel((56, 16)), BLUE, 20)


def test_sixteen_bit_grey_is_scaled_rather_than_clipped() -> None:
    ramp = np.linspace(0, 65535, 256, dtype=np.uint16)[None].repeat(4, 0)
    for kind in ("PNG", "TIFF"):
        grey = np.asarray(decode(encode(Image.fromarray(ramp), kind)))[0, :, 0]
        assert np.abs(grey.astype(int) - np.arange(256)).max() <= 1
    # Dark is dark, not an 8-bit picture in a deep file.
    dark = np.full((4, 4), 200, dtype=np.uint16)
    assert np.asarray(decode(encode(Image.fromarray(dark)))).max() <= 1


def test_sixteen_bit_colour_is_scaled() -> None:
    rows = b"".join(b"\x00" + struct.pack(">HHH", 0xFFFF, 0x8000, 0) * 4 for _ in range(4))
    assert near(
        decode(_png(4, 4, zlib.compress(rows), depth=16, colour=2)).getpixel((0, 0)), (255, 128, 0), 1
    )


def test_floating_point_and_other_modes_are_read() -> None:
    ramp = np.linspace(-1, 3, 64, dtype=np.float32)[None].repeat(4, 0)
    ramp[0, 0] = np.nan
    grey = np.asarray(decode(encode(Image.fromarray(ramp), "TIFF")))[1, :, 0].astype(int)
    assert grey[0] == 0 and grey[-1] == 255 and (np.diff(grey) >= 0).all()
    assert decode(encode(Image.new("1", (4, 4), 1))).getpixel((0, 0)) == WHITE
    assert decode(encode(Image.new("F", (4, 4), 0.5), "TIFF")).size == (4, 4)
    assert near(decode(encode(Image.new("YCbCr", (4, 4), (255, 128, 128)), "JPEG")).getpixel((0, 0)), WHITE)


def test_lab_is_read_as_colours() -> None:
    lab = ImageCms.profileToProfile(
        halves(), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert lab is not None
    image = decode(encode(lab, "TIFF"))
    assert near(image.getpixel((8, 16)), RED, 20) and near(image.getpixel((56, 16)), BLUE, 20)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_first_frame_of_an_animation_counts(kind: str) -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in (RED, GREEN, BLUE)]
    image = decode(encode(frames[0], kind, save_all=True, append_images=frames[1:]))
    assert near(image.getpixel((16, 16)), RED, 20)


def test_jpeg_is_decoded_small_but_never_below_the_target() -> None:
    data = noise((1600, 1200))
    sizes = {target: decode(data, target=target).size for target in (128, 150, 151, 224, 600, 601, 5000)}
    assert sizes == {
        128: (200, 150),
        150: (200, 150),
        151: (400, 300),
        224: (400, 300),
        600: (800, 600),
        601: (1600, 1200),
        5000: (1600, 1200),
    }
    assert decode(data).size == (1600, 1200)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.7, 0.97])
def test_file_cut_short_is_refused(kind: str, kept: float) -> None:
    whole = noise((200, 200), kind)
    with pytest.raises((ImageDamaged, ImageUnknown)) as caught:
        decode(whole[: int(len(whole) * kept)])
    assert caught.value.field == "image" and caught.value.mend


def test_jpeg_cut_short_is_refused_when_decoded_small_too() -> None:
    whole = noise((800, 800))
    with pytest.raises(ImageDamaged):
        decode(whole[: len(whole) // 2], target=100)


def test_empty_picture_is_refused() -> None:
    with pytest.raises(ImageEmpty):
        decode(b"")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'></svg>", "SVG"),
        (b"\xef\xbb\xbf <?xml version='1.0'?>\n<!-- x -->\n<SVG></SVG>", "SVG"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
        (b"\n\n<html><head>", "web page"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "HEIC"),
        (b"%PDF-1.7", "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
        (b"just some text", "not a picture"),
        (gzip.compress(jpeg()), "not a picture"),
        (b"\x00" * 1000, "not a picture"),
        (b"8BPS\x00\x01" + b"\x00" * 100, "not a picture"),
    ],
)
def test_what_is_no_picture_is_named(data: bytes, said: str) -> None:
    with pytest.raises(ImageUnknown, match=said) as caught:
        decode(data)
    assert "JPEG" in caught.value.mend


def _png(width: int, height: int, body: bytes, *, depth: int = 8, colour: int = 0) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def test_decompression_bomb_is_refused_before_it_unfolds(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = _png(60_000, 60_000, zlib.compress(b"\x00" * 60_001 * 100, 9))
    smaller = _png(10_000, 10_000, zlib.compress(b"\x00" * 10_001 * 100, 9))
    assert len(bomb) < 10_000
    monkeypatch.setattr(Image.Image, "load", None)  # no pixel may be decoded
    for data in (bomb, smaller):
        with pytest.raises(ImageTooLarge) as caught:
            decode(data)
        assert caught.value.mend


def test_limit_of_pixels_is_exact() -> None:
    data = jpeg((64, 48))
    assert decode(data, max_pixels=64 * 48).size == (64, 48)
    with pytest.raises(ImageTooLarge, match="64 x 48"):
        decode(data, max_pixels=64 * 48 - 1)


def test_picture_as_thin_as_a_line_is_refused() -> None:
    assert decode(jpeg((100, 1))).size == (100, 1)
    for size in ((101, 1), (1, 101), (40_000, 2)):
        with pytest.raises(ImageTooLarge, match="line"):
            decode(jpeg(size))


@given(
    position=st.floats(0, 1, exclude_max=True),
    damage=st.binary(min_size=1, max_size=40),
    kind=st.sampled_from(FORMATS),
)
def test_damage_anywhere_gives_a_picture_or_an_image_error(position: float, damage: bytes, kind: str) -> None:
    data = bytearray(encode(halves((24, 24)), kind))
    start = int(position * len(data))
    data[start : start + len(damage)] = damage
    try:
        decode(bytes(data), max_pixels=100_000)
    except ImageError as error:
        assert error.message and error.mend


@given(st.binary(max_size=200))
def test_any_bytes_end_in_an_image_error(data: bytes) -> None:
    with pytest.raises(ImageError):
        decode(data)


def test_wrong_suffix_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "really-a-webp.jpg"
    path.write_bytes(encode(halves(), "WEBP"))
    assert decode(path.read_bytes()).size == (64, 32)


def test_limit_of_pillow_itself_also_ends_in_an_image_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ImageTooLarge):
        decode_image(jpeg(), max_pixels=LIMIT)
