"""Heat maps over the wire."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from searcher.answer import HeatMap


class HeatMapOut(BaseModel):
    """Where in a picture something of the query is seen."""

    part: int = Field(description="Index of the part.")
    words: str = Field(description="What is looked for: the text, a word of it, or empty for a picture.")
    of: Literal["product", "query"] = Field(
        description="Whose picture it lies over, the hit's or the part's."
    )
    rows: int
    columns: int
    values: list[list[float]] = Field(description="Rows of numbers from 0 (low) to 1 (high).")
    low: float = Field(description="Cosine that 0 stands for.")
    high: float = Field(description="Cosine that 1 stands for.")


def map_json(map: HeatMap) -> dict[str, Any]:
    """A heat map as JSON-ready dict of the form `HeatMapOut`."""
    rows, columns = map.grid.shape
    return {
        "part": map.part,
        "words": map.words,
        "of": map.of,
        "rows": rows,
        "columns": columns,
        "values": [[round(float(value), 3) for value in row] for row in map.grid],
        "low": round(map.low, 4),
        "high": round(map.high, 4),
    }
