"""Adds the commands of the recipes package, each of which has a file of its own here."""

from mp09.cli import export, features, pretrain, train, tune
from mp09.cli.common import Commands


def add(commands: Commands) -> None:
    """Add these commands to argparse's subparsers."""
    for command in (train, features, tune, export, pretrain):
        command.add(commands)
