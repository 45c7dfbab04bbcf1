"""`vitrine compare` on a drawn catalogue: figures by hand, failures as rows, resuming, a safe report."""

import csv
import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from services.catalogue.product import Product
from services.catalogue.readers import open_catalogue
from services.encoder.fit import Plan, train
from services.encoder.registry import load_encoder
from services.errors import InvalidInput
from services.settings import Settings
from vitrine.cli import app
from vitrine.compare import ladder, report
from vitrine.compare.backgrounds import elsewhere, mask_of
from vitrine.compare.command import run, tables
from vitrine.compare.measure import CHANGES, Figures, askable, measure, shown
from vitrine.compare.split import Item, Split, pairs, split_catalogue

COLOURS = ("red", "green", "blue", "gold")
CONSOLE = Console(quiet=True)


def picture(label: str, number: int) -> Image.Image:
    """A square of the label's colour somewhere on grey, no two alike."""
    rng = np.random.default_rng([COLOURS.index(label), number])
    image = Image.new("RGB", (96, 96), tuple(int(v) for v in rng.integers(90, 140, 3)))
    left, top, side = (int(v) for v in (*rng.integers(8, 30, 2), rng.integers(34, 56)))
    image.paste(Image.new("RGB", (side, side), label), (left, top))
    return image


def items(count: int, first: int = 0) -> list[Item]:
    found = []
    for number in range(first, first + count):
        label = COLOURS[number % len(COLOURS)]
        product = Product(id=f"p{number}", title="", category=label, image="-")
        found.append(Item(product, label, picture(label, number)))
    return found


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> Settings:
    return Settings(_env_file=None, data_dir=tmp_path_factory.mktemp("data"), device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def compact(settings):
    return load_encoder(settings)


def test_figures_are_those_of_exact_search_by_hand(settings, compact):
    test = [
        *items(24),
        Item(Product(id="alone", title="", category="odd", image="-"), "odd", picture("red", 99)),
    ]
    figures = Figures("compact", "f", "w", "p")
    measure(figures, compact, test, settings, CONSOLE)
    vectors = compact.encode_images([item.picture for item in test])
    scores = vectors @ vectors.T
    expected, first = [], []
    for row, item in enumerate(test):
        if item.label == "odd":  # nothing shares its label, so it only is among the answers
            continue
        order = [other for other in np.argsort(-scores[row]) if other != row]
        right = np.array([test[other].label == item.label for other in order])
        expected.append((np.cumsum(right) / np.arange(1, len(right) + 1))[right].mean())
        first.append(float(right[0]))
    assert len(askable(test)) == 24
    np.testing.assert_allclose(figures.values["mAP"], expected, atol=1e-3)
    np.testing.assert_allclose(figures.values["recall@1"], first)
    assert figures.spread[0] <= figures.mean("mAP") <= figures.spread[1]
    assert figures.bytes == 4 * compact.dim and figures.milliseconds > 0
    assert figures.unchanged == pytest.approx(figures.mean("mAP"))
    assert set(CHANGES) <= set(figures.changed)
    for item in shown(test):
        assert figures.answers[item.product.id][0] != item.product.id
        assert len(figures.answers[item.product.id]) == 5


def test_changes_change_what_they_are_named_for():
    image = picture("red", 1)
    clean = np.asarray(image, dtype=float)
    changed = {name: np.asarray(change(image), dtype=float) for name, change in CHANGES.items()}
    assert changed["dark (x 0.5)"].mean() == pytest.approx(clean.mean() / 2, rel=0.02)
    assert changed["bright (x 1.5)"].mean() > clean.mean() * 1.2
    np.testing.assert_array_equal(changed["turned by 90°"], np.rot90(clean))
    assert np.abs(np.diff(changed["blurred"], axis=1)).max() < np.abs(np.diff(clean, axis=1)).max()
    assert all(pixels.shape == clean.shape for pixels in changed.values())


def test_products_are_cut_out_and_put_on_other_backgrounds():
    pytest.importorskip("cv2")
    images = [picture(label, number) for number, label in enumerate(COLOURS)]
    mask = mask_of(images[0])
    assert mask is not None and 0.1 < (mask == 255).mean() < 0.6
    assert mask_of(Image.new("RGB", (90, 90), "grey")) is None
    moved = elsewhere(images)
    assert len(moved) == 4
    for row, image in moved.items():
        before = np.asarray(images[row], dtype=float)
        own = np.asarray(Image.fromarray(mask_of(images[row])).resize(image.size)) > 127
        gap = np.abs(np.asarray(image, dtype=float) - before).mean(axis=2)
        assert np.median(gap[own]) < 2 < np.median(gap[~own])


def write(folder: Path, count: int, **extra: str) -> Path:
    with (folder / "products.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["id", "category", "image", *extra])
        for number in range(count):
            label = COLOURS[number % len(COLOURS)]
            picture(label, number).save(folder / f"{number}.png")
            out.writerow([f"p{number}", label, f"{number}.png", *extra.values()])
    return folder / "products.csv"


def test_a_catalogue_is_divided_the_same_way_every_time_with_near_duplicates_on_one_side(tmp_path, settings):
    path = write(tmp_path, 60)
    # Every product once more, under another id, in the same picture.
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, *(line.replace("p", "copy", 1) for line in lines[1:])]) + "\n")
    one, two = (split_catalogue(open_catalogue(path), settings, "category", 1000, CONSOLE) for _ in range(2))
    assert [item.product.id for item in one.test] == [item.product.id for item in two.test]
    assert one.fingerprint == two.fingerprint and "by id" in one.by
    assert len(one.train) + len(one.test) == 120 and 8 <= len(one.test) <= 50
    held = {item.product.id for item in one.test}
    assert all((f"copy{one_id[1:]}" in held) for one_id in held if one_id.startswith("p"))


