"""Notice when a catalogue or its pictures change."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

from watchfiles import Change, watch

from services.catalogue.readers import PICTURES, Catalogue

#: Milliseconds without a change after which a flurry of changes counts as over, and after which it is
#: taken as it is.
_QUIET, _LONGEST = 400, 5_000
_TIMEOUT = 500


def changes(catalogue: Catalogue, *, ignore: Path, stop: threading.Event | None = None) -> Iterator[None]:
    """Yields at once, and then after each flurry of changes; none that falls between is missed.

    What lies below `ignore` (the folder of state, which may be within the shop's own) does not count.
    Ends when `stop` is set.
    """
    wanted = _Wanted(catalogue, ignore)
    folders = {catalogue.base, wanted.path if wanted.path.is_dir() else wanted.path.parent}
    # A folder within another is watched along with it.
    roots = [folder for folder in folders if not any(other in folder.parents for other in folders)]
    begun = False
    for found in watch(
        *roots,
        watch_filter=wanted,
        debounce=_LONGEST,
        step=_QUIET,
        rust_timeout=_TIMEOUT,
        yield_on_timeout=True,
        stop_event=stop,
    ):
        # The first timeout says that watching has begun, so a change during the first run is seen.
        if found or not begun:
            begun = True
            yield


class _Wanted:
    """The catalogue file, and pictures; not the temporary files that editors and we ourselves write."""

    def __init__(self, catalogue: Catalogue, ignore: Path) -> None:
        self.path = catalogue.path.resolve()
        self._ignore = ignore.resolve()

    def __call__(self, change: Change, name: str) -> bool:
        path = Path(name)
        if path == self.path:
            return True
        return path.suffix.lower() in PICTURES and not path.is_relative_to(self._ignore)
