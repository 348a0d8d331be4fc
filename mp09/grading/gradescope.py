"""Turn a GradeReport into the content of Gradescope's results.json, with a pure function."""

from typing import Any

from mp09.grading.report import COULD_NOT_RUN, PASSED, GradeReport, TestResult

AFTER_PUBLISHED = "after_published"
# These say when students see a hidden test. With "hidden" they don't see their total score either.
VISIBILITIES = (AFTER_PUBLISHED, "after_due_date", "hidden", "visible")


def render(report: GradeReport, *, hidden: str = AFTER_PUBLISHED, leaderboard: bool = False) -> dict[str, Any]:
    """Return the dict that is written as results.json.

    Args:
        report: the graded submission.
        hidden: the visibility of all tests that are not "visible"; one of VISIBILITIES.
        leaderboard: whether to give the accuracy to Gradescope's leaderboard, as 0.0 when none was measured.
    """
    accuracy = "not measured" if report.accuracy is None else f"{report.accuracy:.4f}"
    return {
        "score": report.score,
        "execution_time": report.seconds,
        "output": f"Accuracy {accuracy} on {report.scored} images of: {report.source}. Isolation: {report.sandbox}."
        + (f" Note: {report.file_remark}." if report.file_remark else ""),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "stdout_visibility": "hidden",
        "tests": [_test(test, hidden) for test in report.tests],
        **({"leaderboard": [{"name": "Accuracy", "value": report.accuracy or 0.0}]} if leaderboard else {}),
        "extra_data": {
            "accuracy": report.accuracy,
            "data_source": report.source,
            "scored_images": report.scored,
            "isolation": report.sandbox,
            "isolation_remarks": list(report.remarks),
            "memory_accounting": report.accounting,
            "test_transform": report.transform,
            "near_step": report.near_step,
            "device": report.device,
            "versions": report.versions,
            "seed": report.seed,
            "seconds": report.seconds,
            "max_score": report.max_score,
            "infrastructure_fault": report.status != "graded",
        },
    }


def _test(test: TestResult, hidden: str) -> dict[str, Any]:
    advice = [f"Advice:   {text}" for text in test.advice]
    return {
        "number": test.number,
        "name": test.name,
        "score": test.score,
        "max_score": test.max_score,
        "status": "passed" if test.status == PASSED else "failed",
        "output": "\n".join(filter(None, [test.output, *advice])),
        "visibility": test.visibility if test.visibility == "visible" else hidden,
        "tags": list(test.tags),
        "extra_data": {"diagnosis": test.diagnosis, "ungraded": test.status == COULD_NOT_RUN},
    }
