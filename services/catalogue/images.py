"""Pictures of untrusted origin: fetch the bytes within limits, decode them to plain RGB.

Sources are a path (relative to the catalogue's folder), an http(s) URL or a data URI. Every way a
picture can be bad ends in one subclass of `ImageError`, whose `title` is a short stable reason that
can be counted.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
import stat
import time
import urllib.parse
import warnings
from pathlib import Path

import httpx
import numpy as np
import tenacity
from PIL import Image, ImageOps, UnidentifiedImageError

from services.errors import ImageError
from services.settings import Settings

#: What is decoded; MPO, as phones write it, opens as JPEG. SVG is left out on purpose (a program, not a
#: picture), HEIC for want of a decoder.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
_KNOWN = "JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF"

#: Longer than this, side by side, is a line and no product; resized by its short side it would be huge.
MAX_ASPECT = 100

_URL = re.compile(r"https?://", re.IGNORECASE)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")  # two letters at least: `C:\` is a path
_ATTEMPTS = 3

# Pillow warns of large pictures and broken metadata; we refuse the first and pass over the second.
warnings.filterwarnings("ignore", module=r"PIL\.")


class ImageMissing(ImageError):
    title = "Picture not found"


class ImageOutside(ImageError):
    title = "Picture outside the folder"


class ImageEmpty(ImageError):
    title = "Empty picture"


class ImageTooLarge(ImageError):
    title = "Picture too large"


class ImageUnknown(ImageError):
    title = "Not a known picture format"


class ImageDamaged(ImageError):
    title = "Damaged picture"


class ImageUnreachable(ImageError):
    title = "Picture cannot be fetched"


class ImageSourceInvalid(ImageError):
    title = "Bad picture address"


class _Transient(ImageUnreachable):
    """A failure that may pass: worth another attempt."""


def brief(source: str) -> str:
    """The source, short enough to show: a data URI or a long URL is cut."""
    return source if len(source) <= 120 else f"{source[:80]}... ({len(source)} characters)"


def is_url(source: str) -> bool:
    return _URL.match(source) is not None


def is_data_uri(source: str) -> bool:
    return source[:5].lower() == "data:"


def make_client(settings: Settings) -> httpx.Client:
    """An HTTP client for pictures, to be shared by loader threads so that connections are reused."""
    return httpx.Client(
        timeout=settings.fetch_timeout,
        follow_redirects=True,
        max_redirects=5,
        headers={"User-Agent": "vitrine", "Accept": "image/*", "Accept-Encoding": "identity"},
    )


def resolve_source(source: str, base: Path | None) -> str:
    """Where the picture is, independent of the working folder: absolute path, URL or data URI.

    With `base`, a path is relative to it and must stay inside (symbolic links followed), so that a
    catalogue from elsewhere cannot have private files served. Raises `ImageError`.
    """
    source = source.strip()
    if is_url(source) or is_data_uri(source):
        return source
    if scheme := _SCHEME.match(source):
        raise ImageSourceInvalid(
            f"Pictures cannot be read from '{scheme[1]}:' addresses.",
            mend="Give a path, an http(s) URL or a data URI.",
            field="image",
        )
    try:
        if base is None:
            return str(Path(source).resolve())
        root = base.resolve()
        path = (root / source).resolve()
    except (OSError, ValueError, RuntimeError) as error:  # too long, NUL byte, loop of links
        raise ImageSourceInvalid(
            f"'{brief(source)}' is no usable path ({error}).", mend="Correct the path.", field="image"
        ) from error
    if not path.is_relative_to(root):
        raise ImageOutside(
            f"'{brief(source)}' leads out of the catalogue's folder.",
            mend=f"Put the picture under {root} and give its path from there.",
            field="image",
        )
    return str(path)


def read_image_bytes(
    source: str, *, base: Path | None, settings: Settings, client: httpx.Client | None = None
) -> bytes:
    """Bytes of the picture at `source`, undecoded, at most `settings.max_image_bytes` of them.

    URLs are given `settings.fetch_timeout` seconds in all and three attempts. Raises `ImageError`.
    """
    return read_resolved(resolve_source(source, base), shown=source, settings=settings, client=client)


def read_resolved(
    resolved: str, *, shown: str, settings: Settings, client: httpx.Client | None = None
) -> bytes:
    """As `read_image_bytes`, for what `resolve_source` gave; errors name the source as `shown`."""
    limit = settings.max_image_bytes
    if is_data_uri(resolved):
        data = _data_uri_bytes(resolved, limit)
    elif is_url(resolved):
        if client is None:
            with make_client(settings) as own:
                data = _fetch(resolved, own, limit, settings.fetch_timeout)
        else:
            data = _fetch(resolved, client, limit, settings.fetch_timeout)
    else:
        data = _file_bytes(Path(resolved), shown, limit)
    if not data:
        raise ImageEmpty(
            f"'{brief(shown)}' is empty (0 bytes).", mend="Copy the picture again.", field="image"
        )
    return data


def _too_large(limit: int) -> ImageTooLarge:
    return ImageTooLarge(
        f"The picture file is larger than {limit:,} bytes.",
        mend="Use a smaller file or raise VITRINE_MAX_IMAGE_BYTES.",
        field="image",
    )


def _file_bytes(path: Path, shown: str, limit: int) -> bytes:
    try:
        info = path.stat()
        # A named pipe or device would block or never end.
        if not stat.S_ISREG(info.st_mode):
            kind = "a folder" if stat.S_ISDIR(info.st_mode) else "not an ordinary file"
            raise ImageSourceInvalid(
                f"'{brief(shown)}' is {kind}.", mend="Give the path of a picture file.", field="image"
            )
        if info.st_size > limit:
            raise _too_large(limit)
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ImageMissing(
            f"There is no file '{brief(shown)}'.", mend="Correct the path or add the file.", field="image"
        ) from error
    except OSError as error:
        raise ImageMissing(
            f"'{brief(shown)}' cannot be read ({error.strerror or error}).",
            mend="Check the path and its permissions.",
            field="image",
        ) from error


def _data_uri_bytes(source: str, limit: int) -> bytes:
    header, comma, body = source.partition(",")
    try:
        if not comma:
            raise ValueError("there is no comma")
        if len(body) > 4 * limit:
            raise _too_large(limit)
        if header.lower().rstrip().endswith(";base64"):
            compact = re.sub(r"\s+", "", urllib.parse.unquote(body))
            data = base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
        else:
            data = urllib.parse.unquote_to_bytes(body)
    except (ValueError, binascii.Error) as error:
        raise ImageSourceInvalid(
            f"The data URI cannot be decoded ({error}).",
            mend="Write data:image/jpeg;base64,... with complete base64.",
            field="image",
        ) from error
    if len(data) > limit:
        raise _too_large(limit)
    return data


def _fetch(url: str, client: httpx.Client, limit: int, seconds: float) -> bytes:
    deadline = time.monotonic() + seconds
    attempts = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(_ATTEMPTS) | tenacity.stop_after_delay(seconds),
        wait=tenacity.wait_random_exponential(multiplier=0.2, max=2),
        retry=tenacity.retry_if_exception_type(_Transient),
        reraise=True,
    )
    return attempts(_fetch_once, url, client, limit, deadline)


def _fetch_once(url: str, client: httpx.Client, limit: int, deadline: float) -> bytes:
    shown = brief(url)
    left = deadline - time.monotonic()
    too_slow = ImageUnreachable(
        f"{shown} did not come in time.", mend="Try later, or raise VITRINE_FETCH_TIMEOUT.", field="image"
    )
    if left <= 0:
        raise too_slow
    try:
        with client.stream("GET", url, timeout=left, follow_redirects=True) as response:
            if response.status_code == 429 or response.status_code >= 500:
                raise _Transient(
                    f"{shown} answered {response.status_code}.", mend="Try again later.", field="image"
                )
            if not response.is_success:
                raise ImageUnreachable(
                    f"{shown} answered {response.status_code}.", mend="Correct the URL.", field="image"
                )
            if int(response.headers.get("content-length") or 0) > limit:
                raise _too_large(limit)
            data = bytearray()
            # No chunk size: httpx would gather that much before the deadline could be looked at.
            for chunk in response.iter_bytes():
                data += chunk
                if len(data) > limit:
                    raise _too_large(limit)
                # A server that drips one byte at a time never trips httpx's per-read timeout.
                if time.monotonic() > deadline:
                    raise too_slow
            return bytes(data)
    except httpx.TimeoutException as error:
        raise too_slow from error
    except httpx.TransportError as error:
        raise _Transient(
            f"{shown} cannot be fetched ({error}).", mend="Check that the URL opens from here.", field="image"
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise ImageUnreachable(
            f"{shown} cannot be fetched ({error}).", mend="Correct the URL.", field="image"
        ) from error


def decode_image(data: bytes, *, max_pixels: int, target: int | None = None) -> Image.Image:
    """The picture as RGB, upright by its EXIF orientation, transparency on white, first frame.

    With `target` (pixels), a JPEG is decoded directly at 1/2, 1/4 or 1/8 of its size (draft mode of
    libjpeg) as long as the short side stays >= `target`. Size is checked from the header, before any
    pixel is decoded. Raises `ImageError` for what is empty, unknown, damaged, cut short or too large.
    """
    if not data:
        raise ImageEmpty("The picture is empty (0 bytes).", mend="Copy the picture again.", field="image")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(image.size, max_pixels)
            if target is not None and image.format in ("JPEG", "MPO"):
                image.draft(None, (target, target))
            image.load()
            return _to_rgb(_upright(image))
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise _unknown(data) from error
    except Image.DecompressionBombError as error:
        raise ImageTooLarge(
            f"The picture is far too large ({error}).", mend="Use a smaller picture.", field="image"
        ) from error
    # Decoders meet hostile bytes here and raise whatever they like: OSError, SyntaxError, struct.error,
    # IndexError, ... All of it means the same to the caller.
    except Exception as error:
        raise ImageDamaged(
            f"The picture is damaged or cut short ({error}).",
            mend="Copy the picture again or save it anew.",
            field="image",
        ) from error


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise ImageTooLarge(
            f"The picture has {width} x {height} pixels, more than {max_pixels:,}.",
            mend="Use a smaller picture or raise VITRINE_MAX_IMAGE_PIXELS.",
            field="image",
        )
    if max(size) > MAX_ASPECT * min(size):
        raise ImageTooLarge(
            f"The picture is {width} x {height} pixels, a line rather than a product.",
            mend=f"Use a picture at most {MAX_ASPECT} times as long as wide.",
            field="image",
        )


def _upright(image: Image.Image) -> Image.Image:
    try:
        ImageOps.exif_transpose(image, in_place=True)
    # Broken metadata does not make a bad picture: keep it as it lies.
    except Exception:
        return image
    return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        image = _to_eight_bits(image)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image.convert("RGB") if image.mode != "RGB" else image.copy()


def _to_eight_bits(image: Image.Image) -> Image.Image:
    # Pillow would clip 16-bit greys at 255 (all white) instead of scaling them.
    values = np.asarray(image).astype(np.float32)
    if image.mode == "F":
        values = np.nan_to_num(values)
        low, high = float(values.min()), float(values.max())
        scaled = (values - low) * (255 / (high - low) if high > low else 0)
    else:
        deep = image.mode.startswith("I;16") or values.max() > 255
        scaled = values / 257 if deep else values
    return Image.fromarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8))


def _unknown(data: bytes) -> ImageUnknown:
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in head:
        what = "The file is an SVG drawing."
    elif head.startswith((b"<!doctype html", b"<html")):
        what = "The file is a web page."
    elif data[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypmsf1"):
        what = "The file is in HEIC format."
    else:
        what = "The file is not a picture in a known format."
    return ImageUnknown(what, mend=f"Save it as {_KNOWN}.", field="image")
