"""The commands: one file a room, one function a command. Parse, call one room, print.

Rooms are imported inside the functions, so that `--help` starts at once.
"""

import argparse
import io
import sys
from importlib import import_module
from pathlib import Path

from mp09.errors import Mp09Error
from mp09.grading.ending import INTERRUPTED, TERMINATED, Terminated, drop_output
from mp09.precision import force

# rooms with commands, in the order of `--help`; each has a file here whose `add` adds them
COMMANDS = ("data", "grading", "release", "classroom", "recipes", "nets", "inference", "compare", "streaming")


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 a check failed, 2 an error explained in one line."""
    parser = argparse.ArgumentParser(
        prog="python -m mp09", description="CNN Image Classifier: data, grading, learning."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for room in COMMANDS:
        if (Path(__file__).parents[1] / room).is_dir():  # a handout has only some of the rooms, and of the files here
            import_module(f"mp09.cli.{room}").add(commands)
    args = parser.parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a program that calls this may have put something else there
            stream.reconfigure(errors="replace")  # a name that a terminal can't show must not end anything
    try:
        with force(getattr(args, "precision", None)):
            code = args.run(args)
        sys.stdout.flush()  # or a full disk would show at Python's end
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
    except OSError as error:  # a full disk, a folder that is gone: the system's words name the file, if there is one
        drop_output()
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Terminated:
        print("terminated", file=sys.stderr)
        return TERMINATED
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
