"""Test the layers of isolation one by one, and what follows from a layer that a machine lacks."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mp09.errors import GradingError
from mp09.grading.sandbox import probe
from mp09.grading.sandbox.conversation import LOAD
from mp09.grading.sandbox.isolation import AUTO, PROCESS, SANDBOXED, USER, Confined, kernel, syscalls
from mp09.grading.sandbox.sandbox import Sandbox, Settings
from selftests.conftest import ROOT

linux = pytest.mark.skipif(sys.platform != "linux", reason="is about Linux")


@pytest.mark.parametrize("pid", [1, 2, 7, 4321, 65_535, 65_536, 4_194_303])
def test_the_filter_lets_zero_and_the_own_process_pass_and_no_other(pid):
    random.seed(0)
    others = {*range(1, 5000), pid - 1, pid + 1, pid * 2, 1 << 31, (1 << 32) - 1, *random.sample(range(1 << 32), 5000)}
    rules = syscalls.all_but(pid)
    assert all(any(x & mask == value for mask, value in rules) for x in others - {0, pid})
    assert not any(x & mask == value for mask, value in rules for x in (0, pid))


@pytest.mark.parametrize(
    ("isolation", "least", "levels"),
    [
        (AUTO, PROCESS, [SANDBOXED, USER, PROCESS]),
        (AUTO, USER, [SANDBOXED, USER]),
        (USER, PROCESS, [USER]),
        (PROCESS, SANDBOXED, []),
    ],
)
def test_levels_are_tried_from_the_highest(isolation, least, levels):
    assert Settings(isolation=isolation, least=least).levels() == levels


def test_a_level_below_what_is_required_is_an_error():
    with pytest.raises(GradingError, match='"process" is below the required "sandboxed"'):
        Sandbox(Settings(isolation=PROCESS, least=SANDBOXED))


@pytest.mark.parametrize(
    ("confined", "allowed"),
    [
        (Confined(landlock_abi=7, seccomp=True, own_shared_memory=True), set()),
        (Confined(landlock_abi=7, seccomp=True), {probe.OTHERS_MEMORY}),
        (Confined(landlock_abi=4, seccomp=True, own_shared_memory=True), {probe.ABSTRACT, probe.SIGNAL}),
        (Confined(landlock_abi=4, user=61_184, seccomp=True), {probe.ABSTRACT}),
        (Confined(user=61_184), {probe.ABSTRACT, probe.TCP, probe.DATAGRAM}),
    ],
)
def test_only_what_a_machine_lacks_is_forgiven(confined, allowed):
    assert probe._allowed(confined) == allowed


def test_elsewhere_than_on_linux_the_kernel_is_not_asked(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    kernel.libc.cache_clear()
    with pytest.raises(OSError, match="on Linux only; this is darwin"):
        kernel.libc()


def test_what_a_level_can_not_promise_is_said():
    assert probe._remarks(Confined(user=61_184, seccomp=True), []) == [probe.NOT_PROMISED]
    words = "Landlock ABI 4: a submission can signal the grader"
    assert probe._remarks(Confined(landlock_abi=4, seccomp=True), [probe.SIGNAL]) == [words]


@linux
def test_shared_memory_is_the_workers_own(sandbox, tmp_path):
    tmp_path.chmod(0o755)
    (tmp_path / "submitted.py").write_text("import os; print(os.listdir('/dev/shm')); open('/dev/shm/mine', 'w')")
    with sandbox.start(tmp_path) as worker:
        if not worker.about.isolation.own_shared_memory:
            pytest.skip("this system lets no process mount anything")
        worker.request(LOAD, timeout_s=60)
        time.sleep(0.2)  # the log has a pipe of its own, and may come later
        assert worker.log.strip() == "[]"
        assert not Path("/dev/shm/mine").exists()


@linux
def test_the_word_for_who_counts_memory_is_in_the_result(run_grader):
    report = run_grader(ROOT / "submitted.py", only="dataset")
    assert report.accounting in ("control group", "processes")


@linux
def test_signals_are_kept_from_the_processes_that_are_named():
    """This is needed on kernels whose Landlock does not see to it."""
    code = (
        "import os, signal, sys, time\n"
        "from mp09.grading.sandbox.isolation.syscalls import deny\n"
        "child = os.fork() or time.sleep(60)\n"
        "deny(same_user=True, unsignalled=[os.getppid()])\n"
        "os.kill(child, signal.SIGKILL)\n"
        "for target in (os.getppid(), -1, -os.getpgid(0)):\n"
        "    try: os.kill(target, 0); print('signalled', target)\n"
        "    except PermissionError: print('kept')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["kept"] * 3


@linux
def test_files_are_not_cut_off_where_landlock_does_not_see_it(tmp_path):
    code = (
        "import os, sys\n"
        "from mp09.grading.sandbox.isolation.syscalls import deny\n"
        "deny(same_user=True, truncates=False)\n"
        "for cut in (lambda: os.truncate(sys.argv[1], 0), lambda: os.open(sys.argv[1], os.O_RDONLY | os.O_TRUNC)):\n"
        "    try: cut(); print('cut')\n"
        "    except PermissionError: print('kept')\n"
        "print(os.path.getsize(sys.argv[1]))\n"
        "open(sys.argv[1], 'w').write('anew')\n"
    )
    (tmp_path / "file").write_text("kept")
    command = [sys.executable, "-c", code, str(tmp_path / "file")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["kept", "kept", "4"]
    assert (tmp_path / "file").read_text() == "anew"


@linux
def test_attributes_stay_where_files_are_the_graders_and_honest_programs_go_on(tmp_path):
    code = (
        "import os, shutil, sys\n"
        "from mp09.grading.sandbox.isolation.syscalls import deny\n"
        "file = sys.argv[1]\n"
        "deny(same_user=True, unsignalled=[])\n"
        "os.chmod(file, 0); os.utime(file, (0, 0)); os.setxattr(file, 'user.x', b'')\n"
        "shutil.copy2(file, file + '.copy')\n"
        "print(oct(os.stat(file).st_mode & 0o777), os.stat(file).st_mtime > 0, os.listxattr(file))\n"
    )
    (tmp_path / "file").write_text("kept")
    (tmp_path / "file").chmod(0o640)
    command = [sys.executable, "-c", code, str(tmp_path / "file")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0o640 True []"
    assert (tmp_path / "file.copy").read_text() == "kept"


@linux
@pytest.mark.parametrize("long_path", [False, True])
def test_loader_workers_have_a_short_temporary_folder(sandbox, tmp_path, long_path):
    folder = tmp_path.joinpath(*["a-long-name-for-a-folder"] * (6 if long_path else 0), "work")
    folder.mkdir(parents=True)
    for parent in (folder, *folder.parents):
        if parent.is_relative_to(tmp_path):
            parent.chmod(0o755)
    (folder / "submitted.py").write_text(
        "import os, tempfile\nfrom torch.utils.data import DataLoader\n"
        "print(len(tempfile.gettempdir()) <= 60, sum(b.sum().item() for b in DataLoader(range(6), 2, num_workers=1)))\n"
    )
    with sandbox.start(folder) as worker:
        worker.request(LOAD, timeout_s=60)
        time.sleep(0.2)
        assert worker.log.split() == ["True", "15"]
        short = [path for path in Path("/tmp").glob("mp09-*/t") if path.is_symlink() and path.resolve() == folder]
        assert bool(short) is long_path or len(str(folder)) > 60
    assert not any(path.is_symlink() for path in short)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can take another user id")
def test_at_level_process_a_worker_of_roots_is_somebody_else(tmp_path):
    with Sandbox(Settings(device="cpu", isolation=PROCESS)) as sandbox, sandbox.start(tmp_path) as worker:
        assert worker.about.isolation.user is not None
