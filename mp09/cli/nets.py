"""The command of the nets package: models."""

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

from mp09.cli.common import Commands, show_table

if TYPE_CHECKING:
    from mp09.nets.catalog import Figures

OF_LIST = ("model", "top-1 %", "top-5 %", "million\nparameters", "GMAC", "MiB", "weights")


def add(commands: Commands) -> None:
    about = "list the models that can be loaded, or look into one of them, without a download"
    parser = commands.add_parser("models", help=about, description=about)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("name", nargs="?", metavar="NAME", help="the model to look into")
    which.add_argument("--filter", default="", metavar="TEXT", help="list only models whose names contain TEXT")
    parser.set_defaults(run=_models)


def _models(args: argparse.Namespace) -> int:
    return _look_into(args.name) if args.name else _list(args.filter)


def _list(part: str) -> int:
    from mp09.nets.catalog import listing

    found = listing(part)
    rows = [(name, *_figures(one), one.weights.rpartition("_Weights.")[2]) for name, one in found.items()]
    show_table(OF_LIST, rows)
    for on in dict.fromkeys(one.on for one in found.values()):
        names = [name for name, one in found.items() if one.on == on]
        print(f"{names[0] if len(names) == 1 else len(names)}: published accuracy measured on {on}")
    if not found:
        print(f"no model has {part} in its name")
    return 0 if found else 1


def _look_into(name: str) -> int:
    from mp09.nets.catalog import details

    found = details(name)
    print(name)
    for entry in found.entries:
        how, figures = entry.preprocess.describe(), entry.figures
        default = ", the default" if entry.is_default and len(found.entries) > 1 else ""
        print(f"\n  {entry.key}{default}: {figures.weights}")
        top5 = "" if figures.top5 is None else f", top-5 {figures.top5:.2f} %"
        print(f"    top-1 {figures.top1:.2f} %{top5} on {figures.on}; {figures.outputs} outputs")
        print(f"    {figures.parameters:,} parameters, {figures.gmacs:.3f} GMAC an image, {figures.file_mib:.1f} MiB")
        sizes = f"shorter side {how['resize']}, middle {how['size']} x {how['size']}"
        print(f"    images: {sizes}, {how['interpolation']}")
        print(f"    normalised: mean {_numbers(how['mean'])}, standard deviation {_numbers(how['std'])}")
    print("\n  blocks, with their parameters")
    width = max(len(part) for part, _, _ in found.blocks)
    for part, kind, count in found.blocks:
        print(f"    {part:{width}}  {kind:24} {count:>13,}")
    for title, lines in (("methods", found.methods), ("load it", found.load)):
        print(f"\n  {title}", *lines, sep="\n    ")
    return 0


def _figures(one: "Figures") -> tuple[str, ...]:
    top5 = "-" if one.top5 is None else f"{one.top5:.2f}"
    return f"{one.top1:.2f}", top5, f"{one.parameters / 1e6:.2f}", f"{one.gmacs:.3f}", f"{one.file_mib:.1f}"


def _numbers(values: Iterable[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)
