"""A change of encoder under a running engine: no failed answer, no mixed one, nothing written is lost.

Two real encoders of one width, so that vectors of one could be compared with the other's and nothing but
the answers would tell. Both stores: embedded, where the searcher takes over what the indexer has built,
and a server (qdrant-client's own local mode stands in where there is none), where the indexer does it all.
"""

from __future__ import annotations

import csv
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from qdrant_client import QdrantClient

from indexer.switch import Plan, Switch, change_encoder
from searcher import live
from searcher.answer import Answer
from searcher.engine import Engine, open_engine
from searcher.live import LiveEngine
from searcher.query import Part, Query
from searcher.upsert import NewProduct
from services.carry import FROM
from services.catalogue.product import Product
from services.catalogue.readers import open_catalogue
from services.encoder.dual import DualEncoder
from services.encoder.registry import load_encoder
from services.errors import InvalidInput, NotFound, StoreLocked
from services.settings import Settings
from services.store import connection
from services.store.alias import collection_for, open_alias, served
from services.store.factory import open_store
from tests.conftest import write_tiny_openclip

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect")

COLOURS = ["red", "blue", "green", "black", "white", "yellow", "purple", "orange"]
THINGS = ["shirt", "chair", "mug", "boots"]
QUERY = Query((Part(text="red leather boots"),), limit=12)


class OneAtATime:
    """qdrant-client's local mode for several threads and stores; outlives each of them."""

    def __init__(self) -> None:
        self._client = QdrantClient(":memory:", force_disable_check_same_thread=True)
        self._lock = threading.RLock()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)

        def call(*arguments: Any, **options: Any) -> Any:
            with self._lock:
                return found(*arguments, **options)

        return call

    def close(self) -> None:
        """Left open for the other stores."""


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, DualEncoder]:
    folder = tmp_path_factory.mktemp("encoders")
    made = {}
    for seed, name in enumerate("ab"):
        place = write_tiny_openclip(folder / name, seed=seed)
        made[name] = load_encoder(Settings(encoder=f"local-dir:{place}", device="cpu", precision="fp32"))
    return made


