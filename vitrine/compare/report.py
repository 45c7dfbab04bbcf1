"""One page of HTML with everything in it: tables, plots, and the same queries answered by each method."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import jinja2
from PIL import Image

from vitrine.compare.measure import BACKGROUND, CHANGES, Figures, shown
from vitrine.compare.split import Item, Split

#: Side in pixels of the pictures of the report.
_SIDE = 112
_COLOURS = {
    "hand-made": "#8a8f98", "network, classes": "#d08a2e", "metric learning": "#2e7fb8",
    "with attention": "#7a4fb0", "shared space": "#1f8a5b",
}  # fmt: skip
_OTHER = "#b03a5b"

COLUMNS = ("method", "mAP", "95 %", "R@1", "R@5", "R@10", "training min", "ms a picture", "bytes a product")


def cells(figures: Figures) -> list[str]:
    """A method's row under `COLUMNS`."""
    if figures.error:
        return [figures.name, *[""] * (len(COLUMNS) - 1)]
    low, high = figures.spread
    return [
        figures.name,
        f"{figures.mean('mAP'):.3f}",
        f"{low:.2f}-{high:.2f}",
        *(f"{figures.mean(f'recall@{k}'):.3f}" for k in (1, 5, 10)),
        f"{figures.minutes:.1f}" if figures.minutes else "none",
        f"{figures.milliseconds:.1f}",
        f"{figures.bytes:,}",
    ]


def robustness_cells(figures: Figures) -> list[str]:
    """mAP of the changed photos as a share of theirs without, under each of `changes`."""
    shares = [figures.left(name) for name in changes()]
    return ["" if share is None else f"{share:.2f}" for share in shares]


def background_note(done: Sequence[Figures]) -> str:
    """How many photos were put on a new background, in a sentence."""
    if not done:
        return ""
    most = max(max(one.changed_of.values(), default=0) for one in done)
    count = max(one.changed_of.get(BACKGROUND, 0) for one in done)
    if not count:
        return "No photo's product could be cut out, so there is no figure for a new background."
    return f"On a new background: the {count} of {most} photos whose product could be cut out."


def changes() -> list[str]:
    return [*CHANGES, BACKGROUND]


def markdown(all_figures: Sequence[Figures], split: Split, label: str) -> str:
    """Both tables, for a text file."""
    done = [one for one in all_figures if not one.error]
    lines = [
        f"{len(split.test)} photos search each other by {label}; {len(split.train)} others to train on "
        f"(divided {split.by}).\n",
        f"| {' | '.join(('family', *COLUMNS, 'measure'))} |",
        "|---|---|" + "---:|" * (len(COLUMNS) - 1) + "---|",
    ]
    lines += [f"| {one.family} | {' | '.join(_plain(cells(one)))} | {one.measure} |" for one in done]
    note = background_note(done)
    lines += [f"\nWhat is left of the mAP when the photo that is searched with is changed. {note}\n"]
    lines += [f"| method | {' | '.join(changes())} |", "|---|" + "---:|" * len(changes())]
    lines += [f"| {' | '.join(_plain([one.name, *robustness_cells(one)]))} |" for one in done]
    if failed := [one for one in all_figures if one.error]:
        lines += ["\nNot measured:\n", *(f"- {one.name}: {one.error}" for one in failed)]
    return "\n".join(lines)


def _plain(texts: Sequence[str]) -> list[str]:
    """Texts as cells of a Markdown table."""
    return [text.replace("|", "\\|").replace("\n", " ") for text in texts]


