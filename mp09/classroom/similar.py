"""Finds pairs of submissions that share much code, by copydetect's fingerprints. It needs the extra `instructor`."""

import io
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from mp09.errors import ClassError

K_GRAM, WINDOW = 25, 1  # characters of code in a fingerprint; comments and names don't count
SHARE = 0.5  # a pair is reported from this share of either submission's own code on
OWN_FINGERPRINTS = 20  # with less own code than that, similarity says nothing
LIMIT_S = 10.0  # seconds of processor time to read one submission; an honest one takes a few hundredths


@dataclass(frozen=True)
class Pair:
    """Holds the keys of two submissions, and the share (0 to 1) of the own code of each that they have in common."""

    first: str
    second: str
    of_first: float
    of_second: float


def similar_pairs(copies: Path, skeleton: str) -> tuple[list[Pair], list[str]]:
    """Find pairs of similar submissions among `copies`/KEY/submitted.py.

    Args:
        copies: the folder with a folder for each submission.
        skeleton: the file that all students started from; what it contains does not count.

    Returns:
        The pairs, the most similar first, and the keys of the submissions that were left aside because reading
        their code took more than LIMIT_S. (On Windows there is no such limit.)

    Raises:
        ClassError: copydetect is not installed.
    """
    try:
        from copydetect import CodeFingerprint, compare_files
    except ImportError as error:
        raise ClassError("copydetect is not installed: pip install -e '.[instructor]'") from error

    def fingerprint(text: str, boilerplate: list[int] | None = None) -> CodeFingerprint:
        return CodeFingerprint("submitted.py", K_GRAM, WINDOW, boilerplate, language="python", fp=io.StringIO(text))

    given = list(fingerprint(skeleton).hashes)
    prints, aside = {}, []
    for path in sorted(copies.glob("*/submitted.py")):
        try:
            with _time_limit(LIMIT_S):
                found = fingerprint(path.read_text(encoding="utf-8", errors="replace"), given)
        except TimeoutError:
            aside.append(path.parent.name)
            continue
        if len(found.hashes) >= OWN_FINGERPRINTS:
            prints[path.parent.name] = found
    pairs = []
    for first, second in combinations(prints, 2):
        shares = compare_files(prints[first], prints[second])[1]
        if max(shares) >= SHARE:
            pairs.append(Pair(first, second, float(shares[0]), float(shares[1])))
    return sorted(pairs, key=lambda pair: -(pair.of_first + pair.of_second)), aside


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in what runs inside if it takes more processor time. This works in the main thread only."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def too_long(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGPROF, too_long)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
