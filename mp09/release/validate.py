"""Proves that the rubric works on this machine: each of many known submissions must get exactly its expected points."""

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.table import Column, Table
from rich.text import Text

from mp09 import precision
from mp09.data.origins import from_synthetic
from mp09.data.prepare import make_batches
from mp09.files import scratch_folder
from mp09.grading.assignment import Assignment
from mp09.grading.sandbox.isolation import PROCESS
from mp09.grading.sandbox.sandbox import Sandbox, Settings
from mp09.release.cases import ATTACKS, CAUSES, CONTROLS, MUTANTS, Case
from mp09.release.verdicts import Verdict, clear_of_steps, run_case

KINDS = (CONTROLS, MUTANTS, ATTACKS, CAUSES)
NAMED = 0.95  # the share of the causes of low accuracies that must be named rightly
MEMORY_MIB = 3072  # small, so that several submissions may run into it at the same time

# Called with the result of a case, the number of finished cases, and the number of all.
Told = Callable[[Verdict, int, int], None]


@dataclass(frozen=True)
class Validation:
    """Holds the results of all cases, the level of isolation, the duration in seconds, and remarks."""

    rows: tuple[Verdict, ...]
    isolation: str
    seconds: float
    remarks: tuple[str, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether all is as it must be; of the causes of low accuracies, NAMED must be named."""
        others = all(row.ok for row in self.rows if row.kind != CAUSES)
        causes = self.of(CAUSES)
        return others and sum(row.ok for row in causes) >= NAMED * len(causes)

    def of(self, kind: str) -> list[Verdict]:
        return [row for row in self.rows if row.kind == kind]

    def as_json(self) -> dict[str, Any]:
        tables = {
            kind: {"total": len(rows), "ok": sum(row.ok for row in rows), "rows": [asdict(row) for row in rows]}
            for kind, rows in ((kind, self.of(kind)) for kind in KINDS)
        }
        return {"isolation": self.isolation, "seconds": self.seconds, "remarks": list(self.remarks), **tables}


def table(validation: Validation) -> Table:
    """Return a table for the terminal, with one line for each case whose points are known."""
    title = f"isolation: {validation.isolation}"
    case, diagnoses = (Column(name, overflow="fold") for name in ("case", "diagnoses"))  # a name is shown whole
    table = Table("", case, "points", "must be", "margin", diagnoses, "s", title=title)
    for kind in (CONTROLS, MUTANTS, ATTACKS):
        rows = validation.of(kind)
        for row in rows:
            got = "none" if row.points is None else f"{row.points:g}"
            mark = Text("✓", "green") if row.ok else Text("✗", "bold red")
            words = ", ".join(row.diagnoses) if row.ok else row.problem
            margin = "" if row.margin is None else f"{row.margin:.3f}"
            name, seconds = f"{kind[:-1]} {row.name}", f"{row.seconds:.0f}"
            table.add_row(mark, name, got, f"{row.expected or 0:g}", margin, words, seconds)
        if rows:
            table.add_row("", f"{sum(row.ok for row in rows)} of {len(rows)} {kind}", end_section=True)
    table.caption = "; ".join([f"{validation.seconds:.0f} s", *validation.remarks])
    return table


def causes_table(validation: Validation) -> Table:
    """Return a table of low accuracies, and of the causes that were named for them."""
    rows = validation.of(CAUSES)
    mistake, named = (Column(name, overflow="fold") for name in ("mistake", "named"))
    table = Table("", mistake, "accuracy", named, "s", title=CAUSES)
    for row in rows:
        mark = Text("✓", "green") if row.ok else Text("✗", "bold red")
        accuracy = "none" if row.accuracy is None else f"{row.accuracy:.2f}"
        words = "; ".join(filter(None, [", ".join(row.diagnoses), row.problem]))
        table.add_row(mark, row.name, accuracy, words, f"{row.seconds:.0f}")
    table.caption = f"{sum(row.ok for row in rows)} of {len(rows)} are named rightly, {NAMED:.0%} must be"
    return table


def validate(
    cases: list[Case],
    *,
    kit: Path,
    tests: Path,
    data: Path | None = None,
    jobs: int = 1,
    threads: int = 1,
    isolation: str = "auto",
    progress: Told | None = None,
) -> Validation:
    """Grade every case and check the results.

    At level "process" attacks are left out, and a remark says so, because that level is no security boundary.

    Args:
        cases: what to grade.
        kit: the repository.
        tests: the folder with the rubric's tests.
        data: a data folder. By default a small synthetic one is made, with 400 images in each file and 240 held out;
            on that one, accuracies must also keep MARGIN from the steps that decide about points.
        jobs: how many cases are graded at a time.
        threads: PyTorch's threads in each grading.
        isolation: the level of isolation, or "auto" for the highest that this machine offers.
        progress: called with the result of a case, the number of finished cases, and the number of all.

    Raises:
        GradingError: this machine does not offer the level of isolation.
        DataError: the data folder is missing or damaged.
    """
    if data is not None:
        return _validate(cases, Assignment(kit, tests, data), jobs, threads, isolation, progress)
    with scratch_folder() as folder:  # workers with a user id of their own can pass through it
        data = folder / "cifar10_batches"
        # The secret is fixed, so that every run has the same held-out images. It was chosen among several because
        # with it the reference is far from the steps: the rubric is validated, not how good the reference is.
        make_batches(data, from_synthetic(0), per_file=400, holdout=240, secret=14)
        found = _validate(cases, Assignment(kit, tests, data), jobs, threads, isolation, progress)
        return replace(found, rows=tuple(map(clear_of_steps, found.rows)))


def _validate(
    cases: list[Case],
    assignment: Assignment,
    jobs: int,
    threads: int,
    isolation: str,
    progress: Told | None,
) -> Validation:
    started = time.monotonic()
    settings = Settings(device="cpu", threads=threads, memory_mib=MEMORY_MIB, isolation=isolation)
    guarded = assignment.private_parts
    idle: list[Sandbox] = [Sandbox(settings, guarded=guarded, close=True) for _ in range(jobs)]
    level, remarks = idle[0].level, list(idle[0].remarks)
    if settings.precision != precision.AUTO:
        remarks.append(f"precision: {settings.precision}, forced")
    if level == PROCESS:
        remarks.append('attacks were left out: level "process" is no security boundary')
        cases = [case for case in cases if case.kind != ATTACKS]
    rows, lock = [], threading.Lock()

    def run(case: Case) -> None:
        with lock:
            sandbox = idle.pop()
        try:
            row = run_case(case, sandbox, assignment)
        finally:
            with lock:
                idle.append(sandbox)
        with lock:
            rows.append(row)
            if progress:
                progress(row, len(rows), len(cases))

    try:
        with ThreadPoolExecutor(jobs) as pool:
            # Controls take longest and come first. The others are mixed, so that attacks, many of which only wait,
            # run beside submissions that train.
            together = [case for case in cases if not case.alone]
            mixed = random.Random(0).sample(together, len(together))
            list(pool.map(run, sorted(mixed, key=lambda case: case.kind != CONTROLS)))
        for case in cases:
            if case.alone:
                run(case)
    finally:
        for sandbox in idle:
            sandbox.close()
    order = {(case.kind, case.name): i for i, case in enumerate(cases)}
    rows.sort(key=lambda row: order[row.kind, row.name])
    return Validation(tuple(rows), level, round(time.monotonic() - started, 1), tuple(remarks))