def html(all_figures: Sequence[Figures], split: Split, label: str, settings: str) -> str:
    """The page. `settings` says how it was made."""
    done = [one for one in all_figures if not one.error]
    by_id = {item.product.id: item for item in split.test}
    template = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        (files("vitrine.compare") / "report.html").read_text(encoding="utf-8")
    )
    queries = shown(split.test)
    pictures = _Pictures(by_id)
    answered = [
        {
            "query": _tile(query, query, pictures),
            "rows": [
                {
                    "name": one.name,
                    "hits": [
                        _tile(by_id[hit], query, pictures)
                        for hit in one.answers.get(query.product.id, ())
                        if hit in by_id
                    ],
                }
                for one in done
            ],
        }
        for query in queries
    ]
    best = {
        k: max((one.mean(k) for one in done), default=0) for k in ("mAP", "recall@1", "recall@5", "recall@10")
    }
    return template.render(
        label=label,
        columns=COLUMNS,
        rows=[
            {
                "colour": _COLOURS.get(one.family, _OTHER),
                "family": one.family,
                "what": one.what,
                "paper": one.paper,
                "measure": one.measure,
                "error": one.error,
                "cells": cells(one),
                "best": [
                    bool(not one.error and name in best and round(one.mean(name), 3) == round(best[name], 3))
                    for name in ("", "mAP", "", "recall@1", "recall@5", "recall@10", "", "", "")
                ],
                "bar": 0 if one.error else round(100 * one.mean("mAP")),
                "robust": [] if one.error else robustness_cells(one),
            }
            for one in all_figures
        ],
        changes=changes(),
        note=background_note(done),
        plots=plots(done),
        answered=answered,
        test=len(split.test),
        train=len(split.train),
        unused=split.unused,
        beyond=split.beyond,
        by=split.by,
        settings=settings,
        families={one.family: _COLOURS.get(one.family, _OTHER) for one in all_figures},
    )


class _Pictures:
    """Pictures as data URIs, each made once."""

    def __init__(self, by_id: dict[str, Item]) -> None:
        self._by_id, self._made = by_id, dict[str, str]()

    def of(self, product: str) -> str:
        if product not in self._made:
            picture = self._by_id[product].picture.convert("RGB")
            side = min(picture.size)
            left, top = (picture.width - side) // 2, (picture.height - side) // 2
            picture = picture.crop((left, top, left + side, top + side)).resize((_SIDE, _SIDE))
            self._made[product] = _uri(picture)
        return self._made[product]


def _tile(item: Item, query: Item, pictures: _Pictures) -> dict[str, Any]:
    return {"src": pictures.of(item.product.id), "label": item.label, "right": item.label == query.label}


def _uri(picture: Image.Image) -> str:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"


def plots(done: Sequence[Figures]) -> list[tuple[str, str]]:
    """(caption, SVG as a data URI) of each plot."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    style: Any = {
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "svg.fonttype": "path",
    }
    made: list[tuple[str, str]] = []

    def keep(figure: Any, caption: str) -> None:
        stream = io.BytesIO()
        figure.savefig(stream, format="svg")
        pyplot.close(figure)
        made.append((caption, f"data:image/svg+xml;base64,{base64.b64encode(stream.getvalue()).decode()}"))

    if not done:
        return made
    with pyplot.rc_context(style):
        figure, axis = pyplot.subplots(figsize=(7, 0.9 + 0.32 * len(done)), layout="constrained")
        for row, one in enumerate(reversed(done)):
            low, high = one.spread
            value = one.mean("mAP")
            axis.barh(row, value, color=_COLOURS.get(one.family, _OTHER), height=0.7)
            axis.errorbar(value, row, xerr=[[value - low], [high - value]], color="#333", capsize=2, lw=1)
        axis.set_yticks(range(len(done)), [one.name for one in reversed(done)])
        axis.set(xlabel="mAP, with its 95 % interval", xlim=(0, 1))
        keep(figure, "How well photos find photos")

        figure, axis = pyplot.subplots(figsize=(7, 4.2), layout="constrained")
        for one in done:
            axis.scatter(one.milliseconds, one.mean("mAP"), color=_COLOURS.get(one.family, _OTHER), s=46)
            axis.annotate(
                one.name,
                (one.milliseconds, one.mean("mAP")),
                xytext=(5, 3),
                textcoords="offset points",
                fontsize=8,
            )
        axis.set(xlabel="milliseconds a picture, one core", ylabel="mAP", xscale="log")
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_formatter("{x:g}")
        axis.grid(alpha=0.25)
        keep(figure, "What it costs")

        names = changes()
        figure, axis = pyplot.subplots(figsize=(7, 4.2), layout="constrained")
        for one in done:
            values = [one.changed.get(name, float("nan")) for name in names]
            axis.plot(
                [one.unchanged, *values],
                "o-",
                ms=3,
                lw=1.2,
                color=_COLOURS.get(one.family, _OTHER),
                alpha=0.75,
            )
        axis.set_xticks(range(len(names) + 1), ["as it is", *names], rotation=30, ha="right")
        axis.set(ylabel="mAP")
        axis.grid(alpha=0.25)
        keep(figure, "What is left of it when the photo is changed, one line a method")
    return made
