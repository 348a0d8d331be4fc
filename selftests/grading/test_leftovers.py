"""Test that what a worker's own user runs and leaves is found and ended, whatever the user does about it.

Some tests are about what else must end with a worker.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mp09.errors import GradingError
from mp09.grading.sandbox import forkserver, leftovers
from mp09.grading.sandbox.conversation import LOAD
from mp09.grading.sandbox.held import UNSEEN
from mp09.grading.sandbox.isolation import users
from mp09.grading.sandbox.isolation.kernel import libc
from mp09.grading.sandbox.packets import Look
from mp09.grading.sandbox.warm import Warm
from selftests.conftest import ROOT

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root can take another user id"
)
ANSWER = b'{"id": "", "fields": {}, "arrays": []}'


def stops_everybody(user: int) -> int:
    """Start a process of `user` that stops whatever it may, without end, and return its id."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            while True:
                try:
                    os.kill(-1, signal.SIGSTOP)
                except ProcessLookupError:
                    time.sleep(0)
        finally:
            os._exit(1)
    return pid


def test_who_stops_everybody_stops_nobody_that_looks_at_it_or_ends_it(tmp_path):
    user = users.unused([])
    pids = [stops_everybody(user) for _ in range(3)]
    time.sleep(0.2)
    try:
        started = time.monotonic()
        for _ in range(20):
            leftovers.held_by(user, [os.getpid(), *pids])
        leftovers.remove_files(user, str(tmp_path))
        leftovers.kill_processes(user)
        assert [os.WTERMSIG(os.waitpid(pid, 0)[1]) for pid in pids] == [signal.SIGKILL] * 3
        assert time.monotonic() - started < 30
    finally:
        for pid in pids:
            with pytest.raises(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_a_user_without_processes_and_files_is_no_error(tmp_path):
    user = users.unused([])
    leftovers.kill_processes(user)
    leftovers.remove_files(user, str(tmp_path))
    assert leftovers.held_by(user, [1]) == UNSEEN  # process 1 is root's


def test_queues_and_memory_that_have_numbers_go_with_the_user(tmp_path):
    user = users.unused([])
    pid = os.fork()
    if pid == 0:
        try:
            os.setresuid(user, user, user)
            made = [libc().shmget(0, 4096, 0o600), libc().msgget(0, 0o600), libc().semget(0, 1, 0o600)]
            os._exit(min(made) < 0)
        finally:
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
    assert len(of_user(user)) == 3
    leftovers.remove_files(user, str(tmp_path))
    assert of_user(user) == []


def test_the_number_0_goes_too():
    """A machine gives it to the first of each kind."""
    fresh = ["unshare", "--ipc"]
    if subprocess.run([*fresh, "true"], capture_output=True).returncode:
        pytest.skip("needs the right to make an IPC namespace")
    test = f"{__file__}::{test_queues_and_memory_that_have_numbers_go_with_the_user.__name__}"
    subprocess.run([*fresh, sys.executable, "-m", "pytest", "-p", "no:cacheprovider", test], cwd=ROOT, check=True)


def of_user(user: int) -> list[str]:
    """List what /proc/sysvipc shows of a user's."""
    lines = [line for file in Path("/proc/sysvipc").iterdir() for line in file.read_text().splitlines()]
    return [line for line in lines if str(user) in line.split()]


@pytest.mark.parametrize("lists_children", [True, False])
def test_children_are_found_whether_the_kernel_lists_them_or_not(monkeypatch, lists_children):
    monkeypatch.setattr(forkserver, "LISTS_CHILDREN", lists_children)
    with subprocess.Popen(["sleep", "60"]) as child:
        assert child.pid in forkserver._children(os.getpid())
        child.kill()
    assert child.pid not in forkserver._children(os.getpid())


def test_no_two_workers_have_one_user():
    taken = [users.USER_IDS[0][0], None]
    assert users.unused(taken) not in taken
    assert users.unused([]) != users.unused([])


def test_after_a_silence_the_warm_process_is_not_asked_again():
    """Its late answer would be taken for that to another request."""
    warm = Warm()
    try:
        os.kill(warm.pid, signal.SIGSTOP)
        warm._control.settimeout(0.1)
        for _ in range(2):
            with pytest.raises(GradingError, match="does not answer"):
                warm.ask(Look([]))
            os.kill(warm.pid, signal.SIGCONT)
            time.sleep(0.2)
    finally:
        warm.close()


def test_who_grades_may_have_any_umask(run_grader):
    before = os.umask(0o077)
    try:
        assert run_grader(ROOT / "submitted.py", only="dataset").score == 25
    finally:
        os.umask(before)


def test_answers_that_nobody_asked_for_go_with_the_worker(sandbox, tmp_path):
    tmp_path.chmod(0o755)
    (tmp_path / "submitted.py").write_text(
        "import os\n"
        "for descriptor in range(3, 20):\n"
        "    try: os.write(descriptor, %r * 9)\n"
        "    except OSError: pass\n" % (len(ANSWER).to_bytes(4, "big") + ANSWER)
    )
    before = threading.active_count()
    with sandbox.start(tmp_path) as worker, pytest.raises(Exception, match="an answer that was not asked for"):
        worker.request(LOAD, timeout_s=60)
    deadline = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert threading.active_count() <= before
