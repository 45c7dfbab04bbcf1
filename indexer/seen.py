"""Which ids a catalogue has named so far, exactly and in bounded memory."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence

#: Kilobytes of the table kept in memory; the rest lies in a temporary file.
_CACHE_KB = 16 * 1024


class SeenIds:
    """Every id of a run with the row that brought it.

    A private SQLite table rather than a set of digests: it names the first row of a duplicate without
    ever mistaking one id for another, and ten million ids take no more memory than ten thousand. It
    vanishes when closed or when the process ends.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._table = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._table.execute(f"PRAGMA cache_size = -{_CACHE_KB}")
        self._table.execute("PRAGMA journal_mode = OFF")
        self._table.execute("CREATE TABLE seen (id TEXT PRIMARY KEY, row INTEGER) WITHOUT ROWID")
        self._table.execute("BEGIN")

    def claim(self, product_id: str, row: int) -> int | None:
        """Note the id as taken by this row; returns the earlier row that has taken it, if any."""
        with self._lock:
            found = self._table.execute("SELECT row FROM seen WHERE id = ?", (product_id,)).fetchone()
            if found is not None and found[0] is not None:
                return int(found[0])
            self._table.execute("INSERT OR REPLACE INTO seen VALUES (?, ?)", (product_id, row))
            return None

    def mark(self, product_id: str) -> None:
        """Note that a row of this id was there, though it could not be used and so does not take the id."""
        with self._lock:
            self._table.execute("INSERT OR IGNORE INTO seen VALUES (?, NULL)", (product_id,))

    def missing(self, product_ids: Sequence[str]) -> list[str]:
        """Those of the ids that no row had."""
        with self._lock:
            return [
                product_id
                for product_id in product_ids
                if self._table.execute("SELECT 1 FROM seen WHERE id = ?", (product_id,)).fetchone() is None
            ]

    def close(self) -> None:
        with self._lock:
            self._table.close()
