"""The service a team writes in an afternoon, the baseline of `serving`: encode, ask Qdrant once, answer.

    python -m benchmarks.homegrown DATA_DIR PORT

Same encoder, same engine, same payloads as ours; no candidates from other fields, no attention, no weights,
no filters, no limits, no cache, no batches.
"""

from __future__ import annotations

import base64
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI
from PIL import Image

from services.encoder.registry import load_encoder
from services.settings import Settings
from services.store.factory import open_store


def main() -> None:
    settings = Settings(data_dir=Path(sys.argv[1]), qdrant_url=None)
    encoder, store = load_encoder(settings), open_store(settings)
    meta = store.meta()
    assert meta is not None, "index first"
    store.open(meta)
    app = FastAPI()

    @app.post("/search")
    def search(query: dict[str, Any]) -> dict[str, Any]:
        vectors = []
        if "text" in query:
            vectors.append(encoder.encode_texts([query["text"]])[0])
        if "image" in query:
            picture = Image.open(io.BytesIO(base64.b64decode(query["image"]))).convert("RGB")
            vectors.append(encoder.encode_images([picture])[0])
        mean = np.mean(vectors, axis=0)
        hits = store.search("image", mean / np.linalg.norm(mean), query["limit"])
        products = {point.id: point.payload for point in store.fetch([hit.id for hit in hits])}
        return {"hits": [{"product": products[hit.id], "score": hit.score} for hit in hits]}

    uvicorn.run(app, port=int(sys.argv[2]), log_level="error", timeout_keep_alive=75)


if __name__ == "__main__":
    main()
