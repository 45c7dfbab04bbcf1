"""The encoder is changed by one command while the service goes on answering, in processes of their own."""

from __future__ import annotations

import csv
import itertools
import json
import threading
import time
from pathlib import Path

import httpx
from PIL import Image

from tests.conftest import write_tiny_openclip
from tests.e2e.test_shop import serving, vitrine

COLOURS = ["red", "blue", "green", "black", "white", "yellow"]


def test_index_switch_beside_a_running_service(tmp_path: Path) -> None:
    tiny = {name: write_tiny_openclip(tmp_path / name, seed=seed) for seed, name in enumerate("ab")}
    first, second = (f"local-dir:{tiny[name]}" for name in "ab")
    with (tmp_path / "products.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "title", "image"])
        for number in range(60):
            colour = COLOURS[number % 6]
            Image.new("RGB", (40, 40), colour).save(tmp_path / f"{colour}.png")
            writer.writerow([f"p{number}", f"{colour} thing {number}", f"{colour}.png"])
    vitrine(tmp_path, "index", "products.csv", "--encoder", first)
    refused = vitrine(tmp_path, "index", "products.csv", "--encoder", second, code=2)
    assert f"--encoder {second} --switch" in refused.stderr.replace("\n", " ")

    with serving(tmp_path, "serve", "--port", "0", VITRINE_ENCODER=first) as (address, _):
        ended = threading.Event()
        answers: list[tuple[int, str]] = []

        def ask() -> None:
            with httpx.Client(timeout=60) as client:
                while not ended.is_set():
                    answer = client.get(f"{address}/search", params={"q": "red thing", "limit": 5})
                    hits = [(hit["id"], round(hit["score"], 4)) for hit in answer.json().get("hits", [])]
                    answers.append((answer.status_code, json.dumps(hits)))

        own = {"id": "own", "title": "over http"}
        assert httpx.put(f"{address}/products", json=own, timeout=60).status_code < 300
        client = threading.Thread(target=ask)
        client.start()
        try:
            done = vitrine(
                tmp_path, "index", "products.csv", "--encoder", second, "--switch", "--grace", "120", "--json"
            )
            told = json.loads(done.stdout)
            assert told["switched"] and told["report"]["added"] == 60
            until = time.monotonic() + 60
            while httpx.get(f"{address}/readyz", timeout=60).json()["encoder"] != second:
                assert time.monotonic() < until
                time.sleep(0.1)
            asked = len(answers)
            while len(answers) < asked + 5:
                time.sleep(0.05)
        finally:
            ended.set()
            client.join()
        assert {status for status, _ in answers} == {200}
        # One kind of answer before, one after, and none between or back again.
        kinds = [hits for _, hits in answers]
        changes = [pair for pair in itertools.pairwise(kinds) if pair[0] != pair[1]]
        assert len(changes) == 1
        assert httpx.get(f"{address}/products/own", timeout=60).json()["title"] == "over http"
        state = httpx.get(f"{address}/readyz", timeout=60).json()
        assert (state["products"], state["collection"]) == (61, "products")

    # Afterwards every command uses the new encoder, whatever the setting says.
    again = json.loads(vitrine(tmp_path, "index", "products.csv", "--json", VITRINE_ENCODER=first).stdout)
    assert again["unchanged"] == 60
    found = vitrine(tmp_path, "search", "over http", "--json", VITRINE_ENCODER=first)
    assert json.loads(found.stdout)["hits"][0]["product"]["id"] == "own"
    assert json.loads(vitrine(tmp_path, "encoder", "info", "--json").stdout)["name"] == second
    rows = json.loads(vitrine(tmp_path, "encoder", "list", "--json").stdout)
    assert not any(row["in_use"] for row in rows)

    # Back again from what is stored alone, and the room is given back.
    used = vitrine(tmp_path, "encoder", "use", first, "--keep-old", "--json")
    assert json.loads(used.stdout)["carried"] == 61
    tidied = json.loads(vitrine(tmp_path, "encoder", "tidy", "--json").stdout)
    assert len(tidied["removed"]) == 1 and tidied["serving"] not in tidied["removed"]
    assert json.loads(vitrine(tmp_path, "encoder", "info", "--json").stdout)["name"] == first