class Shop:
    """A catalogue of pictures and titles, its settings, and engines on them."""

    def __init__(self, folder: Path, kind: str, encoders: dict[str, DualEncoder]) -> None:
        self.encoders = encoders
        self.folder = folder
        self.settings = Settings(
            _env_file=None,
            data_dir=folder / "data",
            qdrant_url="http://qdrant.invalid:6333" if kind == "server" else None,
            encoder=encoders["a"].name,
            device="cpu",
            precision="fp32",
            batch_size=8,
            workers=1,
        )
        self.target = collection_for("products", encoders["b"].identity.as_dict())
        self.opened: list[LiveEngine] = []
        folder.mkdir(exist_ok=True)
        for number, colour in enumerate(COLOURS):
            Image.new("RGB", (40, 40), colour).save(folder / f"{number}.png")
        rows = [(f"p{n}", f"{COLOURS[n % 8]} {THINGS[n % 4]}", f"{n % 8}.png") for n in range(32)]
        self.write(rows)

    def write(self, rows: list[tuple[str, str, str]]) -> None:
        with (self.folder / "products.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("id", "title", "image"), *rows])

    def change(self, to: str = "b", *, catalogue: bool = True, **plan: Any) -> Switch:
        opened = open_catalogue(self.folder / "products.csv") if catalogue else None
        plan = {"grace": 0.2} | plan
        return change_encoder(self.settings, self.encoders[to], Plan(**plan), catalogue=opened)

    def engine(self) -> LiveEngine:
        engine = Engine(self.settings, self.encoders["a"], open_store(self.settings))
        self.opened.append(LiveEngine(self.settings, engine, open_alias(self.settings)))
        return self.opened[-1]

    def item(self, name: str, title: str, picture: int | None = None) -> NewProduct:
        if picture is None:
            return NewProduct(Product(id=name, title=title))
        path = self.folder / f"{picture}.png"
        return NewProduct(Product(id=name, title=title, image=str(path)), path.read_bytes(), str(path))

    def points(self) -> dict[str, Any]:
        """What the served collection holds, read by itself."""
        own = served(self.settings)
        store = open_store(own)
        store.open(store.meta())  # type: ignore[arg-type]
        points = {point.id: point for point in store.scroll(limit=1000, vectors=True)[0]}
        store.close()
        return points

    def close(self) -> None:
        for engine in self.opened:
            engine.close()


@pytest.fixture(params=["edge", "server"])
def shop(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    encoders: dict[str, DualEncoder],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Shop]:
    shared = OneAtATime()
    monkeypatch.setattr(connection, "connect", lambda settings: shared)
    shop = Shop(tmp_path / "shop", request.param, encoders)
    yield shop
    shop.close()


@pytest.fixture
def edge(tmp_path: Path, encoders: dict[str, DualEncoder]) -> Iterator[Shop]:
    shop = Shop(tmp_path / "shop", "edge", encoders)
    yield shop
    shop.close()


def rounded(answer: Answer) -> list[tuple[str, float]]:
    """Equal pictures that were encoded in different batches score the same but for the last bits, which may
    order them either way."""
    found = [(hit.product.id, round(hit.score, 4)) for hit in answer.hits]
    return [one for _, equal in groupby(found, key=itemgetter(1)) for one in sorted(equal)]


def expected(shop: Shop, folder: Path, name: str) -> list[tuple[str, float]]:
    """The answer of an engine that only ever knew this encoder."""
    own = shop.settings.model_copy(update={"data_dir": folder / name, "qdrant_url": None})
    change_encoder(own, shop.encoders[name], Plan(), catalogue=open_catalogue(shop.folder / "products.csv"))
    engine = Engine(own, shop.encoders[name], open_store(own))
    answer = rounded(engine.search(QUERY))
    engine.close()
    return answer


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_queries_go_on_through_the_switch_without_an_error_or_a_mixed_answer(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = expected(shop, tmp_path, "a"), expected(shop, tmp_path, "b")
    assert before != after
    shop.change("a")  # the first index of all
    engine = shop.engine()
    engine.check()
    monkeypatch.setattr(live, "_PAUSE", 0.1)
    engine.start()
    answers: list[list[list[tuple[str, float]]]] = [[] for _ in range(3)]
    errors: list[Exception] = []
    ended = threading.Event()

    def ask(heard: list[list[tuple[str, float]]]) -> None:
        while not ended.is_set():
            try:
                heard.append(rounded(engine.search(QUERY)))
            except Exception as error:
                errors.append(error)

    clients = [threading.Thread(target=ask, args=(heard,)) for heard in answers]
    for client in clients:
        client.start()
    wait_for(lambda: all(len(heard) > 5 for heard in answers))
    done = shop.change("b", grace=60 if shop.settings.qdrant_url is None else 1.0)
    wait_for(lambda: engine.collection == shop.target)
    counts = [len(heard) for heard in answers]
    wait_for(lambda: all(len(heard) > count + 5 for heard, count in zip(answers, counts, strict=True)))
    ended.set()
    for client in clients:
        client.join()
    assert errors == []
    assert done.switched and not done.handed_over
    for heard in answers:
        at = heard.index(after)
        assert at > 0 and heard[:at] == [before] * at and heard[at:] == [after] * (len(heard) - at)
    assert engine.encoder.identity.same_space(shop.encoders["b"].identity)
    assert engine.ready() | {"products": 32, "collection": "products"} == engine.ready()
    alias = open_alias(shop.settings)
    wait_for(lambda: alias.collections() == [shop.target])  # the old one is gone
    # What starts later finds it too, whatever encoder is set.
    engine.close()
    again = open_engine(shop.settings)
    assert rounded(again.search(QUERY)) == after
    again.close()


def test_what_is_written_over_the_service_meanwhile_is_not_lost(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.change("a")
    engine = shop.engine()
    engine.upsert([shop.item("own", "green chair", 2), shop.item("words", "only words")])
    wait_for(lambda: int(time.time()) > max(p.payload["_indexed_at"] for p in _held(engine)))
    # Caught in the middle of the build: when the first titles are encoded.
    b = shop.encoders["b"]
    reached, go_on = threading.Event(), threading.Event()
    encode = b.encode_texts

    def caught(texts: Any) -> Any:
        if len(texts) > 1:
            reached.set()
            assert go_on.wait(60)
        return encode(texts)

    monkeypatch.setattr(b, "encode_texts", caught)
    done: list[Switch] = []
    worker = threading.Thread(target=lambda: done.append(shop.change("b", grace=0.5)))
    worker.start()
    assert reached.wait(60)
    assert engine.collection == "products" and engine.encoder.identity.name == shop.encoders["a"].name
    engine.upsert([shop.item("p3", "changed meanwhile", 6), shop.item("new", "new meanwhile", 7)])
    engine.upsert([shop.item("words", "other words")])
    engine.delete(["p5", "own"])
    assert engine.count() == 32 + 2 + 1 - 2
    go_on.set()
    worker.join()
    if shop.settings.qdrant_url is None:
        assert done[0].handed_over and not done[0].switched
    assert engine.look()
    assert not engine.look()
    assert engine.collection == shop.target and engine.count() == 33
    assert engine.product("p3").title == "changed meanwhile"
    assert engine.product("words").title == "other words"
    assert engine.product("new").title == "new meanwhile"
    for gone in ("p5", "own"):
        with pytest.raises(NotFound):
            engine.product(gone)
    # Encoded by the new encoder, from picture and title as they are now.
    [point] = engine._held.engine.store.fetch(["p3"], vectors=True)
    assert point.vectors["title"] @ encode(["changed meanwhile"])[0] == pytest.approx(1, abs=1e-5)
    picture = b.encode_images([Image.open(shop.folder / "6.png").convert("RGB")])[0]
    assert point.vectors["image"] @ picture == pytest.approx(1, abs=1e-3)
    # And the next write goes to the new collection.
    engine.upsert([shop.item("late", "late")])
    assert engine.count() == 34


def _held(engine: LiveEngine) -> list[Any]:
    return engine._held.engine.store.scroll(limit=1000)[0]


def test_a_run_that_is_interrupted_leaves_the_old_one_and_is_gone_on_with(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.change("a")
    engine = shop.engine()
    old = rounded(engine.search(QUERY))
    b = shop.encoders["b"]
    encode, calls = b.encode_texts, 0

    def interrupted(texts: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return encode(texts)

    monkeypatch.setattr(b, "encode_texts", interrupted)
    with pytest.raises(KeyboardInterrupt):
        shop.change("b")
    assert not engine.look()
    assert rounded(engine.search(QUERY)) == old
    monkeypatch.setattr(b, "encode_texts", encode)
    done = shop.change("b", grace=0.3)
    assert done.report is not None
    assert done.report.counts.unchanged >= 8 and done.report.counts.read == 32
    assert engine.look() and engine.collection == shop.target
    assert engine.count() == 32


def test_with_no_service_running_the_command_does_it_all(shop: Shop) -> None:
    shop.change("a")
    shop.write([("p1", "blue chair", "1.png"), ("q1", "new row", "2.png")])
    time.sleep(1.1)  # times are kept in seconds, and what was stored in the very one counts as newer
    done = shop.change("b")
    assert done.switched and done.carried == 31
    points = shop.points()
    assert set(points) == {f"p{n}" for n in range(32)} | {"q1"}
    assert FROM in points["p2"].payload and FROM not in points["p1"].payload
    assert open_alias(shop.settings).collections() == [shop.target]
    assert served(shop.settings).encoder == shop.encoders["b"].name
    # A second time there is nothing to change.
    again = shop.change("b")
    assert (not again.switched and again.report is None) or again.report.counts.unchanged == 2


def test_use_encodes_what_is_stored_anew(shop: Shop) -> None:
    shop.change("a")
    engine = shop.engine()
    engine.upsert([shop.item("own", "green chair", 2)])
    engine.close()
    (shop.folder / "products.csv").unlink()
    done = shop.change("b", catalogue=False, keep_old=True)
    assert done.switched and done.carried == 33 and done.report is None
    b = shop.encoders["b"]
    for product, point in shop.points().items():
        title = point.payload["title"]
        assert point.vectors["title"] @ b.encode_texts([title])[0] == pytest.approx(1, abs=1e-5), product
    assert open_alias(shop.settings).collections() == sorted(["products", shop.target])
    # And back again, into a collection of its own; the one that was kept is not mistaken for it.
    back = shop.change("a", catalogue=False)
    assert back.switched and back.new == collection_for("products", shop.encoders["a"].identity.as_dict())
    assert len(shop.points()) == 33


def test_the_measure_is_changed_while_the_encoder_stays(shop: Shop) -> None:
    shop.change("a")
    before = shop.points()
    settings, shop.settings = shop.settings, shop.settings.model_copy(update={"measure": "euclid"})
    done = shop.change("a", keep_old=True)
    assert done.switched and done.new not in (done.old, shop.target)
    shop.settings = settings  # nothing is said of a measure any more: the collection has its own
    assert served(settings).measure == "euclid"
    assert set(shop.points()) == set(before)
    again = shop.change("a")
    assert not again.switched and again.new == done.new
    assert again.report is not None and again.report.counts.unchanged == 32
    store = open_store(served(settings))
    meta = store.meta()
    store.close()
    assert meta is not None and meta.distance == "euclid" and meta.calibration is not None
    assert meta.calibration["pairs"]["image/image"]["mean"] < 0, "distances are below 0"

    engine = shop.engine()
    assert engine.look() and engine.collection == done.new
    assert engine.search(QUERY).fusion == "attention"
    engine.close()
    # Another encoder is for cosines, and brings them back.
    assert shop.change("b").new == shop.target


def test_patches_come_with_a_switch_and_stay_with_the_next_encoder(shop: Shop) -> None:
    shop.change("a")
    settings, shop.settings = shop.settings, shop.settings.model_copy(update={"late_interaction": True})
    assert shop.change("a", catalogue=False).switched
    shop.settings = settings  # nothing is said any more
    assert not shop.change("a").switched
    for encoder in "ab":
        assert shop.change(encoder, catalogue=False).switched == (encoder == "b")
        store = open_store(served(settings))
        meta = store.meta()
        assert meta is not None and meta.patches
        store.open(meta)
        points, _ = store.scroll(limit=100, vectors=True, patches=True)
        store.close()
        for point in points:
            assert (point.patches is not None) == ("image" in point.vectors), point.id
        engine = shop.engine()
        engine.look()
        assert engine.search(replace(QUERY, rerank="late")).rerank == "late"
        engine.close()
    shop.settings = settings.model_copy(update={"late_interaction": False})
    assert shop.change("b", catalogue=False).switched
    store = open_store(served(settings))
    assert not store.meta().patches
    store.close()


def test_products_whose_picture_is_gone_stop_the_switch_unless_it_may_lose_them(shop: Shop) -> None:
    shop.change("a")
    (shop.folder / "3.png").unlink()
    with pytest.raises(InvalidInput, match=r"4 stored products cannot be encoded anew, 'p\d+'") as caught:
        shop.change("b", catalogue=False)
    assert "--lossy" in caught.value.mend
    assert open_alias(shop.settings).read().live == "products"
    done = shop.change("b", catalogue=False, lossy=True)
    assert done.switched
    points = shop.points()
    assert len(points) == 32 and set(points["p3"].vectors) == {"title"}


def test_a_catalogue_of_which_nothing_can_be_used_changes_nothing(shop: Shop) -> None:
    shop.change("a")
    shop.write([("p1", "x", "none.png")])
    done = shop.change("b")
    assert not done.switched and done.report is not None and done.report.counts.rejected == 1
    assert open_alias(shop.settings).read().live == "products"


def test_nothing_to_change_without_a_collection(shop: Shop) -> None:
    with pytest.raises(NotFound, match="no collection"):
        shop.change("b", catalogue=False)


def test_a_searcher_that_looks_late_finds_its_collection_deleted_and_answers_all_the_same(
    tmp_path: Path, encoders: dict[str, DualEncoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = OneAtATime()
    monkeypatch.setattr(connection, "connect", lambda settings: shared)
    shop = Shop(tmp_path / "shop", "server", encoders)
    shop.change("a")
    reader, writer = shop.engine(), shop.engine()
    reader.search(QUERY)
    writer.search(QUERY)
    shop.change("b", grace=0.0)
    assert open_alias(shop.settings).collections() == [shop.target]
    assert len(reader.search(QUERY).hits) == 12 and reader.collection == shop.target
    writer.upsert([shop.item("late", "late")])
    assert open_alias(shop.settings).collections() == [shop.target], "the old one was made anew by a write"
    assert reader.product("late").title == "late"
    shop.close()


def test_an_encoder_that_cannot_be_loaded_leaves_the_old_one_serving(
    edge: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edge.change("a")
    engine = edge.engine()
    old = rounded(engine.search(QUERY))
    folder = Path(edge.encoders["b"].name.removeprefix("local-dir:"))
    edge.change("b", grace=0.0)
    folder.rename(folder.with_name("away"))
    try:
        with pytest.raises(Exception, match="does not exist"):
            engine.look()
        assert rounded(engine.search(QUERY)) == old
    finally:
        folder.with_name("away").rename(folder)
    assert engine.look() and engine.collection == edge.target


def test_use_says_what_to_do_while_a_service_has_the_store_open(edge: Shop) -> None:
    edge.change("a")
    engine = edge.engine()
    engine.check()
    with pytest.raises(StoreLocked) as caught:
        edge.change("b", catalogue=False)
    assert "vitrine index CATALOGUE --encoder" in caught.value.mend and "--switch" in caught.value.mend
    assert open_alias(edge.settings).collections() == ["products"]


def test_a_service_that_stops_before_it_took_over_does_so_when_it_starts_again(edge: Shop) -> None:
    edge.change("a")
    engine = edge.engine()
    engine.upsert([edge.item("own", "green chair", 2)])
    assert edge.change("b", grace=0.0, keep_old=True).handed_over
    engine.close()
    again = edge.engine()
    assert again.count() == 33 and again.collection == "products"
    assert again.look()
    assert again.collection == edge.target and again.product("own").title == "green chair"
    assert open_alias(edge.settings).collections() == sorted(["products", edge.target]), "it was to be kept"
