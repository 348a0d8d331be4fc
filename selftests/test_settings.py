"""Test that the settings are what their names say, and leave nothing behind."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from selftests.conftest import ROOT
from selftests.settings import SETTINGS, VIEW, why_not, within

LANDLOCK = "from mp09.grading.sandbox.isolation.landlock import abi; print(abi())"


@pytest.fixture(params=SETTINGS)
def setting(request):
    return _there(request.param)


@pytest.fixture
def user():
    if os.geteuid() != 0:
        pytest.skip("an ordinary user already")
    return _there("user")


def _there(setting):
    if reason := why_not(setting):
        pytest.skip(reason)
    return setting


def run(setting, code, **options):
    command = within(setting, [sys.executable, "-c", code], **options)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_command_runs_in_the_checkout(setting):
    assert run(setting, "import os, mp09; print(os.getcwd(), mp09.__file__)") == f"{ROOT} {ROOT}/mp09/__init__.py"


def test_the_commands_exit_code_is_given(setting):
    assert subprocess.run(within(setting, [sys.executable, "-c", "exit(7)"]), cwd=ROOT).returncode == 7


def test_without_landlock_there_is_none():
    assert run(_there("no-landlock"), LANDLOCK) == "0"
    assert run("root", "import os; print(os.getuid())") == "0"


def test_an_ordinary_user_is_nobody_else(user):
    taken = {process.uids().real for process in psutil.process_iter()}
    shown = run(user, "import os; print(*os.getresuid(), *os.getresgid(), os.getgroups())").split()
    assert len(set(shown[:6])) == 1
    assert int(shown[0]) not in taken | {0}
    assert shown[6] == "[]"


def test_an_ordinary_user_has_no_capability(user):
    lines = run(user, "print(open('/proc/self/status').read())").splitlines()
    assert {int(line.split()[1], 16) for line in lines if line.startswith(("CapPrm", "CapEff", "CapAmb"))} == {0}


def test_the_checkout_is_the_users_and_a_copy(user):
    before = (ROOT / "README.md").stat()
    run(user, "import os; os.chmod('README.md', 0); os.utime('README.md', (0, 0)); open('tests/new', 'w')")
    after = (ROOT / "README.md").stat()
    assert (after.st_mode, after.st_mtime) == (before.st_mode, before.st_mtime)
    assert not (ROOT / "tests" / "new").exists()


def test_temporary_folders_are_the_users_own(user):
    places = ("/tmp", "/var/tmp", "/dev/shm")
    name = f"mp09-setting-{os.getpid()}"
    with tempfile.NamedTemporaryFile(prefix="mp09-seen-") as ours:
        code = f"import os; [open(p + '/{name}', 'w') for p in {places}]; print(os.path.exists({ours.name!r}))"
        assert run(user, code) == "False"
    assert not any(Path(place, name).exists() for place in places)


def test_what_is_shared_comes_back(user, tmp_path):
    tmp_path.chmod(0o777)
    run(user, f"open({str(tmp_path / 'result')!r}, 'w').write('x')", shared=tmp_path)
    assert (tmp_path / "result").read_text() == "x"


def test_processes_and_folders_of_the_user_are_ended(user):
    folders = set(Path(tempfile.gettempdir()).glob("mp09-user-*"))
    sleeper = "os.fork() or (os.setsid(), os.close(1), os.close(2), time.sleep(600))"
    left = int(run(user, f"import os, time; print(os.getuid(), flush=True); {sleeper}"))
    assert left not in {process.uids().real for process in psutil.process_iter()}
    assert set(Path(tempfile.gettempdir()).glob("mp09-user-*")) <= folders


@pytest.mark.usefixtures("user")
def test_processes_that_root_left_behind_are_ended():
    child = "(os.setsid(), os.close(1), os.close(2), time.sleep(600))"
    code = f"import os, time; pid = os.fork(); print(pid, flush=True) if pid else {child}"
    command = [sys.executable, str(VIEW), "--as-root", sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert not psutil.pid_exists(int(done.stdout))


def test_a_setting_that_cannot_be_had_says_why(user):
    command = within(user, [sys.executable, "-m", "selftests.settings", "root", "true"])
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "root: only root can be root\n"


def test_a_command_that_is_not_there_is_said_in_words(user):
    done = subprocess.run(within(user, ["/no/command"]), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("a view of its own is not to be had here: [Errno 2] No such file")
