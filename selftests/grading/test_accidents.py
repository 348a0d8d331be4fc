"""Tests grading submissions that hang, die, print without end, or reach for what is not theirs."""

import time

import psutil
import pytest

from mp09.grading import rubric
from mp09.grading.sandbox.conversation import LOAD
from mp09.grading.sandbox.host import WorkerEnded
from mp09.grading.sandbox.sandbox import Sandbox, Settings
from mp09.release.cases import BRIEF, edited
from selftests.grading.test_grade import REFERENCE


@pytest.fixture(scope="module")
def small_sandbox():
    """Give a sandbox of level "process" with a memory limit of 1500 MiB."""
    with Sandbox(Settings(device="cpu", memory_mib=1500, isolation="process")) as sandbox:
        yield sandbox


def test_a_hang_costs_only_its_own_test(submit, monkeypatch):
    monkeypatch.setitem(rubric.LIMITS_S, "length", 2.0)
    source = REFERENCE.replace(
        "        return len(self.labels)\n",
        "        while len(self.images) == 400: pass\n        return len(self.labels)\n",
    )
    tests = submit(source)
    assert (tests["1.1"].score, tests["1.1"].diagnosis) == (0, "ended-time")
    assert (tests["3.1"].score, tests["3.2"].score) == (6, 4)


def test_the_overall_limit_ends_everything(submit):
    started = time.monotonic()
    tests = submit("import time; time.sleep(1000)", timeout_s=6)
    assert {test.diagnosis for test in tests.values()} == {"ended-time"}
    assert time.monotonic() - started < 20


def test_a_dead_process_is_replaced_for_the_next_test(submit):
    source = REFERENCE.replace(
        "        return len(self.labels)\n",
        "        import os\n        os._exit(7) if len(self.images) == 400 else 0\n        return len(self.labels)\n",
    )
    tests = submit(source)
    assert "exit code 7" in tests["1.1"].output
    assert tests["3.1"].score == 6


def test_a_signal_is_named(submit):
    tests = submit("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert "SIGSEGV" in tests["1.1"].output


def test_memory_is_limited(tmp_path, small_sandbox):
    (tmp_path / "submitted.py").write_text("x = [bytearray(10**7) for _ in range(500)]\nimport time; time.sleep(60)")
    with (
        small_sandbox.start(tmp_path) as worker,
        pytest.raises(WorkerEnded, match="more than 1500 MiB of memory used"),
    ):
        worker.request(LOAD, timeout_s=60)


def test_endless_printing_is_cut_and_quoted(submit):
    tests = submit("for i in range(200000): print('line', i)\nimport os; os._exit(1)")
    assert "| line 199999" in tests["1.1"].output
    assert len(tests["1.1"].output) < 1000


DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open("pid", "w").write(str(os.getpid()))
        time.sleep(300)
    os._exit(0)
time.sleep(0.5)
"""


@pytest.mark.parametrize("kind", ["sandbox", "small_sandbox"])
def test_no_process_survives(tmp_path, kind, request):
    (tmp_path / "submitted.py").write_text(DAEMON)
    with request.getfixturevalue(kind).start(tmp_path) as worker:
        worker.request(LOAD, timeout_s=60)
        worker.close()
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


def test_answers_on_the_standard_output_are_only_prints(submit):
    tests = submit(REFERENCE + '\nimport os; os.write(1, b"\\0\\0\\0\\4null"); print("{}")\n')
    assert tests["1.1"].score == 15


def test_writing_into_the_connection_is_noticed(submit):
    forged = "import os\nfor fd in range(3, 20):\n    try: os.write(fd, b'\\xff' * 64)\n    except OSError: pass\n"
    assert {test.score for test in submit(forged).values()} == {0}


def test_the_environment_and_arguments_are_scrubbed(submit, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "42")
    source = (
        f"import os, sys\nassert 'SECRET_TOKEN' not in os.environ\nassert sys.argv == ['submitted.py']\n{REFERENCE}"
    )
    assert submit(source)["1.1"].score == 15


def test_the_reference_is_not_importable(submit):
    tests = submit("import sys; sys.path_importer_cache.clear()\nimport grade")
    assert tests["1.1"].diagnosis == "missing-module"


def test_input_finds_nobody(submit):
    assert submit("input('name?')")["1.1"].diagnosis == "input"


OTHER_AT_TEST = ("return Preprocess()", 'return Preprocess() if mode == "train" else transforms.ToTensor()')
LOW = edited(REFERENCE, [*BRIEF, OTHER_AT_TEST])
TEST = "def test(test_dataloader: DataLoader, model: nn.Module) -> float:\n"


@pytest.mark.parametrize("line", ["pass", "import os; os._exit(1)", "while True: pass"])
def test_what_ends_the_worker_after_the_evaluation_costs_no_points(submit, monkeypatch, line):
    monkeypatch.setitem(rubric.LIMITS_S, "tested", 3.0)
    tests = submit(edited(LOW, [(TEST, f"{TEST}    {line}\n")]), only=None)
    assert (tests["3.4"].status, tests["3.4"].diagnosis) == ("failed", "cause-train-transform")
    assert tests["3.3"].score == 20


def test_an_experiment_that_takes_too_long_costs_no_points(submit, monkeypatch):
    """It does so because of batches of 64, which the evaluation has not, so nobody could know."""
    monkeypatch.setitem(rubric.LIMITS_S, "experiment", 3.0)
    forward = '        """float (N, 3, 32, 32) -> logits (N, 8)."""\n'
    slow = "        if len(x) == 64 and not torch.is_grad_enabled(): __import__('time').sleep(5)\n"
    tests = submit(edited(LOW, [(forward, forward + slow)]), only=None)
    assert (tests["3.4"].status, tests["3.4"].diagnosis) == ("failed", "accuracy-chance")
    assert tests["3.1"].status == "passed"


def test_experiments_that_would_take_too_long_are_not_made(submit, monkeypatch):
    monkeypatch.setitem(rubric.LIMITS_S, "experiment", 0.01)
    tests = submit(LOW, only=None)
    assert (tests["3.4"].status, tests["3.4"].diagnosis) == ("failed", "accuracy-chance")


def test_what_test_is_compared_with_costs_no_points(submit):
    """In train mode, without gradients, the model gives more rows than there are images."""
    doubled = "        if self.training and not torch.is_grad_enabled(): x = torch.cat([x, x])\n"
    forward = '        """float (N, 3, 32, 32) -> logits (N, 8)."""\n'
    tests = submit(edited(REFERENCE, [*BRIEF, (forward, forward + doubled)]), only=None)
    assert (tests["3.4"].status, tests["3.4"].advice) == ("passed", ())
