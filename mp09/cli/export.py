"""Defines the command export."""

import argparse
from pathlib import Path

from mp09.cli.common import DEFAULT, Commands, add_model, add_weights, positive
from mp09.cli.learning import RUN, add_hidden
from mp09.recipes.model_options import ModelOptions


def add(commands: Commands) -> None:
    """Add this command to argparse's subparsers."""
    about = "write a trained model as one TorchScript file, with preprocessing and class names inside"
    parser = commands.add_parser("export", help=about, description=about)
    of = parser.add_mutually_exclusive_group()
    of.add_argument(
        "--run", type=Path, default=RUN, metavar="DIR", dest="folder", help="a folder that train wrote " + DEFAULT
    )
    add_model(of, None, "a published model with its own head instead of a run")
    parser.add_argument(
        "--out", type=Path, default=Path("model.pt"), metavar="FILE", help="the file to write " + DEFAULT
    )
    add_weights(parser, ModelOptions.weights, "the weights of a published model " + DEFAULT)
    parser.add_argument(
        "--outputs",
        type=positive,
        metavar="N",
        help="give a published model a new head of random numbers with N outputs",
    )
    add_hidden(parser, "the sizes of the new head's hidden layers")
    parser.add_argument("--softmax", action="store_true", help="write a model that gives probabilities, not logits")
    parser.add_argument("--device", default="cpu", metavar="NAME", help="the device that it will run on " + DEFAULT)
    parser.set_defaults(run=_export)


def _export(args: argparse.Namespace) -> int:
    from mp09.recipes.export_run import export_run

    name, difference = export_run(
        args.folder,
        args.out,
        model=args.model,
        weights=args.weights,
        outputs=args.outputs,
        hidden=args.hidden,
        softmax=args.softmax,
        device=args.device,
    )
    print(f"{args.out}: {name}, {args.out.stat().st_size / 1e6:.1f} MB")
    print(f"checked: its scores differ from the model's by at most {difference:.1e}")
    return 0
