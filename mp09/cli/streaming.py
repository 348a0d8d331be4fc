"""The commands of the streaming room: cifar-images, stream."""

import argparse
from pathlib import Path

from mp09.cli.common import DEFAULT, positive, progress_bar


def add(commands) -> None:
    _add_cifar_images(commands)
    _add_stream(commands)


def _add_cifar_images(commands) -> None:
    about = "write CIFAR-10 as pictures, a label for each, and the class names"
    parser = commands.add_parser(
        "cifar-images",
        help=about,
        description=about,
        epilog="Without a source CIFAR-10 is downloaded; where it can't be reached, pictures are drawn.",
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--archive", type=Path, metavar="FILE", help="the official cifar-10-python.tar.gz")
    source.add_argument("--batches", type=Path, metavar="DIR", help="what is in it, or cifar10_batches of data")
    source.add_argument(
        "--images",
        type=Path,
        metavar="PATH",
        help="train/<class>/, test/<class>/ of ten classes, or an archive",
    )
    source.add_argument("--download", action="store_true", help="the official archive, or fail")
    source.add_argument("--synthetic", action="store_true", help="drawn pictures; needs nothing")
    parser.add_argument("--out", type=Path, default=Path("cifar_images"), metavar="DIR", help=DEFAULT)
    parser.add_argument(
        "--batch", choices=("1", "2", "3", "4", "5", "test"), nargs="+", default=["test"], help="which; default: test"
    )
    parser.add_argument("--per-batch", type=positive, metavar="N", help="pictures of each, 1..10000 (default: all)")
    parser.set_defaults(run=_cifar_images)


def _cifar_images(args: argparse.Namespace) -> int:
    from mp09.errors import DownloadError
    from mp09.streaming import cifar_images as cifar

    with progress_bar() as progress:
        if args.synthetic:
            origin = cifar.from_synthetic()
        elif args.images:
            origin = cifar.from_images(args.images)
        elif args.batches:
            origin = cifar.from_batches(args.batches)
        elif args.archive:
            origin = cifar.from_archive(args.archive, args.out)
        else:
            try:
                origin = cifar.from_download(args.out, progress=progress)
            except DownloadError as error:
                if args.download:
                    raise
                print(f"CIFAR-10 could not be fetched: {error}\nThe pictures are DRAWN instead.")
                origin = cifar.from_synthetic()
        batches = ["test_batch" if name == "test" else f"data_batch_{name}" for name in args.batch]
        count = cifar.make_images(args.out, origin, batches=batches, per_batch=args.per_batch, progress=progress)
    print(f"{args.out}: {count} pictures of: {origin.name}, {len(origin.classes)} classes")
    return 0


def _add_stream(commands) -> None:
    about = "stream pictures through a network in improv, and write what it says of each"
    parser = commands.add_parser("stream", help=about, description=about)
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="with .jpg or .png files")
    parser.add_argument("--labels", type=Path, metavar="DIR", help="with one .txt a picture: a class' name or number")
    parser.add_argument("--model", type=Path, required=True, metavar="FILE", help="of export")
    parser.add_argument("--graph", default="demo", metavar="WHICH", help="demo, timing, or a YAML file; " + DEFAULT)
    parser.add_argument("--out", type=Path, default=Path("runs/stream"), metavar="DIR", help=DEFAULT)
    parser.add_argument("--processors", type=positive, default=1, metavar="N", help="networks side by side; " + DEFAULT)
    parser.add_argument("--group", type=positive, default=1, metavar="N", help="frames a message; " + DEFAULT)
    parser.add_argument("--frames", type=positive, metavar="N", help="pictures over and over (default: each once)")
    parser.add_argument("--warm-up", type=_count, default=3, metavar="N", help="runs before it starts; " + DEFAULT)
    parser.add_argument("--store", type=positive, default=256, metavar="MB", help="of improv; " + DEFAULT)
    parser.add_argument("--resume", action="store_true", help="go on after the last frame that --out has")
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu or cuda; " + DEFAULT)
    parser.set_defaults(run=_stream)


def _stream(args: argparse.Namespace) -> int:
    from mp09.streaming.pictures import Stream
    from mp09.streaming.run import Options, run

    options = Options(args.graph, args.processors, args.group, args.warm_up, args.device, args.store)
    stream = Stream(args.images, args.labels, args.frames or 0)
    with progress_bar() as progress:
        done = run(stream, args.model, args.out, options, resume=args.resume, progress=progress)
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
        of = f"{done.right} of {done.judged} pictures of {stream.name}"
        print(f"accuracy {done.right / done.judged:.4f}, {of}")
    if done.judged < done.labelled:
        print(f"not judged: {done.labelled - done.judged} pictures whose labels are no classes of this network")
    if done.unreadable:
        print(f"unreadable: {done.unreadable}, see their lines in predictions.jsonl")
    results = [path.name for path in sorted(args.out.iterdir()) if path.suffix in (".jsonl", ".npy", ".csv", ".png")]
    print(f"written: {args.out}: {', '.join(results)}")
    return 1 if done.unreadable else 0


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number, 0 or more, got {text}")
    return int(text)
