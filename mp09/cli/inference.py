"""The command of the inference package: classify."""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from mp09.cli.common import DEFAULT, Commands, add_device, add_model, add_precision, add_weights, positive
from mp09.recipes.model_options import ModelOptions

if TYPE_CHECKING:
    from mp09.inference.results import Result


def add(commands: Commands) -> None:
    about = "classify the frames of a camera or a video, or images"
    parser = commands.add_parser("classify", help=about, description=about)
    parser.add_argument("source", metavar="SOURCE", help="a camera's number (0), a video, an image or a folder")
    add_model(parser, ModelOptions.name, "the model, with the head it was published with " + DEFAULT)
    add_weights(parser, ModelOptions.weights, "the weights of that model " + DEFAULT)
    parser.add_argument(
        "--checkpoint",
        type=Path,
        metavar="PATH",
        help="a folder that train wrote, or a file that export wrote, instead of --model and --weights",
    )
    parser.add_argument("--classes", type=Path, metavar="FILE", help="a text file with the name of each output")
    parser.add_argument("--top", type=positive, default=5, help="how many of the likeliest classes to show " + DEFAULT)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="PATH",
        help="write an annotated video (.mp4 or .avi); for an image a PNG, for several a folder",
    )
    parser.add_argument("--show", action="store_true", help="show the frames in a window; q quits")
    parser.add_argument("--json", action="store_true", help="print one line of JSON for each frame")
    parser.add_argument(
        "--live", action="store_true", help="play a video as if a camera gave it: frames that come too fast are dropped"
    )
    parser.add_argument("--frames", type=positive, metavar="N", help="stop after N frames")
    add_device(parser)
    add_precision(parser)
    parser.set_defaults(run=_classify)


def _classify(args: argparse.Namespace) -> int:
    from mp09.errors import FrameError
    from mp09.inference.frames import ImageFiles, open_source
    from mp09.recipes.classify import classify, predictor

    if args.out and args.out.exists() and Path(args.source).exists() and args.out.samefile(args.source):
        raise FrameError(f"{args.out}: is what is to be classified. Choose another --out.")
    if Path(args.model).exists():  # as --model was once used
        args.checkpoint = Path(args.model)
    with open_source(args.source, live=args.live) as source:
        predict = predictor(
            model=args.model,
            weights=args.weights,
            checkpoint=args.checkpoint,
            classes=args.classes,
            top=args.top,
            device=args.device,
        )
        tell = _json if args.json else _lines if isinstance(source, ImageFiles) else _changes()
        done = classify(source, predict, out=args.out, show=args.show, frames=args.frames, each=tell)
    for note in source.notes:
        print(f"note: {note}", file=sys.stderr)
    if not args.json:
        dropped = f", {done.dropped} dropped" if source.live else ""
        frames = "frame" if done.frames == 1 else "frames"
        print(f"{done.frames} {frames} in {done.seconds:.1f} s, {done.frames / done.seconds:.1f} a second{dropped}")
        if args.out:
            print(f"written: {args.out}")
    return 1 if source.notes else 0


def _json(result: "Result") -> None:
    frame, prediction = result.frame, result.prediction
    line = {
        "frame": frame.number,
        "name": frame.name,
        "seconds": round(frame.seconds, 3),
        "label": prediction.label,
        "probability": round(prediction.probability, 6),
        "top": [{**asdict(guess), "probability": round(guess.probability, 6)} for guess in prediction.top],
        "latency_ms": round(prediction.latency_ms, 3),
    }
    print(json.dumps(line, ensure_ascii=False), flush=True)


def _lines(result: "Result") -> None:
    from mp09.inference.panel import top_lines

    print(f"{result.frame.name}  {result.prediction.latency_ms:.1f} ms")
    for line in top_lines(result.prediction):
        print(f"    {line}")


def _changes() -> "Callable[[Result], None]":
    """Return a function that prints a result whose label differs from the one before."""
    last = ""

    def tell(result: "Result") -> None:
        nonlocal last
        if result.prediction.label != last:
            last = result.prediction.label
            print(f"{result.frame.seconds:8.2f} s  {last} {result.prediction.probability:.0%}", flush=True)

    return tell
