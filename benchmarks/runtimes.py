"""Which way of running an encoder on a CPU is the fastest, and what does it cost in what is found?

The towers of an encoder as the product runs them, and each of them in bf16, channels last or not, compiled by
torch, and exported to ONNX Runtime (in float32, and quantised to 8 bits) and to OpenVINO. All are timed in
turn, round after round, in one process; the table gives medians, and the speed as a ratio to torch in
float32. `recall@10` is the share of what the float32 vectors find that the others find as well: photos search
photos, texts search photos. `--random MODEL` does the same for a model of open_clip with random weights. Ways
whose library is not there (openvino has to be installed) are left out.
"""

from __future__ import annotations

import copy
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import open_clip
import torch
import typer
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.sample import open_sample
from services.catalogue.images import decode_image, read_image_bytes
from services.encoder.registry import load_encoder
from services.settings import get_settings

Tower = Callable[[torch.Tensor], np.ndarray]
ROUNDS = 7
#: Pictures of one batch while a catalogue is indexed.
BATCH = 64


@dataclass(frozen=True)
class Way:
    """Both towers, run somehow: pixels float32 [n, 3, s, s], or tokens int64 [n, t], to unit [n, d]."""

    image: Tower
    text: Tower


class Towers:
    """The towers of an open_clip model as modules of one input each."""

    def __init__(self, model: Any) -> None:
        self.image = _Module(model, "encode_image")
        self.text = _Module(model, "encode_text")


class _Module(torch.nn.Module):
    def __init__(self, model: Any, method: str) -> None:
        super().__init__()
        self.model, self.method = model, method

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = getattr(self.model, self.method)(given, normalize=True)
        return found


def in_torch(module: torch.nn.Module, *, bf16: bool = False, last: bool = False) -> Tower:
    module = module.eval()

    def run(given: torch.Tensor) -> np.ndarray:
        if last and given.ndim == 4:
            given = given.contiguous(memory_format=torch.channels_last)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            return module(given).float().numpy()

    return run


def in_onnx(module: torch.nn.Module, example: torch.Tensor, folder: Path, name: str) -> Tower:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(
        str(exported(module, example, folder, name)), options, providers=["CPUExecutionProvider"]
    )
    return lambda given: session.run(None, {"given": given.numpy()})[0]


def in_openvino(module: torch.nn.Module, example: torch.Tensor, folder: Path, name: str) -> Tower:
    import openvino

    core = openvino.Core()
    compiled = core.compile_model(
        core.read_model(exported(module, example, folder, name)),
        "CPU",
        {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "INFERENCE_PRECISION_HINT": "f32"},
    )
    return lambda given: compiled(given.numpy())[0]


def exported(module: torch.nn.Module, example: torch.Tensor, folder: Path, name: str) -> Path:
    path = folder / f"{name}.onnx"
    if not path.exists():
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module.eval(), (example,), str(path), input_names=["given"], output_names=["found"],
                dynamic_axes={"given": {0: "n"}, "found": {0: "n"}}, opset_version=18, dynamo=False,
            )  # fmt: skip
    return path


def ways(
    model: Any, pixels: torch.Tensor, tokens: torch.Tensor, folder: Path
) -> dict[str, Callable[[], Way]]:
    """Ways by name, made when they are asked for, as some cannot be here."""
    torch.backends.mha.set_fastpath_enabled(False)  # it cannot be exported

    def fresh() -> Towers:
        return Towers(copy.deepcopy(model))

    def last(bf16: bool = False) -> Way:
        towers = fresh()
        towers.image.to(memory_format=torch.channels_last)
        return Way(in_torch(towers.image, bf16=bf16, last=True), in_torch(towers.text, bf16=bf16))

    def compiled() -> Way:
        towers = fresh()
        towers.image.to(memory_format=torch.channels_last)
        return Way(in_torch(torch.compile(towers.image), last=True), in_torch(torch.compile(towers.text)))

    def exporting(run: Callable[..., Tower]) -> Way:
        towers = fresh()
        return Way(
            run(towers.image, pixels[:2], folder, "image"), run(towers.text, tokens[:2], folder, "text")
        )

    def onnx_int8() -> Way:
        from onnxruntime.quantization import QuantType, quantize_dynamic

        towers = fresh()
        paths = []
        for module, example, name in ((towers.image, pixels, "image"), (towers.text, tokens, "text")):
            source, small = exported(module, example[:2], folder, name), folder / f"{name}8.onnx"
            quantize_dynamic(
                source, small, weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gemm"]
            )
            paths.append(small)
        return Way(
            in_onnx(towers.image, pixels[:2], folder, "image8"),
            in_onnx(towers.text, tokens[:2], folder, "text8"),
        )

    return {
        "torch, float32": lambda: Way(in_torch(fresh().image), in_torch(fresh().text)),
        "torch, channels last": last,
        "torch, channels last, bf16": lambda: last(bf16=True),
        "torch, compiled": compiled,
        "ONNX Runtime": lambda: exporting(in_onnx),
        "ONNX Runtime, 8 bits": onnx_int8,
        "OpenVINO": lambda: exporting(in_openvino),
    }


