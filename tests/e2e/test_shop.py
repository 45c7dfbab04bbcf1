"""The whole path as its user walks it: the commands of the README, in processes of their own."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from searcher.evaluate.queries import KINDS, SEVERAL
from services.encoder.train.photos import fixed_splits, read_rows
from vitrine.sample import find_sample

ROOT = Path(__file__).parents[2]
PHOTOS = ROOT.parent / "shared" / "clothing"


def environment(folder: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VITRINE_", "QDRANT_"))}
    own = {"VITRINE_DATA_DIR": str(folder / "data"), "VITRINE_SAMPLE_CATALOGUE": str(folder / "none")}
    # Wide enough that no table folds an id.
    return kept | own | {"COLUMNS": "200", "PYTHONUNBUFFERED": "1"} | more


def vitrine(folder: Path, *arguments: str, code: int = 0, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vitrine.cli", *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment(folder, **more), capture_output=True, text=True, timeout=280
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


@contextmanager
def serving(folder: Path, *arguments: str, **more: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A command that serves; yields its address as soon as it prints one."""
    process = subprocess.Popen(
        [sys.executable, "-m", "vitrine.cli", *arguments],
        cwd=folder,
        env=environment(folder, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if "http://" in line:
                yield line[line.index("http://") :].strip(), process
                break
        else:
            pytest.fail(f"never served: {''.join(said)}")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a drawn sample catalogue of 144 products, indexed by `vitrine demo`."""
    folder = tmp_path_factory.mktemp("drawn")
    vitrine(folder, "demo", "--products", "144", "--only-index")
    return folder


def titles(folder: Path) -> dict[str, str]:
    """The title of one drawn product of each category."""
    with (folder / "data" / "demo" / "drawn-144" / "products.csv").open() as file:
        return {row["category"]: row["title"] for row in csv.DictReader(file)}


def test_demo_draws_indexes_and_serves_and_goes_on_when_run_again(drawn: Path) -> None:
    with serving(drawn, "demo", "--products", "144", "--port", "0") as (address, _), httpx.Client() as client:
        assert client.get(f"{address}/readyz").json()["products"] == 144
        page = client.get(address)
        assert page.status_code == 200 and "text/html" in page.headers["content-type"]
        words = titles(drawn)["mug"]
        answer = client.get(f"{address}/search", params={"q": words, "limit": 3}).json()
        assert words in [hit["product"]["title"] for hit in answer["hits"]]
        first = answer["hits"][0]
        assert sum(weight["weight"] for weight in first["weights"]) == pytest.approx(1, abs=1e-3)
        picture = client.get(f"{address}{first['image_url']}")
        assert picture.headers["content-type"] == "image/jpeg"
        found = client.post(f"{address}/search", files={"image": picture.content}, data={"limit": "1"}).json()
        assert found["hits"][0]["id"] == first["id"]
        both = client.post(
            f"{address}/search", files={"image": picture.content}, data={"text": "umbrella", "limit": "5"}
        ).json()
        assert {part["kind"] for part in both["parts"]} == {"text", "image"}


def test_evaluate_prints_every_measure_for_every_fusion(drawn: Path) -> None:
    catalogue = drawn / "data" / "demo" / "drawn-144" / "products.csv"
    done = vitrine(
        drawn,
        "evaluate",
        str(catalogue),
        "--attribute",
        "family",
        "--most",
        "40",
        "--fusion",
        "attention",
        "--fusion",
        "rrf",
        "--json",
    )
    rows = json.loads(done.stdout)
    assert {row["fusion"] for row in rows} == {"attention", "rrf"}
    # No four of the 144 drawn products share category and colour family.
    assert {row["query"] for row in rows} == set(KINDS) - {SEVERAL}
    for row in rows:
        assert 0 <= row["recall@1"]["mean"] <= row["recall@5"]["mean"] <= row["recall@10"]["mean"] <= 1
        assert row["mAP"]["interval"][0] <= row["mAP"]["mean"] <= row["mAP"]["interval"][1]
    # Chance finds one of 48 categories; the shipped encoder must know what it was made for.
    text = next(row for row in rows if row["query"] == "text" and row["fusion"] == "attention")
    assert text["recall@10"]["mean"] > 0.5


def test_a_folder_of_pictures_is_a_catalogue(tmp_path: Path, drawn: Path) -> None:
    sample = find_sample(tmp_path / "none", drawn / "data" / "demo", 144, quiet=True)
    pictures = tmp_path / "pictures" / "kitchen"
    pictures.mkdir(parents=True)
    with sample.catalogue.open() as file:
        rows = list(csv.DictReader(file))
    for row in rows[:30]:
        Image.open(sample.images / row["image"]).save(pictures / f"{row['title'].replace(' ', '-')}.png")
    vitrine(tmp_path, "index", "pictures")
    answer = json.loads(vitrine(tmp_path, "search", rows[3]["title"], "--json").stdout)
    assert answer["hits"][0]["product"]["title"].lower() == rows[3]["title"].lower()
    assert answer["hits"][0]["product"]["category"] == "kitchen"


def test_bad_rows_are_listed_and_the_rest_goes_on(tmp_path: Path, drawn: Path) -> None:
    Image.new("RGB", (64, 64), "red").save(tmp_path / "red.png")
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "products.csv").write_text(
        "id,title,image,price\n1,Red square,red.png,9.90\n2,No picture,missing.png,5\n3,Empty,empty.jpg,1\n"
        "1,Twice,red.png,2\n5,Bad price,red.png,cheap\n6,Only words,,3\n"
    )
    done = vitrine(tmp_path, "index", "products.csv", "--json", code=1)
    report = json.loads(done.stdout)
    assert report["added"] == 2 and report["rejected"] == 4
    rejects = [json.loads(line) for line in Path(report["rejects"]).read_text().splitlines()]
    assert [(line["row"], line["id"]) for line in rejects] == [(3, "2"), (4, "3"), (5, "1"), (6, "5")]
    assert all(line["reason"] and line["mend"] for line in rejects)
    again = json.loads(vitrine(tmp_path, "index", "products.csv", "--json", code=1).stdout)
    assert again["unchanged"] == 2 and again["added"] == 0


@pytest.mark.parametrize(
    ("arguments", "settings", "said"),
    [
        (["index", "nowhere.csv"], {}, "nowhere.csv"),
        (["search", "red"], {}, "vitrine index"),
        (["search", "red"], {"VITRINE_ENCODER": "ViT-B-23/laion2b"}, "ViT-B-23"),
        (["encoder", "info"], {"VITRINE_ENCODER": "local-dir:/no/such/folder"}, "/no/such/folder"),
        (["settings"], {"VITRINE_PORT": "eighty"}, "VITRINE_PORT"),
        (["evaluate", "--titles", "some"], {}, "none, half or all"),
    ],
)
def test_mistakes_end_in_a_sentence_not_a_traceback(
    tmp_path: Path, arguments: list[str], settings: dict[str, str], said: str
) -> None:
    done = vitrine(tmp_path, *arguments, code=2, **settings)
    assert said in done.stderr.replace("\n", " ") + done.stderr
    assert "Traceback" not in done.stderr


def test_settings_lists_every_variable_and_hides_keys(tmp_path: Path) -> None:
    from services.settings import Settings

    done = vitrine(tmp_path, "settings", "--json", QDRANT_API_KEY="secret-of-the-shop")
    listed: dict[str, Any] = json.loads(done.stdout)
    assert len(listed) == len(Settings.model_fields)
    assert "secret-of-the-shop" not in done.stdout
    assert listed["VITRINE_ENCODER"] == "vitrine-compact"


def test_encoder_info_tells_what_ships(tmp_path: Path) -> None:
    facts = json.loads(vitrine(tmp_path, "encoder", "info", "--json").stdout)
    assert facts["name"] == "vitrine-compact"
    assert facts["parameters"] <= 8_000_000 and 64 <= facts["image_size"] <= 128


@pytest.mark.skipif(not (PHOTOS / "products.csv").exists(), reason="needs the real clothing photos")
def test_real_photos_that_training_never_saw(tmp_path: Path) -> None:
    """Photos without titles: words and pictures have to meet in the shared space."""
    held_out = {photo for photo, split in fixed_splits().items() if split == "test"}
    rows = [row for row in read_rows(PHOTOS) if row["id"] in held_out]
    with (tmp_path / "photos.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["id", "image", "category"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    report = json.loads(vitrine(tmp_path, "index", "photos.csv", "--images", str(PHOTOS), "--json").stdout)
    assert report["added"] == len(rows)
    right = total = 0
    for words in ("dress", "pants", "t-shirt", "shoes"):
        hits = json.loads(vitrine(tmp_path, "search", words, "--json").stdout)["hits"]
        right += sum(hit["product"]["category"] == words for hit in hits)
        total += len(hits)
    # Chance would be about one in ten.
    assert right / total > 0.5
    shown = rows[0]["id"]
    hits = json.loads(
        vitrine(tmp_path, "search", "--image", str(PHOTOS / rows[0]["image"]), "--json").stdout
    )["hits"]
    assert hits[0]["id"] == shown and hits[0]["weights"][0]["similarity"] > 0.99
