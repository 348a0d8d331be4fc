"""Pairs of submissions that share much code, by copydetect's fingerprints (extra `instructor`)."""

import io
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from mp09.errors import ClassError

K_GRAM, WINDOW = 25, 1  # characters of code, comments and names left aside
SHARE = 0.5  # of the smaller one's own code, from which on a pair is named
OWN_FINGERPRINTS = 20  # less own code than that says nothing


@dataclass(frozen=True)
class Pair:
    """Two submissions and the shares (0..1) of their own code that they have in common."""

    first: str
    second: str
    of_first: float
    of_second: float


def similar_pairs(copies: Path, skeleton: str) -> list[Pair]:
    """Pairs among `copies`/KEY/submitted.py, the most similar first; what the skeleton holds does not count.

    Raises ClassError when copydetect is not installed.
    """
    try:
        from copydetect import CodeFingerprint, compare_files
    except ImportError as error:
        raise ClassError("copydetect is not installed: pip install -e '.[instructor]'") from error

    def fingerprint(text: str, boilerplate=None):
        return CodeFingerprint("submitted.py", K_GRAM, WINDOW, boilerplate, language="python", fp=io.StringIO(text))

    given = list(fingerprint(skeleton).hashes)
    prints = {}
    for path in sorted(copies.glob("*/submitted.py")):
        found = fingerprint(path.read_text(encoding="utf-8", errors="replace"), given)
        if len(found.hashes) >= OWN_FINGERPRINTS:
            prints[path.parent.name] = found
    pairs = []
    for first, second in combinations(prints, 2):
        shares = compare_files(prints[first], prints[second])[1]
        if max(shares) >= SHARE:
            pairs.append(Pair(first, second, float(shares[0]), float(shares[1])))
    return sorted(pairs, key=lambda pair: -(pair.of_first + pair.of_second))
