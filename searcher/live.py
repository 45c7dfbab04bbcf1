"""An engine that follows its collection: when another one takes over, so does the engine for it.

The change needs no restart. The next engine, with the encoder that its collection was indexed with, is
loaded while the present one answers; then one reference is replaced. A request keeps the engine that it
began with to its end, so no answer mixes two encoders, and the old engine is let go after its last one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, TypeVar

import structlog

from searcher.answer import Answer, StoredProduct
from searcher.engine import Engine
from searcher.query import Query, Rerank
from searcher.upsert import NewProduct, Upserted
from services.carry import CarryOver, calibrate
from services.catalogue.product import Product
from services.encoder.base import Encoder
from services.errors import NotFound, StoreUnavailable, VitrineError
from services.settings import Settings
from services.store.alias import Alias, Draft, open_alias, settings_of
from services.store.base import Filter
from services.store.factory import open_store

T = TypeVar("T")

#: Seconds between looks at what is served.
_PAUSE = 2.0
#: Seconds until a change that failed is tried again.
_AFTER_FAILURE = 30.0

log = structlog.get_logger("searcher")


class _Held:
    """An engine, its collection, and how many requests use it. Guarded by the lock of `LiveEngine`."""

    def __init__(self, engine: Engine, let_go: Callable[[Engine], None]) -> None:
        self.engine = engine
        self.users = 0
        self.retired = False
        self.let_go = let_go

    @property
    def collection(self) -> str:
        return self.engine.settings.collection


class LiveEngine:
    """What `Engine` offers, for whichever collection is served under the name in the settings.

    `look` follows a change, `start` does so every two seconds in a thread of its own. Thread-safe; raises
    what `Engine` raises.
    """

    def __init__(self, settings: Settings, engine: Engine, alias: Alias) -> None:
        self.settings = settings
        self._alias = alias
        self._held = _Held(engine, Engine.close)
        self._lock = threading.Lock()
        #: One change at a time.
        self._changing = threading.Lock()
        #: Held by a write, and by the last step of a change of embedded collections.
        self._writing = threading.RLock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def encoder(self) -> Encoder:
        """The encoder in use now."""
        return self._held.engine.encoder

    @property
    def collection(self) -> str:
        """The collection that is served now."""
        return self._held.collection

    def search(self, query: Query) -> Answer:
        return self._read(lambda engine: engine.search(query))

    def similar(
        self,
        product_id: str,
        *,
        limit: int = 20,
        offset: int = 0,
        filter: Filter | None = None,
        fusion: str | None = None,
        diversity: float = 0.0,
        rerank: Rerank | None = None,
    ) -> Answer:
        return self._read(
            lambda engine: engine.similar(
                product_id,
                limit=limit,
                offset=offset,
                filter=filter,
                fusion=fusion,
                diversity=diversity,
                rerank=rerank,
            )
        )

    def product(self, product_id: str) -> Product:
        return self._read(lambda engine: engine.product(product_id))

    def stored(self, product_id: str) -> StoredProduct:
        return self._read(lambda engine: engine.stored(product_id))

    def facets(self, key: str, *, limit: int = 50, filter: Filter | None = None) -> list[tuple[str, int]]:
        return self._read(lambda engine: engine.facets(key, limit=limit, filter=filter))

    def count(self) -> int:
        return self._read(Engine.count)

    def check(self) -> None:
        self._read(Engine.check)

    def upsert(self, items: Sequence[NewProduct]) -> Upserted:
        """As `Engine.upsert`, into the collection that is served at this moment."""
        with self._writing:
            self._follow_to_write()
            with self._borrow() as engine:
                return engine.upsert(items)

    def delete(self, ids: Sequence[str]) -> int:
        """As `Engine.delete`, from the collection that is served at this moment."""
        with self._writing:
            draft = self._follow_to_write()
            with self._borrow() as engine:
                if draft is not None:
                    # Lest the new collection, which is not open here, should bring them back.
                    self._alias.note_deleted(ids)
                return engine.delete(ids)

    def ready(self) -> dict[str, Any]:
        """As `Engine.ready`; the collection is called by the name that is set."""
        with self._borrow() as engine:
            return engine.ready() | {"collection": self.settings.collection}

    def warm_up(self) -> None:
        with self._borrow() as engine:
            engine.warm_up()

    def start(self) -> LiveEngine:
        """Look every two seconds from now on, until `close`."""
        self._thread = threading.Thread(target=self._watch, name="live-engine", daemon=True)
        self._thread.start()
        return self

    def close(self) -> None:
        """Let the store go; nothing can be asked afterwards."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
        with self._changing:
            self._held.engine.close()
            self._alias.close()

    def look(self) -> bool:
        """Follow the collection if another one is served, or is ready to be; True if so.

        Raises `VitrineError` if the other one cannot be used here; the present one is served as before.
        """
        with self._changing:
            state = self._alias.read()
            if state.live != self.collection:
                self._replace(self._engine_for(state.live), Engine.close)
                return True
            if state.draft is not None and state.draft.ready and not self.settings.qdrant_url:
                self._take_over(state.draft)
                return True
        return False

    def _watch(self) -> None:
        pause = _PAUSE
        failed = ""
        while not self._stopped.wait(pause):
            pause = _PAUSE
            try:
                if self.look():
                    failed = ""
            except Exception as error:
                # Whatever it is, the present collection goes on being served.
                if self._stopped.is_set():
                    return
                pause = _AFTER_FAILURE
                if str(error) != failed:
                    failed = str(error)
                    log.error("change of encoder failed", serving=self.collection, reason=failed)

    def _engine_for(self, collection: str) -> Engine:
        """An engine for another collection of this name, loaded, checked and warm."""
        from services.encoder.registry import load_soon

        own = settings_of(self.settings, collection)
        engine = Engine(own, load_soon(own), open_store(own))
        try:
            engine.check()
            engine.warm_up()
        except BaseException:
            engine.close()
            raise
        return engine

    def _take_over(self, draft: Draft) -> None:
        """Bring a new embedded collection up to date with the one that is open here, and serve it."""
        engine = self._engine_for(draft.collection)
        try:
            with self._borrow() as old:
                old.check()  # opens it, if no request has yet
                carry = CarryOver(
                    old.store,
                    engine.store,
                    engine.encoder,
                    self.settings,
                    since=draft.since,
                    deleted=self._alias.deleted,
                    lossy=draft.lossy,
                    stopped=self._stopped,
                )
                written = carry.run().changes
                with self._writing:
                    last = carry.run()
                    if last.refused and not draft.lossy:
                        product, error = last.refused[0]
                        raise StoreUnavailable(
                            f"{len(last.refused):,} stored products cannot be encoded anew, {product!r} for "
                            f"one: {error.message}",
                            mend="Bring their pictures back or delete them, or index with --switch --lossy.",
                            field="image",
                        )
                    if written + last.changes:
                        calibrate(engine.store, engine.encoder)
                        engine.check()  # to read it anew
                    self._alias.switch(draft.collection)
                    self._replace(engine, Engine.close if draft.keep_old else _drop)
        except BaseException:
            if self._held.engine is not engine:
                engine.close()
            raise

    def _replace(self, engine: Engine, let_go: Callable[[Engine], None]) -> None:
        with self._lock:
            before, self._held = self._held, _Held(engine, Engine.close)
            before.let_go = let_go
            before.retired = True
            unused = before.users == 0
        log.info(
            "encoder changed", collection=engine.settings.collection, encoder=engine.encoder.identity.name
        )
        if unused:
            _let_go(before)

    @contextmanager
    def _borrow(self) -> Iterator[Engine]:
        with self._lock:
            held = self._held
            held.users += 1
        try:
            yield held.engine
        finally:
            with self._lock:
                held.users -= 1
                last = held.retired and held.users == 0
            if last:
                _let_go(held)

    def _read(self, call: Callable[[Engine], T]) -> T:
        before = self.collection
        try:
            with self._borrow() as engine:
                return call(engine)
        except (NotFound, StoreUnavailable) as error:
            # On a server the collection may have been deleted before this searcher looked.
            if not self.settings.qdrant_url or not _is_gone(error):
                raise
            self.look()
            if self.collection == before:
                raise
        with self._borrow() as engine:
            return call(engine)

    def _follow_to_write(self) -> Draft | None:
        """Be where a write belongs, and say what is being built. An embedded collection only changes here."""
        state = self._alias.read()
        if state.live != self.collection and self.settings.qdrant_url:
            self.look()
        return state.draft


#: What a service can answer with.
AnyEngine = Engine | LiveEngine


def open_live(settings: Settings) -> LiveEngine:
    """An engine that follows the collection of these settings, looking already.

    A server that does not answer yet is no reason not to start. Raises `EncoderUnavailable`.
    """
    from services.encoder.registry import load_soon

    own = settings
    with closing(open_alias(settings)) as alias:
        try:
            own = settings_of(settings, alias.read().live)
        except StoreUnavailable as error:
            if not settings.qdrant_url:
                raise
            log.warning("collection not known yet", reason=str(error))
    engine = Engine(own, load_soon(own), open_store(own))
    return LiveEngine(settings, engine, open_alias(settings)).start()


def _let_go(held: _Held) -> None:
    try:
        held.let_go(held.engine)
    except VitrineError as error:
        log.error("old collection not removed", collection=held.collection, reason=str(error))


def _drop(engine: Engine) -> None:
    engine.store.drop()
    engine.close()


def _is_gone(error: VitrineError) -> bool:
    if isinstance(error, NotFound):
        return error.field == "collection"
    return any(words in error.message.lower() for words in ("doesn't exist", "not found"))
