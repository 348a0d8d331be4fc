"""Defines the command pretrain."""

import argparse
from pathlib import Path

from mp09.cli.common import DEFAULT, Commands, add_device, add_precision, progress_bar
from mp09.cli.learning import add_seed, sizes


def add(commands: Commands) -> None:
    """Add this command to argparse's subparsers."""
    about = "train a backbone like resnet18.pt, on Tiny ImageNet at 32x32 and then on CIFAR-10's ten classes"
    parser = commands.add_parser("pretrain", help=about, description=about)
    parser.add_argument(
        "--tiny-imagenet", type=Path, metavar="DIR", help="the folder of Tiny ImageNet (default: its stage is left out)"
    )
    parser.add_argument(
        "--cifar10",
        type=Path,
        required=True,
        metavar="PATH",
        help="a folder or an archive with train/<class>/ and test/<class>/ for all ten classes",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs/pretrain"),
        metavar="DIR",
        help="the folder for the stages and for resnet18.pt " + DEFAULT,
    )
    parser.add_argument(
        "--epochs",
        type=sizes,
        metavar="N,N",
        help="the epochs of each stage (default: 8,64, or 64 without Tiny ImageNet)",
    )
    parser.add_argument(
        "--hold-out",
        type=int,
        default=0,
        metavar="N",
        help="training images of CIFAR-10 to validate on instead, for comparing recipes " + DEFAULT,
    )
    parser.add_argument(
        "--start",
        default="none",
        metavar="PATH",
        help="a file of weights to begin with, such as those of an earlier training on other images "
        "(default: random ones)",
    )
    add_device(parser)
    add_precision(parser)
    add_seed(parser, "the seed of everything that is random but the linear probe")
    parser.set_defaults(run=_pretrain)


def _pretrain(args: argparse.Namespace) -> int:
    from mp09.recipes.pretrain import PretrainOptions, pretrain

    with progress_bar() as progress:
        path, card = pretrain(
            args.tiny_imagenet,
            args.cifar10,
            PretrainOptions(args.epochs or None, args.hold_out, args.start, args.device, args.seed),
            out=args.out,
            progress=progress,
            say=print,
        )
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    print(f"ten classes: accuracy {card.accuracy_10:.4f} on the test images")
    print(f"linear probe, eight classes, {card.probe_images} training images: accuracy {card.probe_8:.4f}")
    return 0
