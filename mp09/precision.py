"""Force a precision on this process and on all that it starts, with the environment variable MP09_PRECISION.

Where nothing is forced, "auto" depends on the processor or GPU: see `models.fast_dtype`, which reads the same variable.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from mp09.errors import DeviceError

VARIABLE = "MP09_PRECISION"
AUTO, FLOAT32, BFLOAT16 = "auto", "float32", "bfloat16"
PRECISIONS = (AUTO, FLOAT32, BFLOAT16)
INT8 = "int8"  # only for features of a frozen backbone, so it is never forced


def forced(otherwise: str = AUTO) -> str:
    """Return "float32" or "bfloat16" where MP09_PRECISION says so, else `otherwise`.

    Raises:
        DeviceError: MP09_PRECISION holds a word that is no precision.
    """
    name = os.environ.get(VARIABLE) or AUTO
    if name not in PRECISIONS:
        raise DeviceError(f"{VARIABLE}: expected {', '.join(PRECISIONS)}; got {name!r}.")
    return otherwise if name == AUTO else name


@contextmanager
def force(name: str | None) -> Iterator[None]:
    """Within the block, let "auto" mean `name` in this process and in processes that it starts.

    Args:
        name: "float32" or "bfloat16"; None, "auto" and any other word leave everything as it is.

    Raises:
        DeviceError: MP09_PRECISION holds a word that is no precision, and `name` does not replace it.
    """
    before = os.environ.get(VARIABLE)
    if name in (FLOAT32, BFLOAT16):
        os.environ[VARIABLE] = name
    try:
        forced()
        yield
    finally:
        os.environ.pop(VARIABLE, None)
        if before is not None:
            os.environ[VARIABLE] = before
