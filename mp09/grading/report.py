"""Define the records that describe a grading run."""

from dataclasses import dataclass, field

PASSED, FAILED, COULD_NOT_RUN = "passed", "failed", "could not run"


@dataclass(frozen=True)
class TestResult:
    """Holds the result of one test.

    Attributes:
        number, name: e.g. "1.1", and the first line of the test's docstring.
        score, max_score: points; a practice check has a `max_score` of 0.
        status: PASSED, FAILED (because of the submission) or COULD_NOT_RUN (because of the grader).
        visibility, tags: when Gradescope shows the test, and what it is about, e.g. "dataset".
        diagnosis: an anchor in docs/student.md, or "".
        output, advice: what went wrong, and remarks that cost no points; students read both.
    """

    __test__ = False  # tells pytest that this is not a test class

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
    """Describes one graded submission.

    Attributes:
        tests: the results, in the order in which the tests ran; `score` and `max_score` are sums over them.
        status: "graded", or "infrastructure fault" when some test could not run.
        sandbox, remarks: the isolation level, and what is to be said about it.
        source, scored: where the images come from, and on how many the accuracy is measured.
        accuracy: 0 to 1; None when it was not measured.
        near_step: whether the accuracy is so close to a step that another machine might give other points.
        seconds, device: how long the run took, and on what.
        seed, versions: the seed of the random numbers, and the versions of mp09, Python and PyTorch.
        memory_mib: the most that a worker took, with all its processes.
        accounting: what counted the memory, "control group" or "processes".
        file_remark: what is to be said about the file that was graded, if anything.
        transform: the transform that test images went through: "test" for the submission's own, "ToTensor()", "none",
            or "" where none were evaluated.
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
    file_remark: str = ""
    transform: str = ""
