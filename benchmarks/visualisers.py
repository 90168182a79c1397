"""Pictures of one model by several visualisers of PyTorch, side by side.

    pip install -e '.[visualisers]'
    python benchmarks/visualisers.py [--model gpt2|cnn] [--layers 12] [--out FOLDER] [--only NAME]

For each picture: its size in pixels at 96 dots per inch and that of its smallest letters, the number of its boxes, the
texts at boxes and edges with a number that is no shape, setting, count or amount of memory or time, the seconds from
the model to the file, and the size of the file. The pictures stay in the folder, to be looked at.

What is drawn differs. blameflow and torchviz draw the graph of the loss; the others draw the calls of the forward pass,
and TorchLens the backward pass as well. A picture that is not drawn within the time limit is given up.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from html import unescape
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from torch.nn import functional

import viz
from viz.drawing.layout import program

HEAD = f"{'picture':<24}{'pixels':>16}{'letters':>9}{'boxes':>8}{'numbers':>9}{'time':>10}{'file':>10}"
_DECIMAL = re.compile(r"(?<![\w.=@])(\d+\.\d+(e[-+]?\d+)?|\d+e[-+]?\d+|\d+(?=\s?%))(?![\w.])")
_UNIT = re.compile(r"\d\s*([KMG]?i?B|bytes|[mµun]?s|[KMGT]?FLOPs?|[kKMB] params)\b", re.IGNORECASE)


class Subject(NamedTuple):
    """A model, its input, and the loss of its logits."""

    model: Any
    x: Any
    loss: Callable[[Any], Any]

    def loss_now(self) -> Any:
        out = self.model(self.x)
        return self.loss(getattr(out, "logits", out))


def cnn(layers: int) -> Subject:
    blocks = [torch.nn.Sequential(torch.nn.Conv2d(8, 8, 3, padding=1), torch.nn.ReLU()) for _ in range(layers)]
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3), *blocks, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(8, 5)
    )
    labels = torch.randint(0, 5, (4,))
    return Subject(model, torch.randn(4, 3, 16, 16), lambda out: functional.cross_entropy(out, labels))


def gpt2(layers: int) -> Subject:
    """A narrow one: its pictures are those of the real one, but for the shapes."""
    from transformers import GPT2Config, GPT2LMHeadModel

    sizes: dict[str, Any] = {"n_layer": layers, "n_embd": 64, "n_head": 4, "n_positions": 32, "vocab_size": 100}
    model: Any = GPT2LMHeadModel(GPT2Config(**sizes, use_cache=False))
    ids = torch.randint(0, 100, (1, 32))
    return Subject(
        model.train(False), ids, lambda logits: functional.cross_entropy(logits.flatten(0, 1), ids.flatten())
    )


def blameflow(subject: Subject, path: Path, depth: int) -> None:
    with viz.scopes(subject.model):
        loss = subject.loss_now()
    viz.trace(loss).fold(depth).svg(path)


def blameflow_page(subject: Subject, path: Path) -> None:
    with viz.scopes(subject.model):
        loss = subject.loss_now()
    viz.trace(loss).html(path)


def torchviz(subject: Subject, path: Path) -> None:
    from torchviz import make_dot

    path.write_bytes(make_dot(subject.loss_now(), dict(subject.model.named_parameters())).pipe(format="svg"))


def torchview(subject: Subject, path: Path, **options: Any) -> None:
    from torchview import draw_graph

    drawn = draw_graph(subject.model, input_data=subject.x, device="cpu", **options)
    path.write_bytes(drawn.visual_graph.pipe(format="svg"))


def torchlens(subject: Subject, path: Path, **options: Any) -> None:
    import torchlens

    target = str(path.with_suffix(""))
    torchlens.trace(subject.model, subject.x).draw(
        vis_outpath=target, vis_fileformat="svg", vis_save_only=True, **options
    )


def torchlens_backward(subject: Subject, path: Path) -> None:
    import torchlens

    trace = torchlens.trace(subject.model, subject.x)
    trace.log_backward(subject.loss(trace[trace.output_layers[0]].out))
    trace.draw_backward(vis_outpath=str(path.with_suffix("")), vis_fileformat="svg", vis_save_only=True)


def torchlens_norms(subject: Subject, path: Path) -> None:
    """The forward pass with the norm of the gradient in each box, which an option of TorchLens shows."""
    import torchlens
    from torchlens.options import CaptureOptions

    trace = torchlens.trace(subject.model, subject.x, capture=CaptureOptions(save_grads=True))
    trace.log_backward(subject.loss(trace[trace.output_layers[0]].out))
    target = str(path.with_suffix(""))
    trace.draw(vis_outpath=target, vis_fileformat="svg", vis_save_only=True, node_overlay="grad_norm")


def torchvista(subject: Subject, path: Path) -> None:
    from torchvista import trace_model

    trace_model(subject.model, subject.x, export_format="html", export_path=str(path))


PICTURES: dict[str, tuple[str, Callable[[Subject, Path], None]]] = {
    "blameflow fold(1)": ("svg", lambda subject, path: blameflow(subject, path, 1)),
    "blameflow fold(2)": ("svg", lambda subject, path: blameflow(subject, path, 2)),
    "blameflow page": ("html", blameflow_page),
    "torchviz": ("svg", torchviz),
    "torchview": ("svg", torchview),
    "torchview depth 2": ("svg", lambda subject, path: torchview(subject, path, depth=2)),
    "torchlens": ("svg", torchlens),
    "torchlens depth 2": ("svg", lambda subject, path: torchlens(subject, path, vis_mode="rolled", vis_call_depth=2)),
    "torchlens backward": ("svg", torchlens_backward),
    "torchlens grad_norm": ("svg", torchlens_norms),
    "torchvista": ("html", torchvista),
}
MODELS = {"gpt2": gpt2, "cnn": cnn}
PACKAGES = ("torchviz", "torchview", "torchlens", "torchvista")


def draw(name: str, model: str, layers: int, path: Path) -> float:
    """Draw one picture; the seconds from the model to the file."""
    torch.manual_seed(0)
    package = name.partition(" ")[0]
    if package in PACKAGES:
        import_module(package)  # which takes seconds, once
    subject = MODELS[model](layers)
    began = time.perf_counter()
    with redirect_stdout(StringIO()):
        PICTURES[name][1](subject, path)
    return time.perf_counter() - began


def row(name: str, path: Path, seconds: float) -> str:
    """What can be counted in a picture. A page draws itself in a browser, so nothing is counted there."""
    pixels, letters, boxes, numbers = "a page", "", "", ""
    if path.suffix == ".svg":
        source = path.read_text(encoding="utf-8")
        drawn = re.findall(r'<g [^>]*class="(?:node|edge).*?</g>', source, re.DOTALL)  # not the legend
        texts = [unescape(re.sub(r"<[^>]*>", "", t)) for t in re.findall(r"<text.*?</text>", "".join(drawn), re.DOTALL)]
        found = re.search(r'<svg[^>]*?width="([\d.]+)(pt|px)?"[^>]*?height="([\d.]+)', source, re.DOTALL)
        assert found is not None, f"{path} does not say its size"
        scale = 4 / 3 if found[2] == "pt" else 1.0
        pixels = f"{float(found[1]) * scale:,.0f} x {float(found[3]) * scale:,.0f}"
        shrunk = re.search(r"scale\(([\d.]+)", source)
        smallest = min(map(float, re.findall(r'font-size="([\d.]+)', source))) * (float(shrunk[1]) if shrunk else 1.0)
        letters = f"{smallest * scale:.1f}"
        boxes = str(source.count('class="node'))
        numbers = str(sum(bool(_DECIMAL.search(text)) and not _UNIT.search(text) for text in texts))
    counted = f"{name:<24}{pixels:>16}{letters:>9}{boxes:>8}{numbers:>9}"
    return f"{counted}{seconds:>8.2f} s{path.stat().st_size / 1000:>7,.0f} kB"


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--model", choices=[*MODELS], default="gpt2")
    options.add_argument("--layers", type=int, default=12)
    options.add_argument("--out", type=Path, help="the folder for the pictures; a temporary one if none is given")
    options.add_argument("--only", choices=[*PICTURES], help="one picture only")
    options.add_argument("--limit", type=float, default=120.0, help="seconds for each picture")
    options.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.worker:
        warnings.simplefilter("ignore")
        name, path = given.worker
        with tempfile.TemporaryDirectory() as found:
            Path(found, "dot").symlink_to(program())  # the others look for it on PATH only
            os.environ["PATH"] = os.pathsep.join([found, os.environ["PATH"]])
            print(json.dumps(draw(name, given.model, given.layers, Path(path))))
        return
    folder = given.out or Path(tempfile.mkdtemp(prefix="visualisers-"))
    folder.mkdir(parents=True, exist_ok=True)
    print(
        f"{given.model} of {given.layers} layers; {', '.join(map(_installed, ('torch', *PACKAGES)))}\n{folder}\n{HEAD}"
    )
    for name, (kind, _) in PICTURES.items():
        if given.only in (None, name):
            path = folder.resolve() / f"{given.model} {name}.{kind}".replace(" ", "-")
            print(_line(name, path, given), flush=True)


def _line(name: str, path: Path, given: argparse.Namespace) -> str:
    """A picture's row, or why there is none; each is drawn in a process of its own."""
    same = ["--model", given.model, "--layers", str(given.layers)]
    command = [sys.executable, __file__, "--worker", name, str(path), *same]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=given.limit)
    except subprocess.TimeoutExpired:
        return f"{name:<24}has no picture after {given.limit:g} s"
    if done.returncode or not path.exists():
        return f"{name:<24}is left out: {(done.stderr.strip() or 'it wrote no file').splitlines()[-1][:160]}"
    return row(name, path, json.loads(done.stdout.splitlines()[-1]))


def _installed(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"no {package}"


if __name__ == "__main__":
    main()
