"""Proves the rubric in three settings: as root, as an ordinary user, and as root where the kernel has no Landlock.

    python -m benchmarks.three_settings [--settings root user no-landlock] [options of `python -m mp09 validate`]

It prints one line for each setting: the level of isolation, how many controls, mutants and attacks came out as they
must, the seconds, and the exit code of `validate`. Its own exit code is 0 when all came out as they must in each of the
settings, and none of these was missing on this machine. Only root can have all three.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selftests.settings import ROOT, SETTINGS, why_not, within

KINDS = ("controls", "mutants", "attacks", "causes")


@dataclass(frozen=True)
class Proof:
    """A proof is what `validate` said in a setting.

    Attributes:
        setting: one of SETTINGS.
        code: the exit code of `validate`, or 1 when it could not run.
        seconds: how long it took.
        tables: what it wrote as JSON; empty when it wrote nothing.
        reason: why there are no tables; empty when there are.
    """

    setting: str
    code: int
    seconds: float
    tables: dict[str, Any]
    reason: str = ""

    @property
    def ok(self) -> bool:
        """Whether all came out as it must; attacks that were left out are no proof, though `validate` accepts that."""
        return self.code == 0 and not any("left out" in remark for remark in self.tables.get("remarks", ()))


def prove(setting: str, options: list[str]) -> Proof:
    """Run `validate` in a setting, with more options of its own."""
    if reason := why_not(setting):
        return Proof(setting, 1, 0.0, {}, reason)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mp09-proof-") as private:
        folder = Path(private) / "tables"
        folder.mkdir()
        folder.chmod(0o777)  # for the ordinary user to write here; `private` keeps everybody else out
        out = folder / "validation.json"
        command = [sys.executable, "-m", "mp09", "validate", "--out", str(out), *options]
        code = subprocess.run(within(setting, command, shared=folder), cwd=ROOT).returncode
        tables = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
    return Proof(setting, code, time.monotonic() - started, tables, "" if tables else "no tables were written")


def line(proof: Proof) -> str:
    if proof.reason:
        return f"{proof.setting:12} {proof.reason}"
    counts = [f"{proof.tables[kind]['ok']}/{proof.tables[kind]['total']}" for kind in KINDS]
    columns = "".join(f"{count:>10}" for count in counts)
    return f"{proof.setting:12} {proof.tables['isolation']:10} {columns} {proof.seconds:8.0f} {proof.code:5}"


def details(proof: Proof) -> list[str]:
    """Return the remarks, and every case that did not come out as it must."""
    rows = [row for kind in KINDS for row in proof.tables.get(kind, {}).get("rows", ())]
    faults = [f"{row['name']}: {row['problem']}" for row in rows if not row["ok"]]
    return [f"{proof.setting}: {words}" for words in (*proof.tables.get("remarks", ()), *faults)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--settings",
        nargs="+",
        choices=SETTINGS,
        default=SETTINGS,
        help="the settings to prove it in (default: all three)",
    )
    args, options = parser.parse_known_args()
    proofs = [prove(setting, options) for setting in args.settings]
    kinds = "".join(f"{kind:>10}" for kind in KINDS)
    print(f"\n{'setting':12} {'isolation':10} {kinds} {'seconds':>8} {'exit':>5}")
    print("\n".join([line(proof) for proof in proofs] + [words for proof in proofs for words in details(proof)]))
    return 0 if all(proof.ok for proof in proofs) else 1


if __name__ == "__main__":
    sys.exit(main())
