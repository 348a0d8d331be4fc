"""The command of the streaming package: stream."""

import argparse
from pathlib import Path

from mp09.cli.common import DEFAULT, Commands, add_device, positive, progress_bar


def add(commands: Commands) -> None:
    _add_stream(commands)


def _add_stream(commands: Commands) -> None:
    about = "stream images through a model in improv, and write what it predicts for each of them"
    parser = commands.add_parser("stream", help=about, description=about)
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="the folder of the images")
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="DIR",
        help="a folder of .txt files, each with the name or number of an image's class",
    )
    exported = parser.add_mutually_exclusive_group(required=True)
    exported.add_argument("--exported", type=Path, metavar="FILE", help="a model that export wrote")
    exported.add_argument("--model", type=Path, dest="exported", help=argparse.SUPPRESS)  # its older name
    parser.add_argument("--graph", default="demo", metavar="WHICH", help="demo, timing, or a YAML file " + DEFAULT)
    parser.add_argument(
        "--out", type=Path, default=Path("runs/stream"), metavar="DIR", help="the folder for results " + DEFAULT
    )
    parser.add_argument(
        "--processors", type=positive, default=1, metavar="N", help="processors that work side by side " + DEFAULT
    )
    parser.add_argument("--group", type=positive, default=1, metavar="N", help="frames in a message " + DEFAULT)
    parser.add_argument(
        "--frames", type=positive, metavar="N", help="stream N frames, repeating the images (default: each once)"
    )
    parser.add_argument(
        "--warm-up", type=_count, default=3, metavar="N", help="runs of the model before the first frame " + DEFAULT
    )
    parser.add_argument(
        "--store", type=positive, default=256, metavar="MB", help="the size of improv's store " + DEFAULT
    )
    parser.add_argument("--resume", action="store_true", help="go on after the last frame in --out")
    add_device(parser, "auto, cpu or cuda")
    parser.set_defaults(run=_stream)


def _stream(args: argparse.Namespace) -> int:
    from mp09.streaming.image_folder import Stream
    from mp09.streaming.run import StreamOptions, stream_images

    options = StreamOptions(args.graph, args.processors, args.group, args.warm_up, args.device, args.store)
    stream = Stream(args.images, args.labels, args.frames or 0)
    with progress_bar() as progress:
        done = stream_images(stream, args.exported, args.out, options, resume=args.resume, progress=progress)
    new = done.frames - done.first
    if done.first:
        print(f"{args.out}: " + (f"went on after {done.first} frames" if new else "already completed"))
    if new:
        memory = f"highest memory seen {done.peak_mb:.0f} MB"
        print(f"{new} frames in {done.seconds:.1f} s, {done.rate:.1f} a second, {memory}")
    if done.latency_ms:
        some = f" of {done.timed} frames of {done.frames}" if done.timed < done.frames else ""
        print(f"latency{some}: " + "median {:.1f} ms, 99 % below {:.1f} ms".format(*done.latency_ms))
    if done.judged:
        of = f"{done.right} of {done.judged} images of {stream.name}"
        print(f"accuracy {done.right / done.judged:.4f}, {of}")
    if done.judged < done.labelled:
        print(f"not judged: {done.labelled - done.judged} images whose labels are no classes of this model")
    if done.unreadable:
        print(f"unreadable: {done.unreadable}, see their lines in predictions.jsonl")
    results = [path.name for path in sorted(args.out.iterdir()) if path.suffix in (".jsonl", ".npy", ".csv", ".png")]
    print(f"written: {args.out}: {', '.join(results)}")
    return 1 if done.unreadable else 0


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number, 0 or more, got {text}")
    return int(text)
