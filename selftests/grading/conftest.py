"""Provides a way to grade source code to the tests of grading."""

import pytest

from mp09.grading.report import TestResult


@pytest.fixture
def submit(tmp_path, run_grader):
    """Give a function that grades source code, by default with the tests about the dataset only."""

    def submit(source: str, **options) -> dict[str, TestResult]:
        folder = tmp_path / "submission"
        folder.mkdir(exist_ok=True)
        (folder / "submitted.py").write_text(source)
        report = run_grader(folder, **{"only": "dataset"} | options)
        return {test.number: test for test in report.tests}

    return submit