def test_products_beyond_the_most_are_not_said_to_lack_label_or_picture(tmp_path, settings):
    path = write(tmp_path, 60)
    text = path.read_text().replace("p7,gold,", "p7,,")
    path.write_text(text)
    split = split_catalogue(open_catalogue(path), settings, "category", 45, CONSOLE)
    assert len(split.train) + len(split.test) == 45
    assert (split.unused, split.beyond) == (1, 14)
    page = report.html([], split, "category", "By hand.")
    assert "14 more" in page and "1 products have no category" in page


def test_a_part_of_a_catalogue_is_divided_as_the_whole_is(tmp_path, settings):
    path = write(tmp_path, 240)
    split = split_catalogue(open_catalogue(path), settings, "category", 80, CONSOLE)
    assert len(split.train) + len(split.test) == 80
    assert 0.08 < len(split.test) / 80 < 0.35


def test_a_field_split_says_what_is_searched(tmp_path, settings):
    path = write(tmp_path, 40)
    rows = list(csv.reader(path.open()))
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow([*rows[0], "split"])
        out.writerows([*row, "test" if number < 12 else "train"] for number, row in enumerate(rows[1:]))
    split = split_catalogue(open_catalogue(path), settings, "category", 1000, CONSOLE)
    assert sorted(item.product.id for item in split.test) == sorted(f"p{n}" for n in range(12))
    with pytest.raises(InvalidInput, match="too few") as caught:
        split_catalogue(open_catalogue(path), settings, "brand", 1000, CONSOLE)
    assert caught.value.field == "label"


