"""The record of a diagnosis, and the failure that carries one."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Diagnosis:
    """expected, got: the facts; remedy: likely cause and what to do."""

    key: str
    expected: str
    got: str
    remedy: str

    def __str__(self) -> str:
        return f"Expected: {self.expected}\nGot:      {self.got}\nHelp:     {self.remedy}"


class Failed(AssertionError):  # noqa: N818 (a verdict, not an error)
    """A test failed because of the submission."""

    def __init__(self, diagnosis: Diagnosis):
        super().__init__(str(diagnosis))
        self.diagnosis = diagnosis
