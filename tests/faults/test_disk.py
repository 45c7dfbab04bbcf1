"""A full disk, a read-only one, damaged files: a clear error, and nothing overwritten.

Disks are tmpfs mounts in a mount namespace of the command's own, so that they are really full and really
read-only, for root as well.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from services.settings import Settings
from services.store.edge import EdgeStore
from tests.unit.catalogue.pictures import jpeg

COUNT = 30


def can_mount() -> bool:
    probe = "mount -t tmpfs -o size=1m tmpfs /mnt && umount /mnt"
    return shutil.which("unshare") is not None and not subprocess.call(
        ["unshare", "-m", "sh", "-c", probe], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


needs_mount = pytest.mark.skipif(not can_mount(), reason="needs the right to mount a tmpfs")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with a catalogue of COUNT products."""
    lines = ["id,title,image,price"]
    for number in range(COUNT):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg((40, 40), (number * 8, 90, 160)))
        lines.append(f"d{number},title {number},{number}.jpg,{number}")
    (tmp_path / "products.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def environment(data: Path, encoder: Path) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("VITRINE_", "QDRANT_"))}
    return own | {
        "VITRINE_DATA_DIR": str(data), "VITRINE_ENCODER": f"local-dir:{encoder}", "VITRINE_DEVICE": "cpu",
        "OMP_NUM_THREADS": "1", "COLUMNS": "300",
    }  # fmt: skip


def index(shop: Path) -> str:
    return f"{sys.executable} -m vitrine.cli index {shop / 'products.csv'} --json"


def in_namespace(script: str, **how: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=250, **how
    )  # type: ignore[call-overload,no-any-return]


def contents(data: Path) -> dict[str, object]:
    store = EdgeStore(Settings(_env_file=None, data_dir=data))
    meta = store.meta()
    assert meta is not None
    store.open(meta)
    points, _ = store.scroll(limit=1000)
    store.close()
    return {point.id: point.payload["title"] for point in points}


@needs_mount
@pytest.mark.timeout(280)
def test_a_full_disk_is_said_and_once_there_is_room_the_same_command_goes_on(
    shop: Path, tiny_openclip_dir: Path
) -> None:
    data = shop / "data"
    data.mkdir()
    # Full from the start; then with room for the collection but, after a first run, for no more.
    script = f"""
        mount -t tmpfs -o size=400m tmpfs {data}
        head -c 399m /dev/zero > {data}/filler 2>/dev/null
        {index(shop)} > full.json 2> full.txt; echo $? > full.code
        rm {data}/filler
        {index(shop)} > room.json 2> room.txt; echo $? > room.code
        cp -r {data} after
    """
    done = in_namespace(script, cwd=shop, env=environment(data, tiny_openclip_dir))
    assert done.returncode == 0, done.stderr
    said = (shop / "full.txt").read_text()
    assert (shop / "full.code").read_text().strip() == "2", said
    assert "Traceback" not in said and "Disk full" in said and str(data) in said
    assert (shop / "room.code").read_text().strip() == "0", (shop / "room.txt").read_text()
    report = json.loads((shop / "room.json").read_text())
    assert report["added"] + report["unchanged"] == COUNT
    assert contents(shop / "after") == {f"d{n}": f"title {n}" for n in range(COUNT)}


@needs_mount
@pytest.mark.timeout(280)
def test_a_read_only_disk_is_said_and_what_is_on_it_stays(shop: Path, tiny_openclip_dir: Path) -> None:
    data = shop / "data"
    data.mkdir()
    changed = "sed -i 's/title 3,/new title,/' products.csv"
    script = f"""
        mount -t tmpfs -o size=400m tmpfs {data}
        {index(shop)} > first.json || exit 9
        mount -o remount,ro {data}
        {changed}
        {index(shop)} > ro.json 2> ro.txt; echo $? > ro.code
        mount -o remount,rw {data}
        cp -r {data} after
        {index(shop)} > again.json 2> again.txt; echo $? > again.code
    """
    done = in_namespace(script, cwd=shop, env=environment(data, tiny_openclip_dir))
    assert done.returncode == 0, done.stderr
    said = (shop / "ro.txt").read_text()
    assert (shop / "ro.code").read_text().strip() == "2", said
    assert "Traceback" not in said and str(data) in said and "ead-only" in said
    assert contents(shop / "after")["d3"] == "title 3"
    assert json.loads((shop / "again.json").read_text())["updated"] == 1


@pytest.mark.parametrize("damage", ["cut", "noise", "gone"])
def test_damaged_files_are_named_and_left_as_they_are(shop: Path, tiny_encoder, damage: str) -> None:
    from indexer.worker import index_catalogue

    settings = Settings(_env_file=None, data_dir=shop / "data")
    store = EdgeStore(settings)
    index_catalogue(shop / "products.csv", settings, tiny_encoder, store)
    store.optimize()
    store.close()
    segments = sorted((settings.data_dir / settings.collection / "store" / "shard" / "segments").iterdir())
    assert segments
    for segment in segments:
        for file in sorted(path for path in segment.rglob("*") if path.is_file() and path.stat().st_size):
            if damage == "cut":
                file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
            elif damage == "noise":
                file.write_bytes(os.urandom(min(file.stat().st_size, 4096)))
        if damage == "gone":
            shutil.rmtree(segment)
    left = {path: path.read_bytes() for path in settings.data_dir.rglob("segments/**/*") if path.is_file()}
    # A process of its own, because the engine may abort on files it cannot make sense of.
    command = [sys.executable, "-m", "vitrine.cli", "search", "title 3"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=200,
        env=environment(settings.data_dir, Path(tiny_encoder.name.removeprefix("local-dir:"))),
    )  # fmt: skip
    assert done.returncode not in (0, 1), done.stdout + done.stderr
    assert "restore" in done.stderr.lower() and str(settings.data_dir) in done.stderr, done.stderr
    assert {path: path.read_bytes() for path in left if path.exists()} == left