def test_one_that_fails_is_a_row_with_its_reason_and_what_is_done_is_not_done_again(tmp_path, settings):
    split = Split(items(120, 100), items(16), 2, "somehow")
    methods = [
        *ladder.chosen(["hog", "hog-mahalanobis"]),
        ladder.Method("<b>gone</b>", "other", "w", "p", encoder="local-dir:/no/such/folder"),
    ]
    found = run(methods, split, "category", 0.05, tmp_path, settings, CONSOLE)
    assert [one.name for one in found] == ["hog", "hog-mahalanobis", "<b>gone</b>"]
    assert "does not exist" in found[2].error and not found[0].error
    assert found[1].minutes > 0 and found[1].measure == "euclid"
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "methods").iterdir()}
    assert len(files) == 2
    again = run(methods, split, "category", 0.05, tmp_path, settings, CONSOLE)
    assert {path: path.stat().st_mtime_ns for path in files} == files
    assert again[:2] == found[:2]
    # Another catalogue is another comparison.
    other = Split(items(120, 100), items(20), 2, "somehow")
    assert len(run(methods[:1], other, "category", 0.05, tmp_path, settings, CONSOLE)[0].values["mAP"]) == 20

    page = report.html(found, split, "<script>label", "Made by hand.")
    assert "<b>gone" not in page and "&lt;b&gt;gone" in page and "<script" not in page
    assert not re.search(r"""(src|href)=["'](?!data:)""", page) and "@import" not in page
    assert page.count('class="tile') == 2 * 5 * 4 + 2 * 5
    text = report.markdown(found, split, "category")
    assert text.count("\n| hand-made | hog |") == 1 and "<b>gone</b>: " in text


def test_the_command_compares_and_says_where_the_report_is(tmp_path, monkeypatch):
    monkeypatch.setenv("VITRINE_DATA_DIR", str(tmp_path / "data"))
    path = write(tmp_path, 60)
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["compare", str(path), "--out", str(out), "--method", "hog", "--json"])
    assert done.exit_code == 0, done.output
    rows = json.loads((out / "results.json").read_text())
    assert [row["name"] for row in rows] == ["hog"] and rows[0]["values"]["mAP"]
    assert (out / "report.html").read_text().startswith("<!doctype html>")
    with pytest.raises(InvalidInput, match="no method"):
        ladder.chosen(["nonsense"])


def test_what_is_left_on_a_new_background_is_measured_against_the_same_photos(settings):
    pytest.importorskip("cv2")
    # Photos of one colour cannot be cut out: they count under the other changes alone.
    flat = [
        Item(
            Product(id=f"flat{number}", title="", category="red", image="-"),
            "red",
            Image.new("RGB", (96, 96), "red"),
        )
        for number in range(3)
    ]
    test = [*items(8), *flat]
    figures = Figures("hog", "f", "w", "p")
    measure(figures, load_encoder(settings.model_copy(update={"encoder": "hog"})), test, settings, CONSOLE)
    cut = [row for row, item in enumerate(test) if mask_of(item.picture) is not None]
    assert 2 <= len(cut) <= 8 and figures.changed_of["new background"] == len(cut)
    before = np.mean([figures.values["mAP"][row] for row in cut])
    assert figures.before["new background"] == pytest.approx(before)
    assert figures.before["new background"] != pytest.approx(figures.unchanged)
    assert figures.left("new background") == pytest.approx(figures.changed["new background"] / before)
    assert figures.left("no such change") is None
    assert f"the {len(cut)} of 11 photos" in report.background_note([figures])


def test_on_a_new_background_the_product_keeps_size_and_pixels():
    pytest.importorskip("cv2")
    images = [picture(label, number).resize((240, 150)) for number, label in enumerate(COLOURS)]
    for row, image in elsewhere(images).items():
        assert image.size == (240, 150)
        own = (
            np.asarray(Image.fromarray(mask_of(images[row])).resize(image.size, Image.Resampling.NEAREST))
            == 255
        )
        gap = np.abs(np.asarray(image, dtype=float) - np.asarray(images[row], dtype=float)).mean(axis=2)
        assert np.median(gap[own]) == 0


