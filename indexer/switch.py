"""Change the encoder or the measure of a collection that is being served: build a new one beside it, then
switch.

The old collection is searched and written to all the while. An interrupted run leaves it as it is, and the
same command goes on with what is built already. See `services.carry` for which of two records counts.

A server lets several processes at one collection, so this one reads the old collection, carries over what
is newer there, switches, waits until every searcher has followed, and deletes it. An embedded collection
is open in one process at a time: if that is a running service, the last two steps are left to it, and it
takes them within seconds (`searcher.live`).
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass

import structlog

from indexer.patience import Patience
from indexer.report import Report
from indexer.worker import Progress, index_opened
from services.carry import Carried, CarryOver, calibrate
from services.catalogue.readers import Catalogue
from services.encoder.base import Encoder, EncoderIdentity
from services.errors import InvalidInput, NotFound, StoreLocked
from services.points import check_encoder, collection_meta
from services.settings import Settings
from services.store.alias import Alias, Draft, collection_for, open_alias
from services.store.base import CollectionMeta, VectorStore
from services.store.factory import open_store

log = structlog.get_logger("indexer")

#: Passes before the switch; each is shorter than the last, and what the last one missed comes after it.
_PASSES = 5
_PAUSE = 1.0


@dataclass(frozen=True)
class Plan:
    """`keep_old`: leave the old collection in the store; `lossy`: switch even if pictures of stored products
    can no longer be read; `grace`: seconds that searchers get to follow before it is deleted, or that a
    running service gets to take over."""

    keep_old: bool = False
    lossy: bool = False
    grace: float = 30.0


@dataclass
class Switch:
    """How a change ended. `switched` is False if nothing had to be changed or if it is `handed_over` to a
    running service, which has not finished yet; `report` is that of the catalogue, if there was one."""

    old: str
    new: str
    report: Report | None = None
    switched: bool = False
    handed_over: bool = False
    carried: int = 0
    deleted: int = 0
    old_kept: bool = False

    def count(self, done: Carried) -> Carried:
        self.carried += done.written
        self.deleted += done.deleted
        return done


def change_encoder(
    settings: Settings,
    encoder: Encoder,
    plan: Plan,
    *,
    catalogue: Catalogue | None = None,
    progress: Progress | None = None,
    say: Callable[[str], None] = lambda doing: None,
) -> Switch:
    """Serve the collection that the settings name with this encoder, built from a catalogue and from what
    is stored, or from the latter alone.

    With no collection yet, or one of this encoder and measure already, the catalogue is simply indexed.
    Raises `NotFound` if there is neither collection nor catalogue, `StoreLocked` if the new collection is
    being built by another process, or the old one is open in one and there is no catalogue to build from,
    `InvalidInput` if products cannot be carried over, and what `index_opened` raises.
    """
    with closing(open_alias(settings)) as alias:
        live = alias.read().live
        old = open_store(settings.model_copy(update={"collection": live}))
        with closing(old):
            meta = old.meta()
            wanted = _wanted(meta, encoder, settings)
            if meta is None or _key(meta) == _key(wanted):
                if catalogue is None and meta is None:
                    raise NotFound(
                        f"There is no collection '{settings.collection}' yet.",
                        mend="Index a catalogue first: vitrine index CATALOGUE.",
                        field="collection",
                    )
                done = Switch(live, live)
                if catalogue is not None:
                    done.report = _index(catalogue, settings, live, encoder, old, progress)
                return done
            change = _Change(settings, encoder, plan, alias, old, meta, wanted, say)
            return change.run(catalogue, progress)


class _Change:
    def __init__(
        self,
        settings: Settings,
        encoder: Encoder,
        plan: Plan,
        alias: Alias,
        old: VectorStore,
        meta: CollectionMeta,
        wanted: CollectionMeta,
        say: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._encoder = encoder
        self._plan = plan
        self._alias = alias
        self._old = old
        self._meta = meta
        self._wanted = wanted
        self._say = say
        self._patiently = Patience(threading.Event())
        self._target = collection_for(
            settings.collection, wanted.encoder, distance=wanted.distance, patches=wanted.patches
        )
        self._done = Switch(alias.read().live, self._target, old_kept=plan.keep_old)

    def run(self, catalogue: Catalogue | None, progress: Progress | None) -> Switch:
        shared = self._settings.qdrant_url is not None
        if shared:
            self._old.open(self._meta)
        elif catalogue is None:
            self._hold_old()
        with ExitStack() as stack:
            new = self._open_new()
            stack.callback(new.close)
            draft = self._begin(new)
            carry = self._carry(new, draft, catalogue is not None)
            if shared:
                self._say("looking at what is stored")
                self._patiently(carry.mark)
            if catalogue is not None:
                report = _index(catalogue, self._settings, self._target, self._encoder, new, progress)
                self._done.report = report
                if report.counts.read and report.counts.rejected == report.counts.read:
                    return self._done  # nothing in it could be used, so it is no reason to change anything
            if not shared and catalogue is not None:
                try:
                    self._old.open(self._meta)
                except StoreLocked:
                    new.close()
                    return self._hand_over(draft)
            self._catch_up(carry, new)
            if self._settings.qdrant_url is None:
                new.close()  # for whoever finds the alias switched
                self._alias.switch(self._target)
            else:
                self._switch_shared(carry)
        self._done.switched = True
        self._retire()
        return self._done

    def _hold_old(self) -> None:
        """Open the old embedded collection, all there is to build from; it is held until the end."""
        try:
            self._old.open(self._meta)
        except StoreLocked as error:
            raise StoreLocked(
                error.message,
                mend="Stop it for as long as this takes, or build from the catalogue while it serves: "
                f"vitrine index CATALOGUE --encoder {self._encoder.identity.name} --switch.",
                field="data_dir",
            ) from error

    def _open_new(self) -> VectorStore:
        """The store of the new collection, empty unless it was begun by a run before this one."""
        draft = self._alias.read().draft
        if draft is not None and draft.collection != self._target:
            with closing(self._store(draft.collection)) as abandoned:
                abandoned.drop()
        new = self._store(self._target)
        if draft is None or draft.collection != self._target:
            new.drop()  # one that was kept after a change back is out of date
        check_encoder(new.open(self._wanted), self._encoder)
        return new

    def _begin(self, new: VectorStore) -> Draft:
        draft = self._alias.read().draft
        if draft is None or draft.collection != self._target:
            draft = Draft(self._target, since=time.time())
        draft = dataclasses.replace(draft, ready=False, keep_old=self._plan.keep_old, lossy=self._plan.lossy)
        self._alias.begin(draft)
        return draft

    def _carry(self, new: VectorStore, draft: Draft, catalogue: bool) -> CarryOver:
        return CarryOver(
            self._old,
            new,
            self._encoder,
            self._settings,
            catalogue=catalogue,
            since=draft.since,
            deleted=self._alias.deleted,
            lossy=self._plan.lossy,
        )

    def _catch_up(self, carry: CarryOver, new: VectorStore) -> None:
        self._say("carrying over")
        for _ in range(_PASSES):
            carried = self._done.count(self._patiently(carry.run))
            if carried.refused and not self._plan.lossy:
                product, error = carried.refused[0]
                raise InvalidInput(
                    f"{len(carried.refused):,} stored products cannot be encoded anew, {product!r} for one: "
                    f"{error.message} The old collection is served as before.",
                    mend="Bring their pictures back or delete them, then run this again; with --lossy they "
                    "keep their title alone, or are left out if they have none.",
                    field=product,
                )
            if not carried.changes:
                break
        if self._done.carried or self._done.deleted or self._done.report is None:
            self._patiently(new.optimize)
            self._patiently(calibrate, new, self._encoder)

    def _switch_shared(self, carry: CarryOver) -> None:
        self._alias.switch(self._target)
        carry.switched(time.time())
        self._say("waiting for searchers")
        until = time.monotonic() + self._plan.grace
        while True:
            # A searcher that has not looked yet, or a write under way, may still reach the old one.
            self._done.count(self._patiently(carry.run))
            if time.monotonic() >= until:
                return
            time.sleep(min(_PAUSE, self._plan.grace))

    def _hand_over(self, draft: Draft) -> Switch:
        self._alias.begin(dataclasses.replace(draft, ready=True))
        self._say("waiting for the running service")
        until = time.monotonic() + self._plan.grace
        while self._alias.read().live != self._target:
            if time.monotonic() >= until:
                self._done.handed_over = True
                return self._done
            time.sleep(0.2)
        self._done.switched = True
        return self._done

    def _retire(self) -> None:
        if not self._plan.keep_old:
            self._old.drop()

    def _store(self, collection: str) -> VectorStore:
        return open_store(self._settings.model_copy(update={"collection": collection}))


def _wanted(meta: CollectionMeta | None, encoder: Encoder, settings: Settings) -> CollectionMeta:
    """What to create the new collection with; unless it was said, the same encoder keeps its measure."""
    wanted = collection_meta(encoder, settings)
    if meta is not None and _key(meta)[0] == _key(wanted)[0] and settings.measure == "auto":
        wanted = dataclasses.replace(wanted, distance=meta.distance)
    return wanted


def _key(meta: CollectionMeta) -> tuple[tuple[str, str, int], str, bool]:
    """What collections that can take each other's place have in common."""
    encoder = EncoderIdentity.from_dict(meta.encoder)
    return (encoder.weights, encoder.preprocess, encoder.dim), meta.distance, meta.patches


def _index(
    catalogue: Catalogue,
    settings: Settings,
    collection: str,
    encoder: Encoder,
    store: VectorStore,
    progress: Progress | None,
) -> Report:
    own = settings.model_copy(update={"collection": collection})
    return index_opened(catalogue, own, encoder, store, progress=progress)
