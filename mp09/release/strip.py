"""Turns the reference solution into the skeleton that students start from, by replacing its solution regions.

Each region ends with `### END SOLUTION`, and its first line says what becomes of it:

    ### BEGIN SOLUTION: the task in words        becomes    raise NotImplementedError("the task in words")
    ### BEGIN SOLUTION                           disappears with its contents (helpers of the reference)
"""

import json
import re

from mp09.errors import ReleaseError

BEGIN = re.compile(r"^(\s*)### BEGIN SOLUTION(?:: (.+))?$")
END = re.compile(r"^\s*### END SOLUTION$")


def strip(source: str) -> str:
    """Return the skeleton of a solution.

    Args:
        source: the text of the solution.

    Raises:
        ReleaseError: a region is nested, unclosed, empty, or ends without having begun; the message names the line.
    """
    kept: list[str] = []
    opened = 0  # the line where the current region began; 0 outside of regions
    for number, line in enumerate(source.splitlines(), 1):
        if begin := BEGIN.match(line):
            if opened:
                raise ReleaseError(f"line {number}: a solution region begins inside the one of line {opened}.")
            opened = number
            if begin[2]:
                kept.append(f"{begin[1]}raise NotImplementedError({json.dumps(begin[2])})")
        elif END.match(line):
            if not opened:
                raise ReleaseError(f"line {number}: a solution region ends that has not begun.")
            if number == opened + 1:
                raise ReleaseError(f"line {opened}: the solution region is empty.")
            opened = 0
        elif not opened:
            kept.append(line)
    if opened:
        raise ReleaseError(f"line {opened}: the solution region has no ### END SOLUTION.")
    return re.sub(r"\n{4,}", "\n\n\n", "\n".join(kept) + "\n")