def test_a_run_stopped_between_training_and_measuring_does_not_train_again(tmp_path, settings, monkeypatch):
    split = Split(items(60, 100), items(8), 0, "somehow")
    methods = ladder.chosen(["hog-mahalanobis"])

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("vitrine.compare.measure.measure", stop)
        with pytest.raises(KeyboardInterrupt):
            run(methods, split, "category", 0.02, tmp_path, settings, CONSOLE)
    (model,) = (tmp_path / "models").rglob("model.safetensors")
    written = model.stat().st_mtime_ns
    (one,) = run(methods, split, "category", 0.02, tmp_path, settings, CONSOLE)
    assert not one.error and one.minutes > 0
    assert model.stat().st_mtime_ns == written


def test_another_model_under_the_same_name_is_measured_anew(tmp_path, settings):
    def fit(dim: int) -> None:
        shutil.rmtree(tmp_path / "mine", ignore_errors=True)
        plan = Plan(method="measure", start="hog", steps=2, dim=dim)
        train(pairs(items(60, 100)), plan, tmp_path / "mine", settings=settings)

    split = Split(items(60, 100), items(8), 0, "somehow")
    methods = ladder.chosen([], [f"local-dir:{tmp_path / 'mine'}"])
    fit(8)
    run(methods, split, "category", 1, tmp_path / "out", settings, CONSOLE)
    fit(6)
    run(methods, split, "category", 1, tmp_path / "out", settings, CONSOLE)
    assert len(list((tmp_path / "out" / "methods").iterdir())) == 2


def test_an_error_that_nobody_foresaw_is_a_row_as_well(tmp_path, settings, monkeypatch):
    def fail(*_: object) -> None:
        raise RuntimeError("no\nmemory [bold]left")

    monkeypatch.setattr("vitrine.compare.measure.milliseconds", fail)
    split = Split(items(60, 100), items(8), 0, "somehow")
    (one,) = run(ladder.chosen(["hog"]), split, "category", 1, tmp_path, settings, CONSOLE)
    assert one.error == "It ended unexpectedly (RuntimeError: no memory [bold]left)."
    console = Console(width=120, record=True, quiet=False, file=io.StringIO())
    for table in tables([one]):
        console.print(table)
    assert "no memory [bold]left" in console.export_text()


def test_where_keeps_products_and_measure_is_the_collections(tmp_path, settings, compact):
    path = write(tmp_path, 60, kind="new")
    text = path.read_text().splitlines()
    path.write_text(
        "\n".join([text[0], *text[1:41], *(line.replace("new", "old") for line in text[41:])]) + "\n"
    )
    catalogue = open_catalogue(path)
    split = split_catalogue(catalogue, settings, "category", 1000, CONSOLE, where={"kind": "new"})
    assert len(split.train) + len(split.test) == 40
    figures = Figures("compact", "f", "w", "p")
    by_distance = settings.model_copy(update={"measure": "euclid"})
    measure(figures, compact, items(8), by_distance, CONSOLE)
    assert figures.measure == "euclid"
    unknown = CliRunner().invoke(
        app, ["compare", str(path), "--measure", "taxi", "--out", str(tmp_path / "o")]
    )
    assert isinstance(unknown.exception, InvalidInput) and unknown.exception.field == "measure"


def test_no_number_is_broken_in_a_terminal_of_80_columns():
    values = {"mAP": [0.5, 0.625], **{f"recall@{k}": [0.0, 1.0] for k in (1, 5, 10)}}
    names = [*CHANGES, "new background"]
    one = Figures(
        "compact-mahalanobis", "f", "w", "p", values=values, minutes=12.5, milliseconds=116.6, bytes=12_004
    )
    one.changed, one.before = dict.fromkeys(names, 0.3), dict.fromkeys(names, 0.4)
    console = Console(width=80, file=io.StringIO(), record=True)
    for table in tables([one]):
        console.print(table)
    rows = [line.split() for line in console.export_text().splitlines() if "compact-mahalanobis" in line]
    assert rows[0][1:] == ["0.562", "0.50-0.62", "0.500", "0.500", "0.500", "12.5", "116.6", "12,004"]
    assert rows[1][1:] == ["0.75"] * 7
