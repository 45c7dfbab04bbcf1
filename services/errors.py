"""Every error a caller of Vitrine may want to catch, as one small tree.

Each error says what is wrong (`message`), which row, field or parameter is meant (`field`) and what
to do about it (`mend`). The command line prints them as one sentence, the HTTP service as
RFC 9457 problem+json.
"""

from __future__ import annotations


class VitrineError(Exception):
    """Base of all errors Vitrine raises on purpose."""

    #: HTTP status that the service answers with.
    status = 500
    #: Short, stable, human-readable kind of problem (the `title` of problem+json).
    title = "Internal error"

    def __init__(self, message: str, *, mend: str = "", field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.mend = mend
        self.field = field

    def __str__(self) -> str:
        return f"{self.message} {self.mend}".strip()


class InvalidInput(VitrineError):
    """A parameter, field or row that cannot be used as it is."""

    status = 422
    title = "Invalid input"


class CatalogueError(InvalidInput):
    """A catalogue, or one row of it, that cannot be read."""

    title = "Unreadable catalogue"


class ImageError(InvalidInput):
    """A picture that cannot be fetched or decoded, or is not allowed to be."""

    title = "Unusable image"


class NoPicture(ImageError):
    """A product without a picture, for an encoder that sees nothing else."""

    title = "No picture"


class PicturesOnly(InvalidInput):
    """Words to search for, with an encoder that sees pictures only."""

    title = "Searched by pictures only"


class EncoderUnavailable(VitrineError):
    """A model that cannot be had: unknown name, missing files, no network."""

    status = 503
    title = "Encoder unavailable"


class EncoderMismatch(VitrineError):
    """The collection was indexed by another encoder than the one now asked to search it."""

    status = 409
    title = "Encoder mismatch"


class NotFound(VitrineError):
    """No product (or collection) of that name is stored."""

    status = 404
    title = "Not found"


class StoreUnavailable(VitrineError):
    """The vector store does not answer or cannot be opened."""

    status = 503
    title = "Store unavailable"


class DiskFull(StoreUnavailable):
    """There is no room for what is to be written to the embedded store; nothing of it was."""

    status = 507
    title = "Disk full"


class StoreLocked(StoreUnavailable):
    """Another process holds the embedded store."""

    title = "Store in use"
