"""The command of the inference room: classify."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from mp09.cli.common import DEFAULT, add_precision, positive


def add(commands) -> None:
    about = "say what is on a camera's frames, in a video or on pictures"
    parser = commands.add_parser("classify", help=about, description=about)
    parser.add_argument("source", metavar="SOURCE", help="a camera's number (0), a video, a picture or a folder")
    parser.add_argument(
        "--network", "--net", default="resnet18-32", metavar="NAME", help="with its own head; " + DEFAULT
    )
    parser.add_argument("--weights", default="default", metavar="WHICH", help="of that network; " + DEFAULT)
    parser.add_argument("--model", type=Path, metavar="PATH", help="instead: a folder of train, or a file of export")
    parser.add_argument("--classes", type=Path, metavar="FILE", help="a text file with the name of each output")
    parser.add_argument("--top", type=positive, default=5, help="so many of the likeliest classes; " + DEFAULT)
    parser.add_argument(
        "--out", type=Path, metavar="PATH", help="annotated video (.mp4, .avi); of pictures PNG or a folder"
    )
    parser.add_argument("--show", action="store_true", help="in a window; q quits")
    parser.add_argument("--json", action="store_true", help="one line of JSON a frame")
    parser.add_argument("--live", action="store_true", help="play a video as a camera would: late frames are dropped")
    parser.add_argument("--frames", type=positive, metavar="N", help="stop after so many")
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or mps; " + DEFAULT)
    add_precision(parser)
    parser.set_defaults(run=_classify)


def _classify(args: argparse.Namespace) -> int:
    from mp09.errors import FrameError
    from mp09.inference.frames import Pictures, open_source
    from mp09.recipes.classify import classify, predictor

    if args.out and args.out.exists() and Path(args.source).exists() and args.out.samefile(args.source):
        raise FrameError(f"{args.out}: is what is to be classified. Choose another --out.")
    with open_source(args.source, live=args.live) as source:
        predict = predictor(
            network=args.network,
            weights=args.weights,
            model=args.model,
            classes=args.classes,
            top=args.top,
            device=args.device,
        )
        tell = _json if args.json else _lines if isinstance(source, Pictures) else _changes()
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


def _json(result) -> None:
    frame, prediction = result.frame, result.prediction
    line = {
        "frame": frame.number,
        "name": frame.name,
        "seconds": round(frame.seconds, 3),
        "label": prediction.label,
        "probability": round(prediction.probability, 6),
        "top": [{**guess._asdict(), "probability": round(guess.probability, 6)} for guess in prediction.top],
        "latency_ms": round(prediction.latency_ms, 3),
    }
    print(json.dumps(line, ensure_ascii=False), flush=True)


def _lines(result) -> None:
    from mp09.inference.panel import top_lines

    print(f"{result.frame.name}  {result.prediction.latency_ms:.1f} ms")
    for line in top_lines(result.prediction):
        print(f"    {line}")


def _changes() -> Callable:
    """Prints a frame whose label differs from the one before."""
    last = ""

    def tell(result) -> None:
        nonlocal last
        if result.prediction.label != last:
            last = result.prediction.label
            print(f"{result.frame.seconds:8.2f} s  {last} {result.prediction.probability:.0%}", flush=True)

    return tell
