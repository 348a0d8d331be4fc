"""Checks that improv's pipeline costs little besides the model: its frames a second over the bare model's.

    python -m benchmarks.stream_rate [--images cifar10-images.tar.xz] [--frames 100] [--rounds 3] [--group 64]

It takes two exported models. ResNet-50 at 224 x 224 pixels with random weights gets one image a message; the course's
model gets CIFAR-10's test images (synthetic ones without --images) in groups. The bare model is the same file, on the
same images, already in memory; the pipeline goes from an image's file to its line in `predictions.jsonl`. Each image
must get the class that the bare model predicts. It needs `make stream`.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from PIL import Image

from benchmarks.common import machine, seconds, show, verdict
from mp09.data.cifar_images import from_images, from_synthetic, make_images
from mp09.nets.export import load_exported
from mp09.recipes.export_run import export_run
from mp09.streaming.image_folder import Stream, groups
from mp09.streaming.run import StreamOptions, stream_images
from mp09.streaming.run_files import read_predictions

GOALS = {"resnet50": 0.7, "resnet18-32": 0.5}
SIDE = 256


def photographs(folder: Path, count: int) -> Path:
    """Write smooth random images of SIDE x SIDE pixels as JPEG files into a new folder."""
    random = np.random.default_rng(0)
    folder.mkdir()
    for number in range(count):
        rough = Image.fromarray(random.integers(0, 256, (24, 24, 3), dtype=np.uint8))
        rough.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(folder / f"{number:05d}.jpg", quality=90)
    return folder


def compare(name: str, stream: Stream, model: Path, out: Path, *, group: int, rounds: int) -> int:
    """Time both sides by turns, print them, and return an exit code: 0 when the goal is met."""
    exported = load_exported(model)
    batches = [
        torch.from_numpy(np.stack([frame.image for frame in frames if frame.image is not None])).permute(0, 3, 1, 2)
        for frames in groups(stream, 0, group)
    ]

    @torch.inference_mode()
    def scores() -> Iterator[torch.Tensor]:
        for batch in batches:
            yield exported.model(batch)[1]

    names = exported.card["classes"] or [str(i) for i in range(1000)]
    named = [names[i] for batch in scores() for i in batch.argmax(dim=1).tolist()]  # the first calls also plan
    rates: dict[str, list[float]] = {"bare": [], "stream": []}
    for turn in range(rounds):
        rates["bare"].append(len(stream) / seconds(lambda: list(scores())))
        done = stream_images(
            stream, model, out / f"{name}-{turn}", StreamOptions(graph="timing", group=group, device="cpu")
        )
        rates["stream"].append(done.rate)
        assert done.latency_ms is not None  # every frame was timed
        print(
            f"    {name}, round {turn + 1}: bare {rates['bare'][-1]:.1f}, pipeline {done.rate:.1f} frames/s; "
            f"latency median {done.latency_ms[0]:.1f} ms, 99 % below {done.latency_ms[1]:.1f} ms; "
            f"highest memory seen {done.peak_mb:.0f} MB",
            flush=True,
        )
        lines = read_predictions(out / f"{name}-{turn}")
        assert [line["frame"] for line in lines] == list(range(len(stream)))
        assert [line["predicted"] for line in lines] == named
        if stream.labels:
            right = sum(stream.label(path) == word for path, word in zip(stream.files, named, strict=True))
            print(f"    {stream.name}: {done.right} of {done.labelled} right, offline {right}")
    bare = show(f"{name} bare", rates["bare"], "frames/s")
    return verdict(show(f"{name} in the pipeline, groups of {group}", rates["stream"], "frames/s") / bare, GOALS[name])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--images", type=Path, help="a folder or archive with train/<class>/ and test/<class>/ (default: synthetic)"
    )
    parser.add_argument("--frames", type=int, default=100, help="the number of images for ResNet-50")
    parser.add_argument("--count", type=int, default=10_000, help="the number of images for the course's model")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--group", type=int, default=64)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        print(machine())
        export_run(out, out / "resnet50.pt", model="resnet50", weights="none")
        large = Stream(photographs(out / "photographs", args.frames))
        failed = compare("resnet50", large, out / "resnet50.pt", out, group=1, rounds=args.rounds)
        export_run(out, out / "resnet18.pt", model="resnet18-32")
        origin = from_images(args.images) if args.images else from_synthetic()
        make_images(out, origin, batches=["test_batch"], per_batch=args.count)
        small = Stream(out / "images", out / "labels")
        failed |= compare("resnet18-32", small, out / "resnet18.pt", out, group=args.group, rounds=args.rounds)
    return failed


if __name__ == "__main__":
    sys.exit(main())
