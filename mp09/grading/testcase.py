"""What the suites in `tests/` are written with."""

import unittest

from mp09.grading.diagnose.record import Diagnosis, Failed
from mp09.grading.submission import Submission


class SubmissionTest(unittest.TestCase):
    """A test about `self.submission`.

    `expect` fails the test with a diagnosis, `advise` leaves a remark that costs nothing, and `score` is set by tests
    with partial credit.
    """

    submission: Submission
    score: float | None = None

    def setUp(self) -> None:
        self.advice: list[str] = []

    def expect(self, diagnosis: Diagnosis | None) -> None:
        """Fail with `diagnosis`, unless it is None."""
        if diagnosis is not None:
            raise Failed(diagnosis)

    def advise(self, text: str | None) -> None:
        if text:
            self.advice.append(text)
