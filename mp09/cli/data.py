"""The command of the data room: data."""

import argparse
from pathlib import Path

from mp09.cli.common import DATA, progress_bar


def add(commands) -> None:
    about = "make cifar10_batches/, or check it"
    parser = commands.add_parser(
        "data",
        help=about,
        description=about,
        epilog=("Without a source a complete folder is kept; else CIFAR-10 is downloaded; else pictures are drawn."),
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--archive", type=Path, metavar="FILE", help="the official cifar-10-python.tar.gz")
    source.add_argument(
        "--images",
        type=Path,
        metavar="PATH",
        help="pictures in train/<class>/ and test/<class>/ of a folder, .tar, .tar.xz or .zip",
    )
    source.add_argument("--download", action="store_true", help="the official archive, or fail")
    source.add_argument("--synthetic", action="store_true", help="drawn pictures; needs nothing")
    source.add_argument("--verify", action="store_true", help="only compare the folder with its checksums")
    parser.add_argument(
        "--out", type=Path, default=DATA, metavar="DIR", help="the folder to make (default: %(default)s)"
    )
    parser.add_argument("--per-file", type=int, metavar="N", help="pictures a file (default: 8000 in a new folder)")
    parser.add_argument(
        "--holdout",
        type=int,
        metavar="N",
        help="N images in a private file for the grader: synthetic ones besides, others out of the training images",
    )
    parser.add_argument("--seed", type=int, help="shuffles, and draws (default: 0 in a new folder)")
    parser.add_argument("--force", action="store_true", help="replace a folder that this command did not make")
    parser.set_defaults(run=_data)


def _data(args: argparse.Namespace) -> int:
    from mp09.data import prepare, sources
    from mp09.data import source as source_file

    if args.verify:
        source = source_file.verify(args.out)
    else:
        origin = (
            sources.from_images(args.images)
            if args.images
            else sources.from_archive(args.archive)
            if args.archive
            else sources.from_download(args.out.absolute().parent / prepare.ARCHIVE_NAME)
            if args.download
            else sources.from_synthetic(args.seed or 0)
            if args.synthetic
            else None
        )
        with progress_bar() as progress:
            source = prepare.make_batches(
                args.out,
                origin,
                per_file=args.per_file,
                seed=args.seed,
                holdout=args.holdout,
                force=args.force,
                progress=progress,
            )
    if source.note:
        print(f"NOTE: {source.note}\nNOTE: these are DRAWN pictures, not CIFAR-10; every score on them says so.")
    train = sum(count for name, count in source.counts.items() if name.startswith("data_"))
    print(f"{args.out}: {source.name}, {train} pictures to train on, {source.counts['test_batch']} to test on")
    if source.holdout:
        print(f"{source_file.holdout_file(args.out)}: {source.holdout} pictures for the grader alone")
        if source.name.startswith("CIFAR-10"):
            print("NOTE: CIFAR-10 is public, and so are the labels of these: they are hidden, but not secret.")
    return 0
