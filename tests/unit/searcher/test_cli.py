import json
import threading

import httpx
import pytest
import typer
from typer.testing import CliRunner

from searcher.api.schemas import SearchAnswer
from searcher.cli import run, search, serve
from searcher.engine import Engine
from searcher.upsert import NewProduct
from services.catalogue.product import Product
from services.errors import EncoderMismatch, InvalidInput, StoreLocked
from services.settings import Settings, get_settings
from services.store.base import CollectionMeta
from services.store.factory import open_store
from tests.unit.searcher.test_engine import items, picture

APP = typer.Typer()
APP.command()(search)
APP.command()(serve)


@pytest.fixture()
def settings(tiny_openclip_dir, tmp_path, monkeypatch):
    """Settings from the environment, as the command line reads them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VITRINE_ENCODER", f"local-dir:{tiny_openclip_dir}")
    monkeypatch.setenv("VITRINE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("VITRINE_DEVICE", "cpu")
    monkeypatch.setenv("VITRINE_PRECISION", "fp32")
    get_settings.cache_clear()
    yield get_settings()
    get_settings.cache_clear()


@pytest.fixture()
def stocked(settings, tiny_encoder):
    engine = Engine(settings, tiny_encoder, open_store(settings))
    engine.upsert(
        [
            *items(),
            NewProduct(Product(id="evil", title="\x1b[31m[bold]red\x07[/bold]", price=3, currency="EUR")),
        ]
    )
    engine.close()
    return settings


def call(*words):
    done = CliRunner().invoke(APP, ["search", *words], env={"COLUMNS": "160"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


def test_a_table_of_results_with_their_reasons(stocked):
    output = call("red dress", "--limit", "5")
    lines = output.splitlines()
    assert [word for word in ("score", "id", "title", "category", "price") if word in lines[0]] == lines[
        0
    ].split()[:5]
    assert sum("picture" in line or "title" in line for line in lines[1:]) == 5
    assert "█" in output
    assert lines[-1].startswith("5 of 37 in ")


def test_an_id_typed_in_full_is_found_first_and_says_by_what(stocked):
    line = call("P17", "--limit", "3").splitlines()[1]
    assert " p17 " in line and "keywords " in line
    found = json.loads(call("p17", "--limit", "3", "--json"))["hits"][0]
    assert found["id"] == "p17"
    assert max(found["weights"], key=lambda weight: weight["weight"])["field"] == "keywords"


def test_json_is_that_of_the_service(stocked, tmp_path):
    (tmp_path / "red.png").write_bytes(picture("red", 3))
    words = [
        "mug",
        "--image",
        "red.png",
        "--like",
        "p0",
        "--not",
        "lamp",
        "--filter",
        "category=mug",
        "--json",
        "--fusion",
        "mean",
    ]
    answer = json.loads(call(*words))
    SearchAnswer.model_validate(answer)
    assert [(part["kind"], part["label"], part["weight"]) for part in answer["parts"]] == [
        ("text", "mug", 1.0),
        ("image", "red.png", 1.0),
        ("product", "red shirt", 1.0),
        ("text", "lamp", -1.0),
    ]
    assert {hit["product"]["category"] for hit in answer["hits"]} == {"mug"}
    assert answer["fusion"] == "mean"


def test_examples_pictures_and_words_are_wanted_or_not_with_weights(stocked, tmp_path):
    (tmp_path / "red.png").write_bytes(picture("red", 3))
    (tmp_path / "blue.png").write_bytes(picture("blue", 2))
    words = ["mug^2", "--image", "red.png^0.5", "--not-image", "blue.png", "--like", "p0", "--like", "p1^3"]
    words += ["--unlike", "p2", "--not", "lamp^0.25", "--not-text", "wood", "--diversity", "0.5"]
    answer = json.loads(call(*words, "--json"))
    assert [(part["kind"], part["label"], part["weight"]) for part in answer["parts"]] == [
        ("text", "mug", 2.0),
        ("image", "red.png", 0.5),
        ("product", "red shirt", 1.0),
        ("product", "red chair", 3.0),
        ("text", "lamp", -0.25),
        ("text", "wood", -1.0),
        ("image", "blue.png", -1.0),
        ("product", "red mug", -1.0),
    ]
    assert not {"p0", "p1", "p2"} & {hit["id"] for hit in answer["hits"]}


def test_the_best_are_ranked_anew_where_the_index_has_patches(settings, tiny_encoder, monkeypatch):
    monkeypatch.setenv("VITRINE_LATE_INTERACTION", "true")
    get_settings.cache_clear()
    engine = Engine(get_settings(), tiny_encoder, open_store(get_settings()))
    engine.upsert(items())
    engine.close()
    answer = json.loads(call("red mug", "--rerank", "late", "--json"))
    assert answer["rerank"] == "late" and answer["took_ms"]["rerank"] > 0
    assert "rerank" not in json.loads(call("red mug", "--json"))
    assert call("red mug", "--rerank", "late").splitlines()[-1].endswith(", re-ranked")


def test_control_characters_of_titles_stay_out_of_the_terminal(stocked):
    output = call("red", "--filter", "id=evil")
    assert "\x1b" not in output and "\x07" not in output
    assert "[bold]red" in output and "3.00 EUR" in output


def test_nothing_found(stocked):
    assert "Nothing found." in call("mug", "--filter", "category=none")


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ([], "parts"),
        (["mug", "--filter", "colour=red"], "filter.colour"),
        (["mug", "--filter", "dress"], "filter"),
        (["mug", "--limit", "0"], "limit"),
        (["mug", "--fusion", "magic"], "fusion"),
        (["--image", "missing.png"], "--image"),
        (["--not", "mug"], "parts"),
        (["--like", "nowhere"], "like"),
        (["--like", "p0", "--unlike", "nowhere"], "unlike"),
        (["mug", "--like", "p0^0"], "like"),
        (["mug", "--not-image", "missing.png"], "--not-image"),
        (["mug", "--diversity", "2"], "diversity"),
        (["mug", "--rerank", "late"], "rerank"),
        (["mug", "--rerank", "magic"], "rerank"),
        ([word for _ in range(17) for word in ("--image", "missing.png")], "parts"),
        ([" "], "text"),
    ],
)
def test_bad_arguments_are_refused_by_name(stocked, words, field):
    with pytest.raises(InvalidInput) as caught:
        call(*words)
    assert caught.value.field == field and caught.value.mend


def serving(settings, engine, said):
    """Serve in a thread; returns it and an event that is set once the service answers."""
    ready = threading.Event()

    def announce(line):
        said.append(line)
        ready.set()

    thread = threading.Thread(
        target=run, args=(settings,), kwargs={"engine": engine, "announce": announce}, daemon=True
    )
    thread.start()
    return thread, ready


def test_serving_says_where_once_it_answers(stocked, tiny_encoder, monkeypatch):
    import uvicorn

    servers = []
    start = uvicorn.Server.startup

    async def remember(self, sockets=None):
        servers.append(self)
        await start(self, sockets)

    monkeypatch.setattr(uvicorn.Server, "startup", remember)
    settings = stocked.model_copy(update={"port": 0})
    said: list[str] = []
    engine = Engine(settings, tiny_encoder, open_store(settings))
    thread, ready = serving(settings, engine, said)
    assert ready.wait(60)
    address = said[0].removeprefix("Vitrine is at ")
    assert httpx.get(f"{address}/readyz").json()["products"] == 37
    assert httpx.get(f"{address}/search?q=mug").status_code == 200
    record = httpx.get(f"{address}/products/evil").json()
    assert record["id"] == "evil"
    servers[0].should_exit = True
    thread.join(30)
    assert not thread.is_alive()
    # The store was let go.
    again = open_store(settings)
    again.open(CollectionMeta(dim=tiny_encoder.dim, encoder={}))
    again.close()


def test_a_taken_port_is_known_before_the_model_is_loaded(settings):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = settings.model_copy(update={"port": taken.getsockname()[1], "encoder": "no-such/model"})
        with pytest.raises(InvalidInput, match="--port") as caught:
            run(busy)
    assert caught.value.field == "port"


def test_a_host_that_is_not_ours(settings):
    with pytest.raises(InvalidInput, match="cannot listen"):
        run(settings.model_copy(update={"host": "no-such-host.invalid"}))


def test_what_would_fail_every_search_fails_the_start(settings, tiny_encoder):
    free = settings.model_copy(update={"port": 0})
    store = open_store(free)
    identity = tiny_encoder.identity.as_dict() | {"weights": "f" * 16}
    store.open(CollectionMeta(dim=tiny_encoder.dim, encoder=identity))
    with pytest.raises((EncoderMismatch, StoreLocked)):
        run(free, engine=Engine(free, tiny_encoder, open_store(free)))
    store.close()
    with pytest.raises(EncoderMismatch):
        run(free, engine=Engine(free, tiny_encoder, open_store(free)))
    assert isinstance(free, Settings)


def test_a_box_goes_with_one_picture(stocked, tmp_path):
    file = tmp_path / "photo.png"
    file.write_bytes(picture("red", 3))
    found = json.loads(call("--image", str(file), "--box", "0.1,0.2,0.8,0.9", "--json"))
    assert found["parts"][0]["box"] == {"left": 0.1, "top": 0.2, "right": 0.8, "bottom": 0.9}
    for words in (("mug", "--box", "0,0,1,1"), ("--image", str(file), "--box", "0,0,2,1")):
        with pytest.raises(InvalidInput) as caught:
            call(*words)
        assert caught.value.field == "--box"
