"""Defines the commands of the data package: data, cifar-images and tiny-imagenet."""

import argparse
from pathlib import Path

from mp09.cli.common import DATA, DEFAULT, Commands, positive, progress_bar


def add(commands: Commands) -> None:
    _add_data(commands)
    _add_cifar_images(commands)
    _add_tiny_imagenet(commands)


def _add_source(
    parser: argparse.ArgumentParser, images: str, *, batches: str = ""
) -> "argparse._MutuallyExclusiveGroup":
    """Add the options that say where images come from, and return their group, of which one may be given.

    Args:
        parser: the command's parser.
        images: the help of --images.
        batches: the help of --batches; without it there is no such option.
    """
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--archive", type=Path, metavar="FILE", help="take the images from the official cifar-10-python.tar.gz"
    )
    if batches:
        source.add_argument("--batches", type=Path, metavar="DIR", help=batches)
    source.add_argument("--images", type=Path, metavar="PATH", help=images)
    source.add_argument("--download", action="store_true", help="download the official archive, or fail")
    source.add_argument("--synthetic", action="store_true", help="make synthetic images, for which nothing is needed")
    return source


def _add_data(commands: Commands) -> None:
    about = "make the data folder cifar10_batches/, or check it"
    parser = commands.add_parser(
        "data",
        help=about,
        description=about,
        epilog="In a folder that this command made, what is not given stays as it is. Without a source, CIFAR-10 is "
        "downloaded for a new folder. If that fails, synthetic images are made.",
    )
    source = _add_source(
        parser, "take the images in train/<class>/ and test/<class>/ of a folder, .tar, .tar.xz or .zip"
    )
    source.add_argument("--verify", action="store_true", help="only compare the folder with its checksums")
    parser.add_argument(
        "--out", type=Path, default=DATA, metavar="DIR", help="the folder to make (default: %(default)s)"
    )
    parser.add_argument(
        "--per-file", type=int, metavar="N", help="images in each file, a multiple of 8 (default: 8000 in a new folder)"
    )
    parser.add_argument(
        "--holdout",
        type=int,
        metavar="N",
        help="put N images, a multiple of 40, into a private file for the grader: synthetic ones are made in "
        "addition, others are taken out of the training images; where this would replace held-out images, it has "
        "to be given",
    )
    parser.add_argument(
        "--seed", type=int, help="seed of the order, and of synthetic images (default: 0 in a new folder)"
    )
    parser.add_argument(
        "--force", action="store_true", help="make the folder as if it were new, even if this command did not make it"
    )
    parser.set_defaults(run=_data)


def _data(args: argparse.Namespace) -> int:
    from mp09.data import origins, prepare, provenance
    from mp09.data.download import ARCHIVE_NAME

    if args.verify:
        source = provenance.verify(args.out)
    else:
        if args.synthetic and args.seed is None and not args.force and (args.out / provenance.SOURCE_FILE).exists():
            args.seed = provenance.read_provenance(args.out).seed
        origin = (
            origins.from_images(args.images)
            if args.images
            else origins.from_archive(args.archive)
            if args.archive
            else origins.from_download(args.out.absolute().parent / ARCHIVE_NAME)
            if args.download
            else origins.from_synthetic(args.seed or 0)
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
        print(f"NOTE: {source.note}\nNOTE: these are synthetic images, not CIFAR-10; every score on them says so.")
    train = sum(count for name, count in source.counts.items() if name.startswith("data_"))
    print(f"{args.out}: {source.name}, {train} images to train on, {source.counts['test_batch']} to test on")
    if source.holdout:
        print(f"{provenance.holdout_file(args.out)}: {source.holdout} images for the grader alone")
        if source.name.startswith("CIFAR-10"):
            print("NOTE: CIFAR-10 is public, and so are the labels of these: they are hidden, but not secret.")
    return 0


def _add_cifar_images(commands: Commands) -> None:
    about = "write CIFAR-10 as image files, with a label for each and the class names"
    parser = commands.add_parser(
        "cifar-images",
        help=about,
        description=about,
        epilog="Without a source, CIFAR-10 is downloaded. If that fails, synthetic images are made.",
    )
    _add_source(
        parser,
        "take them from train/<class>/ and test/<class>/ of a folder or archive with ten classes",
        batches="take them from the folder that this archive unpacks to, or from the cifar10_batches that `data` makes",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("cifar_images"), metavar="DIR", help=f"the folder to make {DEFAULT}"
    )
    parser.add_argument(
        "--batch",
        choices=("1", "2", "3", "4", "5", "test"),
        nargs="+",
        default=["test"],
        help="the batches to take (default: test)",
    )
    parser.add_argument(
        "--per-batch", type=positive, metavar="N", help="how many images of each batch, 1..10000 (default: all)"
    )
    parser.set_defaults(run=_cifar_images)


def _cifar_images(args: argparse.Namespace) -> int:
    from mp09.data import cifar_images as cifar
    from mp09.errors import DownloadError

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
                print(f"CIFAR-10 could not be fetched: {error}\nSynthetic images are made instead.")
                origin = cifar.from_synthetic()
        batches = ["test_batch" if name == "test" else f"data_batch_{name}" for name in args.batch]
        count = cifar.make_images(args.out, origin, batches=batches, per_batch=args.per_batch, progress=progress)
    print(f"{args.out}: {count} images of: {origin.name}, {len(origin.classes)} classes")
    return 0


def _add_tiny_imagenet(commands: Commands) -> None:
    about = "make Tiny ImageNet ready to train on, and check it; a repeated run continues an interrupted one"
    parser = commands.add_parser("tiny-imagenet", help=about, description=about)
    parser.add_argument("action", choices=("prepare",))
    parser.add_argument("source", type=Path, metavar="PATH", help="tiny-imagenet-200.zip, or the folder it unpacks to")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="the folder to unpack into (default: that of the archive)"
    )
    parser.set_defaults(run=_tiny_imagenet)


def _tiny_imagenet(args: argparse.Namespace) -> int:
    from mp09.data.tiny_prepare import WHOLE, prepare_tiny_imagenet

    with progress_bar() as progress:
        done = prepare_tiny_imagenet(args.source, out=args.out, progress=progress)
    print(f"{done.root}: {done.classes} classes, {len(done.unnamed)} of them without a name in words.txt")
    for split, (least, most, total) in done.counts.items():
        each = f"{least}" if least == most else f"{least} to {most}"
        part = "" if least == most == WHOLE[split] else f"; the whole set has {WHOLE[split]}"
        print(f"{split}: {total} images, {each} a class{part}")
    print(f"unreadable: {len(done.unreadable)}")
    for path in done.unreadable:
        print(f"    {path}")
    leave_out = " --unreadable skip" if done.unreadable else ""
    print(f"next: python -m mp09 train --data tiny-imagenet:{done.root}{leave_out}")
    return 1 if done.unreadable else 0
