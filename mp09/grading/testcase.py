"""Define the base class of the suites in `tests/`."""

import unittest

from mp09.grading.diagnose.record import Diagnosis, Failed
from mp09.grading.submission import Submission


class SubmissionTest(unittest.TestCase):
    """Asks `self.submission` about submitted.py, and judges the answers.

    `expect` fails the test with a diagnosis, and `advise` leaves a remark that costs no points.

    Attributes:
        submission: set by the grader before the test runs.
        score: points, set by a test with partial credit; None gives all points to a test that passes, else none.
        advice: the remarks.
    """

    submission: Submission
    score: float | None = None
    advice: tuple[str, ...] = ()

    def expect(self, diagnosis: Diagnosis | None) -> None:
        """Fail with `diagnosis`, unless it is None."""
        if diagnosis is not None:
            raise Failed(diagnosis)

    def advise(self, text: str | None) -> None:
        if text:
            self.advice += (text,)
