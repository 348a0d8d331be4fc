"""What is graded against, and how: the records that `grade` takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mp09.data.provenance import holdout_file
from mp09.errors import GradingError
from mp09.grading import rubric
from mp09.grading.sandbox.isolation import AUTO, PROCESS

# Besides the tests, a submission must not read these parts of a repository: they hold the rubric or the reference.
PRIVATE = ("mp09", "submitted.py", "selftests", ".git")


@dataclass(frozen=True)
class Assignment:
    """Says where the assignment lies on the machine that grades.

    Attributes:
        kit: The folder with models.py and resnet18.pt.
        tests: The folder with the rubric's suites.
        data: The folder with the batch files.
    """

    kit: Path
    tests: Path
    data: Path

    @property
    def private_parts(self) -> list[Path]:
        """What a submission must not reach: tests, rubric, held-out images, and all that holds the reference."""
        return [self.tests, holdout_file(self.data).parent, *(self.kit / name for name in PRIVATE)]


@dataclass(frozen=True)
class GradeOptions:
    """Says how a submission is graded.

    Attributes:
        device: "auto", "cpu" or "cuda".
        seed: The seed of the submission's random numbers, 0 to 2**32 - 1.
        timeout_s: Seconds for the whole run. What does not fit in fails, with the reason.
        threads: How many threads torch uses in a worker, by default one for each core that this process may use.
        only: Run only the tests with this tag: "dataset", "dataloader", "model" or "accuracy".
        isolation: "auto", or one of `isolation.LEVELS`.
        least: The lowest isolation level that will do.
        private: Files and folders that submissions must not reach, besides the assignment's private parts.
    """

    device: str = AUTO
    seed: int = rubric.SEED
    timeout_s: float = rubric.OVERALL_LIMIT_S
    threads: int | None = None
    only: str | None = None
    isolation: str = AUTO
    least: str = PROCESS
    private: Sequence[Path] = ()

    def check(self) -> None:
        """Raise GradingError for a seed that is none."""
        if not 0 <= self.seed < 2**32:
            raise GradingError(f"seed: expected 0..4294967295, got {self.seed}.")
