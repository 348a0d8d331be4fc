"""Workers answer, take turns, and end with their caller, whatever happens."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from mp09.compare.workers import ModelProcess, Team, by_turns
from mp09.errors import CompareError
from selftests.compare.toy import Add, Die, Fail, Leave, Note, Refuse, Sum, Use
from selftests.conftest import ROOT

TOY = "selftests.compare.toy"


@pytest.fixture
def worker():
    worker = ModelProcess(TOY)
    yield worker
    worker.end()


def gone(pid: int) -> bool:
    """Return whether the process ends within five seconds."""
    limit = time.monotonic() + 5
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > limit:
            return False
        time.sleep(0.05)
    return True


def test_a_worker_answers_whatever_libraries_print(worker):
    assert [worker.ask(Add(1, b)) for b in (1, 2)] == [Sum(2), Sum(3)]


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (Refuse(), "^alexnet.pt: the weights don't fit this model.$"),
        (Fail(), "^RuntimeError: not enough memory$"),
    ],
)
def test_an_error_is_told_and_the_worker_goes_on(question, words, worker):
    with pytest.raises(CompareError, match=words):
        worker.ask(question)
    assert worker.ask(Add(2, 2)) == Sum(4)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (Die(), "its process was ended by signal 9; is there enough memory?"),
        (Leave(), r"its process ended with exit code 3. Its last words: the last words"),
    ],
)
def test_a_death_is_told(question, words, worker):
    with pytest.raises(CompareError, match=words):
        worker.ask(question)
    with pytest.raises(CompareError, match=words):  # and once more, when it can't even be asked
        worker.ask(Add(1, 1))


def test_a_module_that_can_not_be_loaded_is_told():
    broken = ModelProcess("selftests.compare.missing")
    with pytest.raises(CompareError, match="No module named 'selftests"):
        broken.ask(Add(1, 1))
    broken.end()


def test_turns_are_interleaved_and_one_death_costs_no_other(tmp_path):
    with Team(TOY) as team:
        for name in ("a", "b", "c"):
            team.hire(name)
        names = {str(worker.pid): name for name, worker in team.workers.items()}
        turns = by_turns(team, 3, Note(str(tmp_path / "log")))
        assert team.ask("b", Die()) is None
        rest = by_turns(team, 2, Note(str(tmp_path / "log")))
    assert "".join(names[pid] for pid in (tmp_path / "log").read_text().split()) == "abcabcabc" + "acac"
    began = {name: [began_s for began_s, _ in own] for name, own in turns.items()}
    assert began["a"] < began["b"] < began["c"]
    assert began["c"][0] < began["a"][1]
    assert list(rest) == ["a", "c"]
    assert team.failures == {"b": "its process was ended by signal 9; is there enough memory?"}
    assert all(gone(int(pid)) for pid in names)


def test_no_worker_is_left_after_an_error():
    team = Team(TOY)

    def fail() -> None:
        with team:
            for name in ("a", "b"):
                team.hire(name)
            pids.extend(worker.pid for worker in team.workers.values())
            raise ZeroDivisionError

    pids: list[int] = []
    with pytest.raises(ZeroDivisionError):
        fail()
    assert len(pids) == 2
    assert all(gone(pid) for pid in pids)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_worker_is_left_when_the_caller_is_ended(end):
    """The caller is ended while one of the workers works, as it would for ten minutes."""
    code = (
        "from mp09.compare.workers import Team\n"
        "from selftests.compare.toy import Add, Wait\n"
        f"with Team({TOY!r}) as team:\n"
        "    for name in 'ab': team.hire(name); team.ask(name, Add(1, 1))\n"
        "    print(*(worker.pid for worker in team.workers.values()), flush=True)\n"
        "    team.ask('a', Wait())"
    )
    caller = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    pids = [int(pid) for pid in caller.stdout.readline().split()]
    assert len(pids) == 2
    assert all(psutil.pid_exists(pid) for pid in pids)
    os.kill(caller.pid, end)
    caller.wait(10)
    caller.stdout.close()
    assert all(gone(pid) for pid in pids)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a peak can't begin anew")
def test_no_worker_inherits_anothers_memory_or_its_own_of_loading():
    ballast = bytearray(b"x") * (300 << 20)  # memory that only the caller used, and that must not count for a worker
    del ballast
    found = []
    for mib in (200, 10):
        worker = ModelProcess(TOY)
        found.append(worker.ask(Use(mib)))
        worker.end()
    large, small = found
    assert 395 <= large.loading < 460
    assert 195 <= large.running < 260
    assert 9 <= small.running < 60
    assert small.words.startswith("the process at its largest while the model ran, above")
