"""Show a grading run in the terminal."""

import textwrap

from rich.console import Console
from rich.status import Status
from rich.text import Text

from mp09.grading.report import FAILED, PASSED, GradeReport, TestResult

MARKS = {PASSED: ("✓", "green"), FAILED: ("✗", "red")}
WORKING = {
    "load": "importing submitted.py",
    "train": "training: run_model()",
    "predict": "classifying the test images",
}
WIDTH = 100  # columns of a line, unless the terminal is narrower


class TerminalWatcher:
    """Prints a line for each test that finishes, with the diagnosis of a failure, and says what it is waiting for."""

    def __init__(self, console: Console):
        self._console = console
        self._status: Status | None = None
        self._said = 0.0

    def finished(self, result: TestResult) -> None:
        self.stop()
        width = min(WIDTH, self._console.width)
        self._console.print(line(result, width), highlight=False)
        for text in details(result, width):
            self._console.print(Text(text), highlight=False)

    def waiting(self, operation: str, seconds: float) -> None:
        text = f"  … {WORKING.get(operation, 'asking the submission')}, {seconds:.0f} s"
        if self._console.is_terminal:
            if self._status is None:
                self._status = self._console.status("")
                self._status.start()
            self._status.update(text)
        elif seconds - self._said >= 30 or seconds < self._said:  # a log file gets a line every half minute
            self._said = seconds
            if seconds >= 30:
                self._console.print(text, highlight=False)

    def stop(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None


def line(result: TestResult, width: int = WIDTH) -> Text:
    """Return the line of one test: its mark, number, name and points, cut to `width` columns."""
    mark, color = MARKS.get(result.status, ("?", "yellow"))
    points = f"{result.score:g} / {result.max_score:g}" if result.max_score else "practice"
    name = textwrap.shorten(result.name, width - 18, placeholder=" …")
    return Text.assemble((f" {mark} ", f"bold {color}"), f"{result.number:4} {name:{width - 18}} {points:>9}")


def details(result: TestResult, width: int = WIDTH) -> list[str]:
    """Return the diagnosis and the advice of a test, wrapped to `width` and indented to stand below its line."""
    texts = [result.output] if result.output else []
    texts += [f"Advice:   {text}" for text in result.advice]
    if result.diagnosis:
        texts.append(f"More:     docs/student.md#{result.diagnosis}")
    return [textwrap.indent(_wrap(text, width - 8), " " * 8) for text in texts]


def summary(report: GradeReport) -> list[str]:
    """Return the last lines of a run: score, accuracy, data source, device, and what else is to be noted."""
    accuracy = "not measured" if report.accuracy is None else f"{report.accuracy:.4f}"
    lines = [
        f"Score     {report.score:g} / {report.max_score:g}",
        f"Accuracy  {accuracy} on {report.scored} images of: {report.source}",
        f"Run       {report.seconds:.0f} s on {report.device or 'no device'}, isolation: {report.sandbox}",
    ]
    lines += [f"Note      {remark}" for remark in (report.file_remark, *report.remarks) if remark]
    if report.near_step:
        lines.append("Note      the accuracy is within half a percentage point of a step")
    if report.status != "graded":
        lines.insert(
            0, "THE GRADER COULD NOT RUN EVERY TEST. This is not the student's fault; the score is incomplete."
        )
    if report.max_score == 30:
        lines.append("70 more points are given for hidden tests of what the practice checks look at.")
    return lines


def _wrap(text: str, width: int) -> str:
    wrapped = (
        textwrap.fill(row, width, subsequent_indent=" " * 10, break_long_words=False) for row in text.splitlines()
    )
    return "\n".join(wrapped)
