"""The records of a grading run."""

from dataclasses import dataclass, field

PASSED, FAILED, COULD_NOT_RUN = "passed", "failed", "could not run"


@dataclass(frozen=True)
class TestResult:
    """One test. status: passed, failed (the student's) or could not run (ours); diagnosis: an anchor in student.md."""

    __test__ = False  # not a test class for pytest

    number: str
    name: str
    score: float
    max_score: float
    status: str
    visibility: str = "visible"
    tags: tuple[str, ...] = ()
    diagnosis: str = ""
    output: str = ""
    advice: tuple[str, ...] = ()


@dataclass(frozen=True)
class GradeReport:
    """One graded submission.

    status: "graded" or "infrastructure fault"; sandbox: the isolation level, and `remarks` on it; accuracy: 0..1, None
    when not measured; near_step: it is so close to a step that another machine might give other points; memory_mib:
    the most that a worker with all its processes took; accounting: what counted it, "control group" or "processes".
    """

    tests: tuple[TestResult, ...]
    score: float
    max_score: float
    status: str
    sandbox: str
    source: str
    scored: int
    accuracy: float | None
    seconds: float
    seed: int
    near_step: bool = False
    memory_mib: int = 0
    remarks: tuple[str, ...] = ()
    device: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    accounting: str = ""
