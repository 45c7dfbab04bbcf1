"""Which collection is served under a name, and the change to another one.

A shop's collection (`products`) is a name. At first it stands for the collection of that very name; once
the encoder was changed it stands for one such as `products@4f1d0c9a72be`, named after its encoder. A
change happens in one step, so whoever looks finds the old collection or the new one and never half of
each. `@` cannot be part of a name that is set, so none of these can meet a collection of the shop's.

On a Qdrant server two aliases say it, `products@live` and, while a new collection is built,
`products@next`. Embedded, it is the file `products@alias.json` in the data folder, replaced by one rename;
beside it `products@deleted.jsonl` lists what was deleted while the new collection is built.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from services.errors import StoreUnavailable
from services.settings import Settings
from services.store.base import Distance
from services.store.factory import open_store
from services.store.folder import write_json

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

_DIGITS = 12


@dataclass(frozen=True)
class Draft:
    """A collection that is being built to take over.

    `since` is when that began (seconds since 1970). `ready` asks whoever has the old collection open to
    carry over what is newer there and to switch; `keep_old` and `lossy` tell it how.
    """

    collection: str
    since: float = 0.0
    ready: bool = False
    keep_old: bool = False
    lossy: bool = False


@dataclass(frozen=True)
class State:
    """What a name stands for: the collection that is served, and the one being built, if there is one."""

    live: str
    draft: Draft | None = None


class Alias(Protocol):
    """A name of collections. Every method raises `StoreUnavailable` if it cannot be read or written."""

    def read(self) -> State: ...

    def begin(self, draft: Draft) -> None:
        """Note a collection that is being built, in place of any before it; it must exist."""

    def switch(self, collection: str) -> None:
        """Serve this collection from now on; nothing is being built any more. One atomic step."""

    def collections(self) -> list[str]:
        """All collections there are of this name, the served one and any others, sorted."""

    def note_deleted(self, ids: Sequence[str]) -> None:
        """Remember products that are deleted while another collection is built."""

    def deleted(self) -> frozenset[str]:
        """What `note_deleted` was told since the building began."""

    def close(self) -> None: ...


def collection_for(
    name: str, encoder: Mapping[str, Any], *, distance: Distance = "cosine", patches: bool = False
) -> str:
    """The collection of this name for an encoder's identity, as `CollectionMeta.encoder` holds it, and for
    what else a collection is created with."""
    other = [distance, patches] if distance != "cosine" or patches else []
    text = json.dumps([encoder["weights"], encoder["preprocess"], encoder["dim"], *other])
    return f"{name}@{hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]}"


def open_alias(settings: Settings) -> Alias:
    """The alias that the settings name; nothing is read yet."""
    if settings.qdrant_url:
        return ServerAlias(settings)
    return FileAlias(settings)


def settings_of(settings: Settings, collection: str) -> Settings:
    """The settings for one of a name's collections, with the encoder and measure that it was indexed with.

    Raises `StoreUnavailable`.
    """
    if collection == settings.collection:
        return settings
    own = settings.model_copy(update={"collection": collection})
    with closing(open_store(own)) as store:
        meta = store.meta()
    if meta is None:
        return own
    return own.model_copy(update={"encoder": meta.encoder["name"], "measure": meta.distance})


def served(settings: Settings) -> Settings:
    """The settings for the collection that is served now.

    Once the encoder was changed, the collection says which one it needs: `settings.encoder` and
    `settings.measure` then no longer count. Raises `StoreUnavailable`.
    """
    with closing(open_alias(settings)) as alias:
        return settings_of(settings, alias.read().live)


class FileAlias:
    """`Alias` in the data folder, for the embedded store."""

    def __init__(self, settings: Settings) -> None:
        self._name = settings.collection
        self._folder = settings.data_dir
        self._file = self._folder / f"{self._name}@alias.json"
        self._journal = self._folder / f"{self._name}@deleted.jsonl"

    def read(self) -> State:
        try:
            data = json.loads(self._file.read_bytes())
            draft = data["draft"]
            return State(str(data["live"]), None if draft is None else Draft(**draft))
        except FileNotFoundError:
            return State(self._name)
        except OSError as error:
            raise self._unusable(f"cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise self._unusable("is damaged") from error

    def begin(self, draft: Draft) -> None:
        before = self.read()
        if before.draft is None or before.draft.collection != draft.collection:
            self._journal.unlink(missing_ok=True)
        self._write(State(before.live, draft))

    def switch(self, collection: str) -> None:
        self._write(State(collection))
        self._journal.unlink(missing_ok=True)

    def collections(self) -> list[str]:
        folders = [self._folder / self._name, *self._folder.glob(f"{self._name}@*")]
        return sorted(folder.name for folder in folders if (folder / "store").is_dir())

    def note_deleted(self, ids: Sequence[str]) -> None:
        try:
            with self._journal.open("a", encoding="utf-8") as file:
                file.writelines(f"{json.dumps(one)}\n" for one in ids)
        except OSError as error:
            raise self._unusable(f"cannot be written: {error.strerror}", self._journal) from error

    def deleted(self) -> frozenset[str]:
        try:
            lines = self._journal.read_text(encoding="utf-8").splitlines(keepends=True)
        except FileNotFoundError:
            return frozenset()
        # A last line without an end is that of a process killed in the middle of it.
        return frozenset(json.loads(line) for line in lines if line.endswith("\n"))

    def close(self) -> None:
        """Nothing is held open."""

    def _write(self, state: State) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_json(self._file, asdict(state))
        except OSError as error:
            raise self._unusable(f"cannot be written: {error.strerror}") from error

    def _unusable(self, what: str, path: Path | None = None) -> StoreUnavailable:
        return StoreUnavailable(
            f"The file {path or self._file}, which says what collection is served, {what}.",
            mend="See that the disk is not full and the folder belongs to this user; to serve the collection "
            f"{self._name!r} itself again, remove the file.",
            field="data_dir",
        )


class ServerAlias:
    """`Alias` by aliases of a Qdrant server. `client` and `exclusive` as for `ServerStore`.

    Deleted products are not noted here: whoever builds the new collection can read the old one.
    """

    def __init__(
        self, settings: Settings, client: QdrantClient | None = None, *, exclusive: bool = False
    ) -> None:
        from services.store.connection import Connection

        self._name = settings.collection
        self._live, self._next = f"{self._name}@live", f"{self._name}@next"
        self._connection = Connection(settings, client, exclusive)

    def read(self) -> State:
        found = self._aliases()
        draft = found.get(self._next)
        return State(found.get(self._live, self._name), None if draft is None else Draft(draft))

    def begin(self, draft: Draft) -> None:
        self._update([(self._next, draft.collection)])

    def switch(self, collection: str) -> None:
        self._update([(self._live, collection), (self._next, None)])

    def collections(self) -> list[str]:
        found = self._connection.call("listed", lambda client: client.get_collections()).collections
        names = (one.name for one in found)
        return sorted(name for name in names if name == self._name or name.startswith(f"{self._name}@"))

    def note_deleted(self, ids: Sequence[str]) -> None:
        """Nothing to do."""

    def deleted(self) -> frozenset[str]:
        return frozenset()

    def close(self) -> None:
        self._connection.close()

    def _aliases(self) -> dict[str, str]:
        found = self._connection.call("read", lambda client: client.get_aliases()).aliases
        return {alias.alias_name: alias.collection_name for alias in found}

    def _update(self, wanted: Sequence[tuple[str, str | None]]) -> None:
        """Point each alias to its collection (None: to nothing), all in one step."""
        from qdrant_client import models

        there = self._aliases()
        operations: list[Any] = []
        for alias, collection in wanted:
            if alias in there:
                operations.append(
                    models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias))
                )
            if collection is not None:
                create = models.CreateAlias(collection_name=collection, alias_name=alias)
                operations.append(models.CreateAliasOperation(create_alias=create))
        self._connection.call("switched", lambda client: client.update_collection_aliases(operations))
