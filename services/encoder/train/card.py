# ruff: noqa: E501 - the card's own lines
"""The model card beside the weights, written from the record of the training run.

What was tried by hand is kept in `tried.md` beside this file and goes into the card as it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from services.encoder.train.colours import COLOURS
from services.encoder.train.titles import CATEGORY_NAMES, MATERIAL_NAMES, PATTERN_NAMES

#: One line for each thing that was tried, with its figure.
TRIED = Path(__file__).with_name("tried.md")

_INTRODUCTION = """# Model card: vitrine-compact

The encoder that ships with Vitrine: a dual encoder (CLIP) in the format of open_clip, small enough for any
laptop, for titles and queries in English and Chinese. It is the default so that everything works with no download;
for broad, everyday vocabulary set a larger encoder (see the README).
"""

_LIMITS = """Knows the categories and words it was trained on ({categories} categories, {colours} colours, {patterns} patterns, {materials} materials); other
words (brands, occasions, fit) carry no meaning to it. All but the ten classes of clothing it knows from drawings
alone, so photos of a mug or a chair are further from what it has seen than the figures on rendered products say.
Titles of the real photos are made from their class and from what is measured in them, so a wrong label, a misread
colour or a misread pattern is in the figures too (`services/encoder/train/splits/README.md` says how often)."""


def write_card(record: Mapping[str, Any], path: Path, *, tried: Path = TRIED) -> None:
    """Write the card of a run; `record` is what `training.json` holds. Parts it lacks are left out.

    `record["bars"]` are rows (bar, figure, target), `record["robustness"]` rows (change, recall@10, mAP).
    """
    sections = {
        "Data": _data(record),
        "Training": _training(record),
        "What was tried": tried.read_text(encoding="utf-8").strip() if tried.exists() else "",
        "Bars": _bars(record),
        "Robustness": _robustness(record),
        "Course": _courses(record),
        "Limits": _LIMITS.format(
            categories=len(CATEGORY_NAMES),
            colours=len(COLOURS),
            patterns=len(PATTERN_NAMES),
            materials=len(MATERIAL_NAMES),
        ),
    }
    parts = [_INTRODUCTION, *(f"## {name}\n{text}\n" for name, text in sections.items() if text)]
    path.write_text("\n".join(parts), encoding="utf-8")


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; figures to the right."""
    lines = [f"| {' | '.join(header)} |", "|---|" + "---:|" * (len(header) - 1)]
    return "\n".join(lines + [f"| {' | '.join(str(cell) for cell in row)} |" for row in rows])


def _data(record: Mapping[str, Any]) -> str:
    lines = []
    if drawn := record.get("rendered"):
        lines.append(
            f"- Rendered products: {drawn['products']} products of {len(CATEGORY_NAMES)} categories with {drawn['views']} views each, drawn by\n"
            f"  `services/encoder/train/render.py` in {len(COLOURS)} named colours, {len(PATTERN_NAMES)} patterns and {len(MATERIAL_NAMES)} materials, with varied shape, light,\n"
            "  angle, crop, shadow and background; titles, three in ten of them Chinese, by `services/encoder/train/titles.py`."
        )
    if photos := record.get("photos"):
        lines.append(
            f"- Real photos: {photos['train']} to train, {photos['validation']} to validate, {photos['test']} held out, of the\n"
            "  public Clothing dataset (small), CC0 1.0, 10 classes; titles made from the class and from the colours and\n"
            "  pattern measured in the picture."
        )
    else:
        lines.append("- No real photos.")
    lines.append(
        "- Products (not pictures) are split. Near-duplicates of a photo fall on one side. The ids in\n"
        "  `services/encoder/train/splits/test.txt` are never trained on and no choice is made by them."
    )
    return "\n".join(lines)


