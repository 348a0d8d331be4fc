import pytest

from mp09.errors import ReleaseError
from mp09.release.strip import strip
from selftests.conftest import ROOT

SOLUTION = "def f():\n    ### BEGIN SOLUTION: add one\n    return 1\n    ### END SOLUTION\n"


def test_a_region_becomes_its_task():
    assert strip(SOLUTION) == 'def f():\n    raise NotImplementedError("add one")\n'


def test_a_region_without_a_task_disappears():
    assert strip("a = 1\n### BEGIN SOLUTION\nb = 2\n### END SOLUTION\n") == "a = 1\n"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            SOLUTION.replace("return 1", "### BEGIN SOLUTION"),
            "line 3: a solution region begins inside the one of line 2",
        ),
        (SOLUTION.replace("    ### END SOLUTION\n", ""), "line 2: the solution region has no ### END SOLUTION"),
        (SOLUTION.replace("    return 1\n", ""), "line 2: the solution region is empty"),
        ("### END SOLUTION\n", "line 1: a solution region ends that has not begun"),
    ],
)
def test_a_wrong_region_is_an_error(source, message):
    with pytest.raises(ReleaseError, match=message):
        strip(source)


def test_the_skeleton_of_the_reference_compiles_and_names_every_task():
    skeleton = strip((ROOT / "submitted.py").read_text())
    compile(skeleton, "submitted.py", "exec")
    assert skeleton.count("raise NotImplementedError(") == 13
    assert "SOLUTION" not in skeleton
