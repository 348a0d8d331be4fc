"""Define the record of a diagnosis, and the exception that carries one."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Diagnosis:
    """Tells a student what is wrong with the submission, and what to do about it.

    Attributes:
        key: an anchor in docs/student.md.
        expected: what the grader expected.
        got: what came instead.
        remedy: the likely cause, and what to do.
    """

    key: str
    expected: str
    got: str
    remedy: str

    def __str__(self) -> str:
        return f"Expected: {self.expected}\nGot:      {self.got}\nHelp:     {self.remedy}"


class Failed(AssertionError):  # noqa: N818 (a verdict, not an error)
    """A test failed because of the submission, for the reason in `diagnosis`."""

    def __init__(self, diagnosis: Diagnosis):
        super().__init__(str(diagnosis))
        self.diagnosis = diagnosis