def _training(record: Mapping[str, Any]) -> str:
    recipe = record.get("recipe") or {}
    where = [
        f"{record['minutes']} minutes" if "minutes" in record else "",
        f"on {record['device']}" if "device" in record else "",
        f"with torch {record['torch']}" if "torch" in record else "",
        f"and open_clip {record['open_clip']}" if "open_clip" in record else "",
    ]
    rows = [(name.replace("_", " "), value) for name, value in recipe.items()]
    if "parameters" in record:
        rows.append(("parameters", f"{record['parameters'] / 1e6:.2f} M"))
    if "bytes" in record:
        rows.append(("weights", f"{record['bytes'] / 1e6:.1f} MB, fp16 safetensors"))
    for before in reversed(record.get("before") or []):
        where.append(
            f"(--start), after {before['minutes']} minutes of an earlier run on {before['rendered']['products']} rendered products, "
            f"whose pictures grew through {_steps(before['recipe']['sizes'])}"
        )
    paragraphs = [
        "`python -m services.encoder.train` trains, measures, and writes this card. " + " ".join(filter(None, where)).strip()
        + ". The averaged (EMA) weights of the last step are kept, not the best of the course.",
        str(record.get("notes") or ""),
        table(("setting", "value"), rows) if rows else "",
    ]  # fmt: skip
    return "\n\n".join(filter(None, paragraphs))


def _steps(sizes: Sequence[Sequence[float]]) -> str:
    return ", ".join(f"{int(size)} px" for _, size in sizes)


def _bars(record: Mapping[str, Any]) -> str:
    """What `python -m services.encoder.train.bars` prints, and the figures of the run's own measurement."""
    parts = []
    if rows := record.get("bars"):
        parts.append(
            "On test photos and rendered products that training never saw; `python -m services.encoder.train.bars` prints\n"
            "the same with what each figure was measured on.\n\n" + table(("bar", "figure", "target"), rows)
        )
    if test := record.get("test"):
        names = dict.fromkeys(name.split(".", 1)[1] for name in test)
        kinds = [kind for kind in ("photos", "rendered") if any(name.startswith(f"{kind}.") for name in test)]
        parts.append(
            'Measured by the training run itself. Recall and hits are over all distinct titles "colour (pattern) category".\n\n'
            + table(
                ("figure", *kinds),
                [(name, *(test.get(f"{kind}.{name}", "-") for kind in kinds)) for name in names],
            )
        )
    return "\n\n".join(parts)


def _robustness(record: Mapping[str, Any]) -> str:
    rows = record.get("robustness")
    if not rows:
        return ""
    return (
        "Test photos changed, as `python -m services.encoder.train.robustness` prints it. Recall@10 has every photo searched\n"
        "changed; mAP searches the clean photos with the changed ones.\n\n"
        + table(("photos", "text->image recall@10", "image->image class mAP"), rows)
    )


def _courses(record: Mapping[str, Any]) -> str:
    """The course of this run, and before it those of the runs it went on from."""
    parts = []
    for before in record.get("before") or []:
        parts += [f"A run of {before['minutes']} minutes:", _course(before.get("log") or [])]
    if parts:
        parts.append("The run that went on from there:")
    return "\n\n".join(filter(None, [*parts, _course(record.get("log") or [])]))


def _course(log: Sequence[Mapping[str, Any]]) -> str:
    """Validation figures over the steps, of the columns that the log has."""
    columns = {
        "step": "step",
        "loss": "loss",
        "photos.zero_shot_accuracy": "photos: accuracy",
        "photos.text_image_recall@10": "photos: recall@10",
        "photos.class_precision@10": "photos: class precision@10",
        "photos.image_image_class_map": "photos: class mAP",
        "rendered.text_image_recall@10": "rendered: recall@10",
    }
    shown = [name for name in columns if any(name in line for line in log)]
    if not shown:
        return ""
    rows = [[line.get(name, "-") for name in shown] for line in log]
    return "Measured on validation photos and products.\n\n" + table([columns[name] for name in shown], rows)
