"""The methods that are compared, from hand-made features to a shared space, and how each is come by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from services.encoder.base import Encoder
from services.encoder.extractors.folder import is_extractor, read_description
from services.encoder.fit import Plan, train
from services.encoder.registry import load_encoder
from services.errors import InvalidInput
from services.settings import Settings
from vitrine.compare.split import Item, pairs


@dataclass(frozen=True)
class Method:
    """`encoder` is a name as in VITRINE_ENCODER, loaded as it is; else `plan` is trained. `paper` is where
    the method comes from."""

    name: str
    family: str
    what: str
    paper: str
    encoder: str | None = None
    plan: Plan | None = None


#: Side in pixels of the pictures that networks are trained on from scratch: in minutes, more of them are
#: worth more than sharper ones.
_SIDE = 64


def _trained(name: str, family: str, what: str, paper: str, method: str, **plan: object) -> Method:
    networks = {"classes", "siamese", "triplet", "proxy", "simclr"}
    side = {"image_size": _SIDE} if method in networks else {}
    return Method(name, family, what, paper, plan=Plan(method=method, **side | plan))  # type: ignore[arg-type]


HAND, CNN, METRIC, ATTENTION, SHARED = (
    "hand-made", "network, classes", "metric learning", "with attention", "shared space",
)  # fmt: skip

#: In the order in which one would expect them to get better.
LADDER: tuple[Method, ...] = (
    Method("hog", HAND, "histograms of oriented gradients", "Dalal and Triggs 2005", encoder="hog"),
    _trained("sift-bow", HAND, "SIFT, bag of visual words", "Sivic and Zisserman 2003", method="bow"),
    _trained("sift-vlad", HAND, "SIFT, VLAD", "Jegou et al. 2010", method="vlad"),
    _trained("classes", CNN, "small ResNet, cross-entropy", "He et al. 2016", method="classes"),
    _trained(
        "classes-resnet18", CNN, "ResNet-18, cross-entropy", "He et al. 2016",
        method="classes", trunk="torchvision:resnet18",
    ),
    _trained(
        "classes-vgg11", CNN, "VGG-11, cross-entropy", "Simonyan and Zisserman 2015",
        method="classes", trunk="torchvision:vgg11_bn",
    ),
    Method(
        "imagenet-resnet18", CNN, "ResNet-18 with weights of ImageNet", "He et al. 2016",
        encoder="torchvision:resnet18/IMAGENET1K_V1",
    ),
    Method(
        "imagenet-vgg16", CNN, "VGG-16 with weights of ImageNet", "Simonyan and Zisserman 2015",
        encoder="torchvision:vgg16/IMAGENET1K_V1",
    ),
    _trained("siamese", METRIC, "contrastive loss", "Hadsell et al. 2006", method="siamese"),
    _trained("triplet", METRIC, "semi-hard triplets", "Schroff et al. 2015", method="triplet"),
    _trained("proxy", METRIC, "Proxy-Anchor", "Kim et al. 2020", method="proxy"),
    _trained("simclr", METRIC, "no labels: views of one photo", "Chen et al. 2020", method="simclr"),
    _trained(
        "classes-se", ATTENTION, "classes, squeeze-and-excitation", "Hu et al. 2018",
        method="classes", attention="se",
    ),
    _trained(
        "classes-eca", ATTENTION, "classes, efficient channel attention", "Wang et al. 2020",
        method="classes", attention="eca",
    ),
    _trained(
        "siamese-attention", ATTENTION, "Siamese, CBAM, attention over regions", "Woo et al. 2018",
        method="siamese", attention="cbam", pooling="attention",
    ),
    _trained(
        "hog-mahalanobis", METRIC, "learned linear measure over hog", "Weinberger and Saul 2009",
        method="measure", start="hog", learn="mahalanobis",
    ),
    _trained(
        "hog-network", METRIC, "learned network over hog", "Hadsell et al. 2006",
        method="measure", start="hog", learn="network",
    ),
    Method(
        "vitrine-compact", SHARED, "CLIP, ours, as shipped", "Radford et al. 2021",
        encoder="vitrine-compact",
    ),
    _trained(
        "compact-mahalanobis", SHARED, "learned linear measure over ours", "Weinberger and Saul 2009",
        method="measure", learn="mahalanobis",
    ),
    _trained(
        "compact-network", SHARED, "learned network over ours", "Hadsell et al. 2006",
        method="measure", learn="network",
    ),
)  # fmt: skip


def chosen(names: Sequence[str] | None, others: Sequence[str] = ()) -> list[Method]:
    """Methods by name (None: all), and `others`, which are any encoders. Raises `InvalidInput`."""
    known = {method.name: method for method in LADDER}
    for name in names or ():
        if name not in known:
            raise InvalidInput(
                f"There is no method {name[:60]!r}.", mend=f"Use some of: {', '.join(known)}.", field="method"
            )
    found = [method for method in LADDER if names is None or method.name in names]
    return found + [Method(name, "your own", "as it is", "", encoder=name) for name in others]


def made(
    method: Method,
    items: Sequence[Item],
    label: str,
    minutes: float,
    folder: Path,
    settings: Settings,
    console: Console,
) -> tuple[Encoder, float]:
    """The encoder of a method, and the minutes it was trained for.

    Trained models are kept in `folder`: one that is there is not trained again, since training may have ended
    before what came after it did, and an interrupted run goes on from its checkpoint. Raises whatever loading
    or training does.
    """
    if method.plan is None:
        return load_encoder(settings.model_copy(update={"encoder": str(method.encoder)})), 0.0
    out = folder / method.name
    plan = replace(method.plan, label=None if method.plan.method == "simclr" else label, minutes=minutes)
    took = folder / f"{method.name}.seconds"
    if is_extractor(out):
        said = read_description(out).get("training", {}).get("seconds", 0.0)
        seconds = float(took.read_text()) if took.exists() else float(said)
    else:
        seconds = train(pairs(items), plan, out, settings=settings, console=console).seconds
        took.write_text(f"{seconds:.3f}")
    return load_encoder(settings.model_copy(update={"encoder": f"local-dir:{out}"})), seconds / 60


def stands_on(method: Method, settings: Settings) -> str:
    """Weights and preprocessing of the encoder that a method is, or starts from; "" if it has none.

    A name such as `local-dir:FOLDER` stays as it is when the model behind it changes. Raises what
    `load_encoder` does.
    """
    started = method.plan is not None and method.plan.method in ("measure", "clip")
    name = method.plan.start if method.plan is not None and started else method.encoder
    if name is None:
        return ""
    identity = load_encoder(settings.model_copy(update={"encoder": name})).identity
    return f"{identity.weights}-{identity.preprocess}-{identity.dim}"
