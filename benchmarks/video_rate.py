"""Checks that classifying a video costs little besides the model: its frames a second over the bare model's.

    python -m benchmarks.video_rate [--video film.mp4] [--frames 100] [--rounds 3]

End to end, a frame of 1280x720 is decoded, resized, classified, and gets label and rate written over it. The bare model
is ResNet-50 in the same form, on the same frames, which are already 224x224 and normalised; its outputs are not kept.
PyTorch's form of it is timed beside it. The weights are random, which does not change the speed.
"""

import argparse
import sys
import tempfile
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cv2
import numpy as np
import torch

from benchmarks.common import by_turns, machine, show, verdict
from mp09.device import choose_device, fast_dtype
from mp09.features.forms import Form, engine, form_of, pytorch_form
from mp09.inference.frames import open_source
from mp09.inference.results import results
from mp09.nets.backbones import backbone
from mp09.precision import BFLOAT16, FLOAT32
from mp09.recipes.classify import predictor

GOAL = 0.85
MODEL = "resnet50"


def film(path: Path, frames: int) -> Path:
    """Write a video of a moving pattern at 1280x720 and 25 frames a second."""
    random = np.random.default_rng(0)
    scene = cv2.resize(
        random.integers(0, 256, (60, 120, 3), dtype=np.uint8), (1500, 750), interpolation=cv2.INTER_CUBIC
    )
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25, (1280, 720))
    for number in range(frames):
        shift = number % 200
        writer.write(np.ascontiguousarray(scene[:720, shift : shift + 1280]))
    writer.release()
    return path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--video", type=Path, help="the video to classify (default: a moving pattern)")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        video = args.video or film(Path(folder) / "film.mp4", args.frames)
        device = choose_device("cpu")
        precision = BFLOAT16 if fast_dtype(device) == torch.bfloat16 else FLOAT32
        base = backbone(MODEL, "none")
        assert base.head is not None  # ResNet-50 ends in one linear layer
        head = base.head.eval()
        with open_source(video) as source:
            images = [torch.from_numpy(f.image).permute(2, 0, 1)[None] for f in islice(source, args.frames)]
        shape = tuple(images[0].shape)
        ready = [base.preprocess(x).contiguous() for x in images]
        del images
        sample = ready[0].repeat(2, 1, 1, 1)
        form, pytorch = form_of(base.body, sample, precision, device), pytorch_form(base.body, precision, device)
        predict = predictor(model=MODEL, weights="none", device="cpu")

        @torch.inference_mode()
        def bare(form: Form) -> None:
            for x in ready:
                head(form(x))

        def end_to_end() -> None:
            with open_source(video) as source:
                for result in islice(results(source, predict), len(ready)):
                    result.annotated  # noqa: B018 (the property does the work)

        sides = {"pytorch": lambda: bare(pytorch), "bare": lambda: bare(form), "end to end": end_to_end}
        for work in sides.values():  # the first calls also plan, and are not timed
            work()
        times = by_turns(sides, args.rounds)
    print(f"{machine()}; {len(ready)} frames {shape[3]}x{shape[2]}, ResNet-50 at 224, {precision}")
    rates = {side: [len(ready) / value for value in values] for side, values in times.items()}
    show("bare model in PyTorch", rates["pytorch"], "frames/s")
    bare_rate = show(f"bare model in {engine(device) or 'PyTorch'}", rates["bare"], "frames/s")
    return verdict(show("end to end", rates["end to end"], "frames/s") / bare_rate, GOAL)


if __name__ == "__main__":
    sys.exit(main())
