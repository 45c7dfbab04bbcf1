"""The rejects file: one JSON line for each row that could not be used, with the reason and the mend."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import threading
from array import array
from collections import Counter
from pathlib import Path

from services.errors import InvalidInput, VitrineError
from services.settings import Settings


def rejects_path(catalogue: Path, settings: Settings) -> Path:
    """Where the rejects of a catalogue are: beside the worker's state, named after the catalogue."""
    return settings.data_dir / f"{catalogue.resolve().name}.rejects.jsonl"


class Rejects:
    """Collects the rejects of one run and puts them, in order of their rows, in place of the last run's.

    Until then they lie in a file beside it: memory holds two numbers a reject. Safe to call from
    several threads.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        #: How many rows were rejected for each short reason.
        self.reasons: Counter[str] = Counter()
        self._places = array("q")  # row, offset, row, offset, ...
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._draft = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115 - closed by finish()
        except OSError as error:
            raise InvalidInput(
                f"The list of rejects cannot be written to {path.parent} ({error.strerror}).",
                mend="Set VITRINE_DATA_DIR to a folder that this user may write to.",
                field="data_dir",
            ) from error

    def __len__(self) -> int:
        return len(self._places) // 2

    def add(self, row: int, product_id: str | None, error: VitrineError) -> None:
        """Note that the row was rejected; `product_id` is None or "" where it is not known."""
        entry = {
            "row": row,
            "id": product_id or None,
            "title": error.title,
            "reason": error.message,
            "field": error.field,
            "mend": error.mend,
        }
        line = json.dumps(entry, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        with self._lock:
            self._places.extend((row, self._draft.tell()))
            self._draft.write(line)
            self.reasons[error.title] += 1

    def finish(self) -> Path | None:
        """Put the file in its place, whole or not at all; returns it, or None if nothing was rejected."""
        with self._lock, self._draft:
            if not self._places:
                self.path.unlink(missing_ok=True)
                return None
            with tempfile.NamedTemporaryFile(dir=self.path.parent, prefix=".rejects-", delete=False) as file:
                try:
                    places = zip(self._places[::2], self._places[1::2], strict=True)
                    for _, offset in sorted(places):
                        self._draft.seek(offset)
                        file.write(self._draft.readline())
                    file.flush()
                    os.fsync(file.fileno())
                    os.chmod(file.name, 0o644)
                    os.replace(file.name, self.path)
                except BaseException:
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(file.name)
                    raise
            return self.path
