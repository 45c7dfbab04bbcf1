"""What labels alone give: ResNet-18 trained from scratch on the same photos, to compare our encoder with.

`python -m services.encoder.train.baseline` trains a classifier over the ten classes on the photos of the
training split, in the manner of ImageNet training (He et al. 2016, arXiv 1512.03385; random resized crops,
mirroring, colour jitter, SGD with momentum, label smoothing, cosine schedule), and writes its accuracy and
its image->image class mAP on the test photos to `splits/baseline.json`. The last epoch is measured:
nothing is chosen by the test photos. Run again after an interrupt to go on from the last epoch.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import timm
import torch
import typer
from torch import Tensor
from torch.nn import functional
from torchvision.transforms import v2

from services.encoder.train.augment import plain
from services.encoder.train.data import Pictures, photographed
from services.encoder.train.measure import label_map

#: Figures of the last full run, read by `bars`.
FIGURES = Path(__file__).with_name("splits") / "baseline.json"


@dataclass(frozen=True)
class Plan:
    """`size` is the side of the pictures in pixels; the learning rate is the peak of a cosine."""

    size: int = 96
    epochs: int = 30
    batch: int = 64
    learning_rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 5e-4
    smoothing: float = 0.1
    warmup_epochs: int = 2
    seed: int = 0


def augmentation(size: int) -> v2.Transform:
    """ImageNet's usual one; crops keep at least a quarter of the picture, since photos are few."""
    return v2.Compose([
        v2.RandomResizedCrop(size, scale=(0.25, 1.0), antialias=True),
        v2.RandomHorizontalFlip(),
        v2.ColorJitter(0.3, 0.3, 0.3, 0.05),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize([0.5] * 3, [0.5] * 3),
    ])  # fmt: skip


def train(photos: Pictures, labels: Tensor, classes: int, plan: Plan, checkpoint: Path) -> torch.nn.Module:
    """The classifier after the last epoch, in evaluation mode; one line is printed for each epoch.

    `labels` int64 [n]. Raises `SystemExit` if the checkpoint is of another plan.
    """
    torch.manual_seed(plan.seed)
    model: Any = timm.create_model("resnet18", num_classes=classes)
    model = model.to(memory_format=torch.channels_last)
    decayed = [value for value in model.parameters() if value.ndim > 1]
    others = [value for value in model.parameters() if value.ndim <= 1]
    optimiser = torch.optim.SGD(
        [{"params": decayed, "weight_decay": plan.weight_decay}, {"params": others, "weight_decay": 0.0}],
        lr=plan.learning_rate, momentum=plan.momentum, nesterov=True,
    )  # fmt: skip
    begin, spent = 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        if state["plan"] != asdict(plan):
            raise SystemExit(f"{checkpoint} is of another plan; delete it to start anew.")
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        begin, spent = state["epoch"], state["seconds"]
    pixels = torch.from_numpy(photos.pixels).permute(0, 3, 1, 2)
    transform, steps = augmentation(plan.size), len(photos) // plan.batch
    for epoch in range(begin, plan.epochs):
        started = time.monotonic()
        torch.manual_seed(plan.seed * 1000 + epoch)
        model.train()
        order, losses = torch.randperm(len(photos)), []
        for step in range(steps):
            chosen = order[step * plan.batch : (step + 1) * plan.batch]
            images = torch.stack([transform(pixels[index]) for index in chosen.tolist()])
            for group in optimiser.param_groups:
                group["lr"] = plan.learning_rate * schedule(epoch + step / steps, plan)
            logits = model(images.contiguous(memory_format=torch.channels_last))
            loss = functional.cross_entropy(logits, labels[chosen], label_smoothing=plan.smoothing)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            losses.append(loss.item())
        spent += time.monotonic() - started
        print(f"epoch {epoch + 1}/{plan.epochs} loss {np.mean(losses):.4f} seconds {spent:.0f}", flush=True)
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        part = checkpoint.with_suffix(".part")
        torch.save(
            {"plan": asdict(plan), "model": model.state_dict(), "optimiser": optimiser.state_dict(),
             "epoch": epoch + 1, "seconds": spent},
            part,
        )  # fmt: skip
        part.rename(checkpoint)
    return model.eval()  # type: ignore[no-any-return]


def schedule(epoch: float, plan: Plan) -> float:
    """Share of the peak learning rate: a linear warm-up, then half a cosine down to 0."""
    if epoch < plan.warmup_epochs:
        return (epoch + 0.1) / (plan.warmup_epochs + 0.1)
    done = (epoch - plan.warmup_epochs) / max(plan.epochs - plan.warmup_epochs, 1)
    return 0.5 * (1 + math.cos(math.pi * done))


def figures(
    model: Any, photos: Pictures, labels: npt.NDArray[np.int64], size: int, batch: int = 128
) -> dict[str, float]:
    """Accuracy, and class mAP of cosine search with the pooled features; `labels` int64 [n]."""
    features, guesses = [], []
    with torch.inference_mode():
        for at in range(0, len(photos), batch):
            maps = model.forward_features(plain(photos.pixels[at : at + batch], size))
            pooled = model.forward_head(maps, pre_logits=True)
            guesses.append(model.fc(pooled).argmax(1).numpy())
            features.append(functional.normalize(pooled, dim=1).numpy())
    return {
        "accuracy": round(float((np.concatenate(guesses) == labels).mean()), 4),
        "image_image_class_map": round(label_map(np.concatenate(features), labels), 4),
    }


def main(
    photos: Annotated[Path, typer.Option(help="Folder of real photos with products.csv.")] = Path(
        "../shared/clothing"
    ),
    cache: Annotated[Path, typer.Option(help="Folder of decoded pictures and of the checkpoint.")] = Path(
        ".vitrine/train"
    ),
    size: Annotated[int, typer.Option(min=32, help="Side of the pictures, pixels.")] = Plan.size,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training photos.")] = Plan.epochs,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = Plan.seed,
    out: Annotated[Path, typer.Option(help="Where the figures are written.")] = FIGURES,
) -> None:
    """Train ResNet-18 on the training photos and write its figures on the test photos."""
    real = photographed(photos, cache=cache)
    classes, labels = np.unique(real["train"].codes[:, 0], return_inverse=True)
    plan = Plan(size=size, epochs=epochs, seed=seed)
    checkpoint = cache / "baseline.pt"
    print(f"ResNet-18, {len(real['train'])} photos, {len(classes)} classes, {plan}", flush=True)
    model = train(real["train"], torch.from_numpy(labels), len(classes), plan, checkpoint)
    found = {
        name: figures(model, real[name], np.searchsorted(classes, real[name].codes[:, 0]), size)
        for name in ("validation", "test")
    }
    seconds = torch.load(checkpoint, weights_only=True)["seconds"]
    record = {"model": "resnet18", "plan": asdict(plan), "seconds": round(seconds), **found}
    out.write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    typer.run(main)
