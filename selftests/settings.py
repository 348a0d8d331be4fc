"""Run any command in one of the three settings in which the grader must hold.

    python -m selftests.settings SETTING COMMAND ...

    root          as root, with what the kernel offers
    user          as an ordinary user, who owns the checkout; see view.py
    no-landlock   as root in a container whose kernel has no Landlock; see release/container.py

The exit code is the command's. It is 1 where this machine can't offer the setting, and 2 when the call is wrong.
"""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VIEW = ROOT / "selftests" / "view.py"
CONTAINER = ROOT / "selftests" / "release" / "container.py"
SETTINGS = ("root", "user", "no-landlock")


def within(setting: str, command: list[str], *, shared: Path | None = None) -> list[str]:
    """Return the command that runs `command` in a setting, from the checkout's folder.

    Args:
        setting: One of SETTINGS.
        command: The command and its arguments.
        shared: A folder, writable for all, that the command finds where it is. Except at "root", it sees no other
            folder that the caller made.
    """
    if setting == "root" or not is_root():  # who is not root is an ordinary user already
        return command
    view = [sys.executable, str(VIEW), *(["--share", str(shared)] if shared else [])]
    if setting == "user":
        return [*view, *command]
    return [*view, "--as-root", sys.executable, str(CONTAINER), "--without-landlock", *command]


@cache
def why_not(setting: str) -> str:
    """Return why a setting can't be had on this machine; "" when it can."""
    if sys.platform != "linux":
        return f"the settings are Linux's; this is {sys.platform}"
    if setting != "user" and not is_root():
        return "only root can be root"
    command = within(setting, [sys.executable, "-c", "import mp09.grading.sandbox.sandbox"])
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["no reason given"])[-1]


def is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def main() -> int:
    setting, *command = sys.argv[1:] or [""]
    if setting not in SETTINGS or not command:
        print(__doc__, file=sys.stderr)
        return 2
    if reason := why_not(setting):
        print(f"{setting}: {reason}", file=sys.stderr)
        return 1
    return subprocess.run(within(setting, command), cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
