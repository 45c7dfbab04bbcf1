"""The folder of an embedded collection: its lock, its metadata file, its making and unmaking.

    COLLECTION/lock.pid, lock.pid.lock   while a process has the collection open
    COLLECTION/store/meta.json           metadata, replaced atomically
    COLLECTION/store/shard/              the engine's files

`store` appears and vanishes in one rename, so a process killed while it creates or drops a
collection leaves either all of it or none.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from portalocker import PidFileLock
from portalocker.exceptions import AlreadyLocked, LockException

from services.errors import DiskFull, StoreLocked, StoreUnavailable
from services.store.base import CollectionMeta
from services.store.schema import decode_meta, encode_meta


class StoreFolder:
    """The files of one embedded collection around the engine's own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = PidFileLock(path / "lock.pid")

    @property
    def shard(self) -> Path:
        return self._store / "shard"

    @property
    def _store(self) -> Path:
        return self.path / "store"

    @property
    def _meta(self) -> Path:
        return self._store / "meta.json"

    def check_room(self, needed: int) -> None:
        """Raise `DiskFull` unless the disk has room for `needed` bytes.

        The engine writes through mapped files, and a page of those that finds no room on the disk ends the
        process (SIGBUS) where a write would raise an error. So it is asked before, generously.
        """
        place = next(folder for folder in (self.path, *self.path.parents) if folder.exists())
        free = shutil.disk_usage(place).free
        if free < needed:
            raise DiskFull(
                f"The disk of {self.path} is nearly full: {free / 1e6:.0f} MB are free, and "
                f"{needed / 1e6:.0f} MB may be needed. Nothing was written.",
                mend="Make room, or set VITRINE_DATA_DIR to a folder on another disk, and run this again.",
                field="data_dir",
            )

    def shard_bytes(self) -> int:
        """What the engine's segments take on disk."""
        return disk_bytes(self.shard / "segments")

    def exists(self) -> bool:
        return self._store.exists()

    def lock(self) -> None:
        """Take the collection for this process; the system lets go of it however the process ends.

        Raises `StoreLocked`, naming the holder's process, if another store has it open.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
        except AlreadyLocked as error:
            holder = self._lock.read_pid()
            by = (
                "this process"
                if holder == os.getpid()
                else f"process {holder}{_command(holder)}"
                if holder
                else "another process"
            )
            raise StoreLocked(
                f"The store in {self.path} is in use by {by}.",
                mend="Stop it first, send changes to the running service instead (PUT /products), or let "
                "several processes share a Qdrant server (VITRINE_QDRANT_URL).",
                field="data_dir",
            ) from error
        except (OSError, LockException) as error:
            raise StoreUnavailable(
                f"The folder {self.path} cannot be locked: {error}.",
                mend="Set VITRINE_DATA_DIR to a folder that this user may write to, on a local disk.",
                field="data_dir",
            ) from error

    def unlock(self) -> None:
        self._lock.release()

    def read_meta(self) -> CollectionMeta | None:
        """Stored metadata, or None if there is no collection.

        Raises `StoreUnavailable` if the file is missing beside a shard, damaged or of a newer Vitrine.
        """
        if not self.exists():
            return None
        try:
            data = json.loads(self._meta.read_bytes())
        except OSError as error:
            if not self.exists():  # dropped by its owner in between
                return None
            raise StoreUnavailable(
                f"The metadata file {self._meta} cannot be read: {error.strerror}.",
                mend="Restore it from a backup, or drop the collection and index again.",
                field="data_dir",
            ) from error
        except ValueError:
            data = None
        return decode_meta(data, str(self._meta))

    def write_meta(self, meta: CollectionMeta) -> None:
        """Replace the metadata; after a crash the file holds the old or the new, whole."""
        write_json(self._meta, encode_meta(meta))

    def create(self, meta: CollectionMeta, make_shard: Callable[[Path], None]) -> None:
        """Make the collection: `make_shard` fills the folder it is given. Needs the lock."""
        draft = self.path / "store.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        make_shard(draft / "shard")
        write_json(draft / "meta.json", encode_meta(meta))
        os.replace(draft, self._store)
        _sync_folder(self.path)

    def tidy(self) -> None:
        """Remove what a killed process left half done. Needs the lock."""
        for leftover in (self.path / "store.new", self.path / "store.dropped", self.shard / "temp_segments"):
            shutil.rmtree(leftover, ignore_errors=True)

    def drop(self) -> None:
        """Remove the collection. Needs the lock."""
        self.tidy()
        with contextlib.suppress(FileNotFoundError):
            os.replace(self._store, self.path / "store.dropped")
            _sync_folder(self.path)
        self.tidy()


def disk_bytes(folder: Path) -> int:
    """What the files of a folder take on disk: of sparse ones, what is written."""
    return sum(file.stat().st_blocks * 512 for file in folder.rglob("*") if file.is_file())


def write_json(path: Path, data: object) -> None:
    """Replace a file by JSON, atomically: after a crash it holds the old or the new, whole."""
    draft = path.with_suffix(".tmp")
    with open(draft, "w", encoding="utf-8") as file:
        json.dump(data, file, ensure_ascii=False, indent=1, allow_nan=False)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)
    _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    # Without it a rename may be lost with the power; systems that cannot sync folders say so by OSError.
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _command(process: int) -> str:
    """What a process was started as, in brackets, where the system tells: " (vitrine serve)"."""
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return ""
    # The program and what it does, and nothing more, for arguments may be private.
    words = [word for word in words if word and word != "-m"]
    if words and Path(words[0]).name.startswith("python"):
        words = words[1:]
    if not words or words[0].startswith("-"):
        return ""
    return f" ({' '.join([Path(words[0]).name, *words[1:2]])[:60]})"
