"""Pictures of indexed products as they are served: the original, or a thumbnail made once."""

from __future__ import annotations

import hashlib
import io
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from searcher.answer import StoredProduct
from services.catalogue.images import FORMATS, decode_image, is_data_uri, is_url, read_image_bytes
from services.errors import ImageError, NotFound
from services.settings import Settings

MIN_SIZE, MAX_SIZE = 16, 2048
#: Bytes of thumbnails kept in memory: some thousand of them.
_CACHE_BYTES = 64_000_000
_QUALITY = 85


@dataclass(frozen=True)
class Picture:
    """Bytes ready to send, with their media type."""

    data: bytes
    media_type: str


class Pictures:
    """Loads pictures of products and keeps the latest thumbnails. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    @staticmethod
    def address(product: StoredProduct) -> str:
        """Where the picture lies. Raises `NotFound` for a product without one."""
        if not product.source:
            raise NotFound(
                f"The product '{product.product.id}' has no picture.",
                mend="Give it one and index it again.",
                field="id",
            )
        return product.source

    def tag(self, product: StoredProduct, size: int | None) -> str:
        """ETag of the picture: changes with the product, the file and the size asked for."""
        source = self.address(product)
        state = ""
        if not is_data_uri(source) and not is_url(source):
            try:
                info = Path(source).stat()
                state = f"{info.st_mtime_ns}-{info.st_size}"
            except (OSError, ValueError):
                state = "gone"
        digest = hashlib.sha256(f"{product.product.id}|{product.hash}|{state}|{size}".encode())
        return f'"{digest.hexdigest()[:32]}"'

    def load(self, product: StoredProduct, size: int | None) -> Picture:
        """The picture as it is, or as a JPEG no longer than `size` pixels on either side.

        Raises `NotFound` if it is no longer there or no longer a picture.
        """
        tag = self.tag(product, size)
        if size is not None and (kept := self._get(tag)) is not None:
            return Picture(kept, "image/jpeg")
        try:
            data = read_image_bytes(self.address(product), base=None, settings=self._settings)
            if size is None:
                return Picture(data, _media_type(data))
            thumbnail = self._thumbnail(data, size)
        except ImageError as error:
            raise NotFound(
                f"The picture of '{product.product.id}' cannot be shown: {error.title.lower()}.",
                mend="Restore the file or index the product again.",
                field="id",
            ) from error
        self._put(tag, thumbnail)
        return Picture(thumbnail, "image/jpeg")

    def _thumbnail(self, data: bytes, size: int) -> bytes:
        image = decode_image(data, max_pixels=self._settings.max_image_pixels, target=size)
        image.thumbnail((size, size), Image.Resampling.LANCZOS)
        out = io.BytesIO()
        image.save(out, "JPEG", quality=_QUALITY, progressive=True, optimize=True)
        return out.getvalue()

    def _get(self, tag: str) -> bytes | None:
        with self._lock:
            if tag in self._kept:
                self._kept.move_to_end(tag)
            return self._kept.get(tag)

    def _put(self, tag: str, data: bytes) -> None:
        with self._lock:
            self._bytes += len(data) - len(self._kept.pop(tag, b""))
            self._kept[tag] = data
            while self._bytes > _CACHE_BYTES:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= len(dropped)


def _media_type(data: bytes) -> str:
    # By content, and only what was checked as a picture: a file may have been replaced since.
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return Image.MIME.get(image.format or "", "application/octet-stream")
    except Exception as error:
        raise ImageError("The file is not a picture.") from error
