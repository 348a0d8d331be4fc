"""Run the commands of `python -m mp09`: each parses its options, calls one package, and prints the result.

There is one module per package, and in it one function per command; each command of `recipes` has a module of its own.
What loads PyTorch or takes time is imported inside the functions, so that `--help` starts at once.
"""

import argparse
import io
import sys
import warnings
from importlib import import_module
from pathlib import Path
from typing import TextIO

from mp09.errors import Mp09Error, Mp09Warning
from mp09.grading.ending import INTERRUPTED, TERMINATED, Terminated, drop_output
from mp09.precision import force

# These packages have commands; they stand in the order of `--help`. The function `add` of the module of the same name
# here adds a package's commands to the parser.
COMMANDS = ("data", "grading", "release", "classroom", "recipes", "nets", "inference", "compare", "streaming")


_show_as_python_does = warnings.showwarning


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands whose packages are there: a handout has only some, and only their modules."""
    parser = argparse.ArgumentParser(
        prog="python -m mp09",
        description="CNN Image Classifier: prepare data, grade submissions, and train, run and compare models.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for package in COMMANDS:
        if (Path(__file__).parents[1] / package).is_dir():
            import_module(f"mp09.cli.{package}").add(commands)
    return parser


def _show(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning that is meant for users as one line, and any other as Python does."""
    if issubclass(category, Mp09Warning):
        print(f"note: {message}", file=sys.stderr)
    else:
        _show_as_python_does(message, category, filename, lineno, file, line)


def main(argv: list[str] | None = None) -> int:
    """Run one command, and return its exit code.

    It is 0 when the command is done, 1 when a check failed, and 2 after an error, which is explained in one line; 130
    after Ctrl-C and 143 after SIGTERM. An unknown error is raised, and shows its traceback.

    Args:
        argv: the command and its options, by default those of the command line.
    """
    args = make_parser().parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a program that calls this may have put something else in its stead
            stream.reconfigure(errors="replace")  # a name that a terminal can't show must not end a command
    try:
        with force(getattr(args, "precision", None)), warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="PIL")  # what Pillow warns of is no fault, or an error of ours
            warnings.filterwarnings("ignore", "The value of the smallest subnormal")  # it is: torch flushes them to 0
            warnings.showwarning = _show
            code = args.run(args)
        sys.stdout.flush()  # otherwise a full disk would only be noticed at Python's end
        return code
    except Mp09Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        if (error.name or "mp09").partition(".")[0] in ("mp09", "models"):
            raise
        whole = (Path(__file__).parents[2] / "pyproject.toml").exists()
        what = "-e '.[instructor,labs]'" if whole else "-r requirements.txt"
        print(f"error: the package {error.name} is not installed: pip install {what}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # `| head` has read enough
        drop_output()
        return 0
    except OSError as error:  # e.g. a full disk or a missing folder; the message names the file, if there is one
        drop_output()
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Terminated:
        print("terminated", file=sys.stderr)
        return TERMINATED
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
