"""What a training run is asked for, and the methods there are."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from services.errors import InvalidInput

#: Method -> what it is, in a sentence.
METHODS: dict[str, str] = {
    "bow": "SIFT as a bag of visual words, by a vocabulary of the catalogue's pictures; needs no labels.",
    "vlad": "SIFT as VLAD, by a vocabulary of the catalogue's pictures; needs no labels.",
    "classes": "A network that tells the catalogue's labels apart (cross-entropy over cosines).",
    "siamese": "A network that puts pairs of one label together and others apart (contrastive loss).",
    "triplet": "A network that puts a picture nearer to its label than to others (semi-hard triplets).",
    "proxy": "A network that learns a proxy for each label along with the pictures (Proxy-Anchor).",
    "simclr": "A network that knows a photo again after crops and changes of light; needs no labels.",
    "clip": "A pretrained dual encoder that goes on learning from the catalogue's pictures and titles.",
    "measure": "A learned distance over the vectors of any encoder, which itself stays as it is.",
}
#: Methods that fit a vocabulary in one pass, with no steps.
VOCABULARIES = ("bow", "vlad")
#: Methods that are no use without labels, and those that never look at them.
NEED_LABELS, IGNORE_LABELS = ("classes", "proxy"), ("simclr",)
#: What a learned measure can be.
MAPS = ("mahalanobis", "network")

#: Minutes of a run that is given neither minutes nor steps.
MINUTES = 10.0


class _Usual(NamedTuple):
    """What a method is run with unless told otherwise; `image_size` None: its encoder's own."""

    image_size: int | None
    batch: int
    learning_rate: float


_USUAL = {
    "bow": _Usual(160, 64, 0.0),
    "vlad": _Usual(160, 64, 0.0),
    "clip": _Usual(None, 64, 1e-4),
    "measure": _Usual(None, 256, 1e-3),
}
_USUAL_NETWORK, _PRETRAINED_RATE = _Usual(96, 64, 2e-3), 5e-4


@dataclass(frozen=True)
class Plan:
    """One run of `train`.

    label          field whose values are the classes; None: learn without labels
    trunk          `timm:NAME` or `torchvision:NAME`; `pretrained` starts from its library's weights
    image_size     side of the pictures, pixels; None: as is usual for the method. `clip` and `measure` see
                   pictures as the encoder that they start from does
    dim            width of the vectors
    attention, pooling, hidden    as in `extractors.network.NetworkConfig`
    start          encoder that `clip` and `measure` start from
    learn          of `measure`: mahalanobis (a linear map) or network (a small one)
    minutes, steps when to stop, at whichever comes first; neither: after 10 minutes
    batch, learning_rate          None: as is usual for the method
    validation     share of the products to choose the best weights by, 0..0.5

    Raises `InvalidInput`, naming the field.
    """

    method: str
    label: str | None = "category"
    trunk: str = "timm:resnet10t"
    pretrained: bool = False
    image_size: int | None = None
    dim: int = 128
    attention: str = "none"
    pooling: str = "avg"
    hidden: int = 0
    start: str = "vitrine-compact"
    learn: str = "mahalanobis"
    minutes: float | None = None
    steps: int | None = None
    batch: int | None = None
    learning_rate: float | None = None
    validation: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        for field, known in (("method", tuple(METHODS)), ("learn", MAPS)):
            if (value := getattr(self, field)) not in known:
                raise InvalidInput(
                    f"The {field} {str(value)[:40]!r} is not known.",
                    mend=f"Use one of: {', '.join(known)}.",
                    field=field,
                )
        bounds: dict[str, tuple[float, float]] = {
            "minutes": (0.01, 100_000),
            "steps": (1, 10**9),
            "batch": (4, 65_536),
            "learning_rate": (1e-8, 10),
            "validation": (0.01, 0.5),
            "image_size": (32, 512),
            "dim": (2, 4096),
            "hidden": (0, 4096),
            "seed": (0, 2**31),
        }
        for field, (low, high) in bounds.items():
            value = getattr(self, field)
            if value is not None and not low <= value <= high:
                raise InvalidInput(
                    f"{field} {value} is not between {low:g} and {high:g}.",
                    mend="Use a number that is.",
                    field=field,
                )
        if self.method in NEED_LABELS and self.label is None:
            why = "has to be told the classes" if self.method == "classes" else "has one proxy a label"
            raise InvalidInput(
                f"The method {self.method!r} {why}, so it cannot do without labels.",
                mend="Name the field that holds them (--label FIELD), or use simclr, siamese or triplet.",
                field="label",
            )

    @property
    def usual(self) -> _Usual:
        return _USUAL.get(self.method, _USUAL_NETWORK)

    @property
    def batch_size(self) -> int:
        return self.batch or self.usual.batch

    @property
    def peak_rate(self) -> float:
        """Peak learning rate."""
        return self.learning_rate or (_PRETRAINED_RATE if self.pretrained else self.usual.learning_rate)

    @property
    def time_limit(self) -> float | None:
        """Seconds of training at most, or None if only the steps count."""
        minutes = MINUTES if self.minutes is None and self.steps is None else self.minutes
        return None if minutes is None else 60 * minutes

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
