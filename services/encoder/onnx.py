"""An exported tower in ONNX Runtime: numpy in, numpy out, and no torch to wait for.

Exporting is `services.encoder.export`'s; `benchmarks.runtimes` measures this beside the other ways of running
a tower.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import onnxruntime
import structlog

from services.encoder.base import Vectors

log = structlog.get_logger(__name__)

#: Cosine from which two vectors of a probe count as the same: other activations or weights give less.
_SAME = 0.9999
#: The same with 8 bits.
_NEARLY = 0.98


class OnnxTower:
    """A tower that was exported: pixels float32 [n, 3, s, s], or tokens int64 [n, t] by name, as arrays or
    tensors of torch on the CPU -> float32 [n, ..., d], not normalised."""

    def __init__(self, model: bytes, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        # Threads that wait by spinning take the cores away from decoding and from other searches.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._names = [one.name for one in self._session.get_inputs()]

    def __call__(self, given: Any) -> Vectors:
        by_name = given if isinstance(given, Mapping) else {self._names[0]: given}
        found: Vectors = self._session.run(None, {name: np.asarray(by_name[name]) for name in self._names})[0]
        return found


def alike(found: Vectors, wanted: Vectors, *, small: bool) -> bool:
    """Whether each vector found [n, ..., d] is the one wanted, or nearly so if it was computed with 8 bits
    (`small`)."""
    if found.shape != wanted.shape:
        return False
    lengths = np.linalg.norm(found, axis=-1) * np.linalg.norm(wanted, axis=-1)
    return bool(((found * wanted).sum(axis=-1) > (_NEARLY if small else _SAME) * lengths).all())


def keep(file: Path, data: bytes) -> None:
    """Write a file whole or not at all; where it cannot be written, that is one line in the log."""
    part = file.with_name(f"{file.name}-{uuid4().hex[:8]}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        part.replace(file)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        log.info("not kept for the next start", file=str(file), reason=str(error))
