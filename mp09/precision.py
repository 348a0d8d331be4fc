"""Which precision is forced, if any: MP09_PRECISION says it, to this process and to all that it starts.

Where nothing is forced, "auto" asks the processor or GPU: see `models.fast_dtype`, which reads the same variable.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from mp09.errors import DeviceError

VARIABLE = "MP09_PRECISION"
AUTO, FLOAT32, BFLOAT16 = "auto", "float32", "bfloat16"
PRECISIONS = (AUTO, FLOAT32, BFLOAT16)


def forced(otherwise: str = AUTO) -> str:
    """ "float32" or "bfloat16" where MP09_PRECISION says so, else `otherwise`. Raises DeviceError for another word."""
    name = os.environ.get(VARIABLE) or AUTO
    if name not in PRECISIONS:
        raise DeviceError(f"{VARIABLE}: expected {', '.join(PRECISIONS)}; got {name!r}.")
    return otherwise if name == AUTO else name


@contextmanager
def force(name: str | None) -> Iterator[None]:
    """Meanwhile, "auto" means `name` here and in processes that are started; None and "auto" leave it as it is.

    Raises DeviceError when MP09_PRECISION holds a word that is no precision and `name` does not replace it.
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