def found_again(ours: np.ndarray, theirs: np.ndarray, queries: tuple[np.ndarray, np.ndarray]) -> float:
    """Share of the ten best by (`queries[0]`, `ours`) that (`queries[1]`, `theirs`) has among its ten."""

    def best(asked: np.ndarray, held: np.ndarray) -> np.ndarray:
        scores = asked @ held.T
        if len(asked) == len(held):
            np.fill_diagonal(scores, -2)
        return np.argsort(-scores, axis=1)[:, :10]

    pairs = zip(best(queries[0], ours), best(queries[1], theirs), strict=True)
    return float(np.mean([len(set(a.tolist()) & set(b.tolist())) / 10 for a, b in pairs]))


def run_all(tower: Tower, given: torch.Tensor) -> np.ndarray:
    rows = [tower(given[start : start + BATCH]) for start in range(0, len(given), BATCH)]
    found = np.concatenate(rows).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def main(
    random: Annotated[str | None, typer.Option(help="A model of open_clip, with random weights.")] = None,
    pictures: Annotated[int, typer.Option(min=20, help="Pictures to search among.")] = 500,
    threads: Annotated[int, typer.Option(min=1, help="Threads of each way.")] = 1,
    way: Annotated[list[str] | None, typer.Option(help="Only these, by the start of their name.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
) -> None:
    """Print the table."""
    torch.set_num_threads(threads)
    settings = get_settings()
    catalogue = open_sample(settings)
    products = [row.product for row in catalogue if row.product and row.product.image]
    products = products[:: max(len(products) // pictures, 1)][:pictures]
    opened = [
        decode_image(
            read_image_bytes(str(product.image), base=catalogue.base, settings=settings),
            max_pixels=settings.max_image_pixels,
        )
        for product in products
    ]
    texts = list(dict.fromkeys(product.title or product.category or "product" for product in products))[:100]
    if random is None:
        encoder: Any = load_encoder(settings)
        name, model = settings.encoder, encoder._model
        pixels = torch.from_numpy(np.stack([encoder.prepare(picture) for picture in opened]))
        tokens = encoder._tokens(texts)["text"]
    else:
        torch.manual_seed(0)
        name = f"{random}, random weights"
        model, _, preprocess = open_clip.create_model_and_transforms(random)
        pixels = torch.stack([preprocess(picture) for picture in opened])
        tokens = open_clip.get_tokenizer(random)(texts)
    # The product's own model is in channels last already; here each way says what it does.
    model = copy.deepcopy(model).eval().float().to(memory_format=torch.contiguous_format)
    console = Console(stderr=True)
    made: dict[str, Way] = {}
    with tempfile.TemporaryDirectory() as folder:
        for title, make in ways(model, pixels, tokens, Path(folder)).items():
            if way and not any(title.startswith(start) for start in ("torch, float32", *way)):
                continue
            try:
                made[title] = make()
                run_all(made[title].image, pixels[: BATCH + 1])
                made[title].text(tokens[:1])
            except Exception as error:
                made.pop(title, None)
                console.print(f"{title} cannot be had here: {type(error).__name__}: {str(error)[:120]}")
        rows = measured(made, pixels, tokens, console)
    header = ["way", "pictures/s", "ratio", "one picture, ms", "ratio", "one text, ms", "ratio",
              "recall@10 photo", "recall@10 text"]  # fmt: skip
    if markdown:
        print(f"{name}, {threads} thread(s):\n\n| {' | '.join(header)} |\n|---|{'---:|' * (len(header) - 1)}")
        print("\n".join(f"| {' | '.join(row)} |" for row in rows))
        return
    table = Table(*header, box=box.SIMPLE, title=f"{name}, {threads} thread(s)")
    for row in rows:
        table.add_row(*row)
    Console(width=150).print(table)


def measured(
    made: dict[str, Way], pixels: torch.Tensor, tokens: torch.Tensor, console: Console
) -> list[list[str]]:
    batch = pixels[:BATCH]
    took: dict[str, list[list[float]]] = {title: [[], [], []] for title in made}
    for _ in track(range(ROUNDS), "timing", console=console):
        for title, one in made.items():
            for place, work in enumerate((
                lambda one=one: one.image(batch),
                lambda one=one: [one.image(batch[n : n + 1]) for n in range(8)],
                lambda one=one: [one.text(tokens[n : n + 1]) for n in range(8)],
            )):  # fmt: skip
                begun = time.perf_counter()
                work()
                took[title][place].append(time.perf_counter() - begun)
    median = {title: [statistics.median(times) for times in own] for title, own in took.items()}
    plain = next(iter(made))
    held = {title: run_all(one.image, pixels) for title, one in made.items()}
    asked = {title: run_all(one.text, tokens) for title, one in made.items()}
    rows = []
    for title, (many, single, text) in median.items():
        base = median[plain]
        photo = found_again(held[plain], held[title], (held[plain], held[title]))
        words = found_again(held[plain], held[title], (asked[plain], asked[title]))
        rows.append([
            title, f"{BATCH / many:.0f}", f"{base[0] / many:.2f}", f"{single / 8 * 1000:.1f}",
            f"{base[1] / single:.2f}", f"{text / 8 * 1000:.1f}", f"{base[2] / text:.2f}",
            f"{photo:.3f}", f"{words:.3f}",
        ])  # fmt: skip
    return rows


if __name__ == "__main__":
    typer.run(main)
