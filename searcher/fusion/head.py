"""The learned attention head: its arrays, its file, and its arithmetic.

The closed form asks how much a part and a field have to do with each other, and weighs the parts by that.
It cannot know that in "this dress, but in blue" the photo should be silent about colour and speak about all
else. The head can: it looks at parts and fields in several learned subspaces (multi-head attention, Vaswani
et al. 2017, arXiv 1706.03762), and in each of them a part also says how much it has to say there. With unit
vectors q of a part and d of a field, each freed of the mean of its kind, in head h::

    s_h(p, f) = (Q_h q) . (K_h d)                      g_h(p) = two small layers over q
    a_h(p, f) = softmax over (p, f) of ( k_h s_h(p, f) + g_h(p) + b_h(f) + log w_p )
    score     = sum over h of c_h * sum over (p, f) of a_h(p, f) * s_h(p, f)

Q and K belong to a modality and to a field. With one head, Q = K = 1 and g = 0 this is the closed form. With
k = 0 the score is linear in d, so that there is one vector a field which an index can be searched with
(`composed`); such a vector is what Combiner networks learn (Baldrati et al. 2022, arXiv 2207.06094).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import safe_open
from safetensors.numpy import save_file

from services.calibration import MODALITIES
from services.encoder.base import EncoderIdentity
from services.errors import EncoderMismatch

Array = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

#: Shapes of the arrays, over m modalities, f fields, h heads, r dimensions of each, d of the space, k hidden.
SHAPES: Mapping[str, str] = {
    "part_mean": "md", "field_mean": "fd", "query": "mhrd", "key": "fhrd",
    "gate_in": "mkd", "gate_in_bias": "mk", "gate_out": "mhk", "gate_out_bias": "mh",
    "sharpness": "h", "field_bias": "hf", "gain": "h",
    "scale": "", "offset": "", "refusal": "", "threshold": "",
}  # fmt: skip
_FORMAT = "vitrine-fusion-1"


@dataclass(frozen=True)
class Head:
    """`arrays` as in `SHAPES`, float32, of the encoder of that identity.

    `scale` and `offset` bring scores to standard deviations above chance; a negative part takes off
    `refusal` times what it scores beyond `threshold`.
    """

    identity: EncoderIdentity
    arrays: Mapping[str, Array]

    @property
    def parameters(self) -> int:
        return sum(array.size for array in self.arrays.values())

    def save(self, path: Path) -> None:
        """Write safetensors; the encoder's identity goes into its metadata."""
        path.parent.mkdir(parents=True, exist_ok=True)
        metadata = {"format": _FORMAT, "encoder": json.dumps(self.identity.as_dict())}
        part = path.with_suffix(".part")
        save_file({name: np.array(array, order="C") for name, array in self.arrays.items()}, part, metadata)
        part.chmod(0o644)  # it is written for its owner alone otherwise
        part.rename(path)

    @classmethod
    def load(cls, path: Path, identity: EncoderIdentity) -> Head:
        """The head of a file. Raises `EncoderMismatch` if it was trained for another encoder than this."""
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            trained = EncoderIdentity.from_dict(json.loads(metadata["encoder"]))
            if metadata.get("format") != _FORMAT or not trained.same_space(identity):
                raise EncoderMismatch(
                    f"The attention head {path} was trained for {trained}, not for {identity}.",
                    mend="Train one for this encoder: vitrine fusion train CATALOGUE.",
                    field="fusion",
                )
            arrays = {name: np.asarray(file.get_tensor(name), dtype=np.float32) for name in SHAPES}
        return cls(trained, arrays)

    def score(
        self, parts: Array, modalities: Sequence[str], weights: Sequence[float], fields: Array, present: Bools
    ) -> tuple[Array, Array]:
        """Scores [c] in standard deviations above chance, and attention [c, p, f], over all heads.

        `parts` are unit vectors [p, d] with `modalities` and user `weights` [p], all above 0; `fields`
        [c, f, d] with `present` [c, f]. A candidate without any field scores 0.
        """
        arrays = self.arrays
        x, kinds = self._centred(parts, modalities)
        told = np.einsum("phrd,pd->phr", arrays["query"][kinds], x)
        asked = np.einsum("phr,fhrd->pfhd", told, arrays["key"])
        y = _unit(fields - arrays["field_mean"])
        p, f, h, d = asked.shape
        # One product of matrices for each field, all parts and heads beside each other.
        s = np.stack(
            [y[:, field] @ asked[:, field].reshape(p * h, d).T for field in range(f)], axis=1
        ).reshape(len(y), f, p, h)
        prior = self._gates(x, kinds) + np.log(np.asarray(weights, dtype=np.float32))[:, None]
        logits = arrays["sharpness"] * s + prior[None, None] + arrays["field_bias"].T[None, :, None]
        attention = _softmax(np.where(present[:, :, None, None], logits, -np.inf))
        gain = arrays["gain"]
        raw = ((attention * s).sum((1, 2)) * gain).sum(-1)
        shares = (attention * np.abs(gain) / np.abs(gain).sum()).sum(-1).transpose(0, 2, 1)
        scores = np.where(present.any(1), (raw - arrays["offset"]) / arrays["scale"], np.float32(0))
        return scores, shares

    def composed(self, parts: Array, modalities: Sequence[str], weights: Sequence[float]) -> Array:
        """One unit vector for each field, [f, d], that products answering the whole query are near to."""
        arrays = self.arrays
        x, kinds = self._centred(parts, modalities)
        told = np.einsum("phrd,pd->phr", arrays["query"][kinds], x)
        prior = self._gates(x, kinds) + np.log(np.asarray(weights, dtype=np.float32))[:, None]
        shares = np.exp(prior - prior.max(0))
        shares = shares / shares.sum(0) * arrays["gain"]
        return _unit(np.einsum("ph,phr,fhrd->fd", shares, told, arrays["key"]))

    def refused(self, scores: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
        """What a negative part of weight -1 takes off, [c], by what it scores alone, [c]."""
        beyond = np.maximum(scores - self.arrays["threshold"], 0.0)
        taken: npt.NDArray[np.floating] = self.arrays["refusal"] * beyond
        return taken

    def _centred(self, parts: Array, modalities: Sequence[str]) -> tuple[Array, npt.NDArray[np.intp]]:
        kinds = np.array([MODALITIES.index(name) for name in modalities], dtype=np.intp)
        return _unit(parts - self.arrays["part_mean"][kinds]), kinds

    def _gates(self, x: Array, kinds: npt.NDArray[np.intp]) -> Array:
        arrays = self.arrays
        hidden = np.einsum("pkd,pd->pk", arrays["gate_in"][kinds], x) + arrays["gate_in_bias"][kinds]
        gates: Array = np.einsum("phk,pk->ph", arrays["gate_out"][kinds], np.maximum(hidden, 0.0))
        return gates + arrays["gate_out_bias"][kinds]


def _unit(vectors: Array) -> Array:
    length = np.sqrt(np.einsum("...d,...d->...", vectors, vectors))[..., None]
    unit: Array = vectors / np.maximum(length, 1e-6)
    return unit


def _softmax(logits: Array) -> Array:
    """Over fields and parts of [c, f, p, h]; 0 where everything is -inf."""
    top = logits.max((1, 2), keepdims=True)
    grown = np.exp(logits - np.where(np.isfinite(top), top, 0))
    total = grown.sum((1, 2), keepdims=True)
    shares: Array = np.divide(grown, total, out=np.zeros_like(grown), where=total > 0)
    return shares
