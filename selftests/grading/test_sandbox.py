"""Test the levels of isolation: what is chosen, what the probe finds, and what level "sandboxed" lets a worker do."""

import os
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from mp09.errors import GradingError
from mp09.files import scratch_folder
from mp09.grading.sandbox.conversation import LOAD, About, Question, Succeeded
from mp09.grading.sandbox.isolation import users
from mp09.grading.sandbox.sandbox import SYSTEM_DEVICES, Sandbox, Settings
from selftests.conftest import ROOT


@pytest.fixture
def kept_in(sandbox):
    if sandbox.level != "sandboxed":
        pytest.skip(f"no isolation by the kernel here: {sandbox.remarks}")
    return sandbox


def printed(sandbox: Sandbox, folder: Path, source: str) -> str:
    """Return what a submission prints when it is imported."""
    (folder / "submitted.py").write_text(source)
    folder.chmod(0o755)
    with sandbox.start(folder) as worker:
        worker.request(LOAD, timeout_s=60)
        time.sleep(0.2)  # the log has a pipe of its own, and may come later
        return worker.log.strip()


def test_elsewhere_than_on_linux_workers_are_started_anew(monkeypatch, run_grader):
    monkeypatch.setattr(sys, "platform", "darwin")
    report = run_grader(ROOT / "submitted.py", only="dataset", sandbox=None, device="cpu")
    assert (report.score, report.sandbox) == (25, "process")
    assert report.remarks == ("the kernel's isolation is for Linux; this is darwin",)


def test_isolation_that_is_required_and_not_there_is_an_error(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(GradingError, match=r'level "sandboxed" is not to be had here: .* this is darwin'):
        Sandbox(Settings(isolation="sandboxed"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize("isolation", ["auto", "process"])
def test_a_gpu_that_is_asked_for_and_not_there_is_an_error(isolation):
    with pytest.raises(GradingError, match=r"^device cuda: PyTorch finds no GPU"):
        Sandbox(Settings(device="cuda", isolation=isolation))


@pytest.mark.parametrize(
    ("devices", "answer"), [(SYSTEM_DEVICES, "done"), ((), "PermissionError")], ids=["GPU", "no GPU"]
)
def test_where_there_is_a_gpu_threads_may_be_named(kept_in, tmp_path, monkeypatch, devices, answer):
    """CUDA does not start where its driver can't give names to its threads."""
    monkeypatch.setattr("mp09.grading.sandbox.sandbox.GPU_DEVICES", devices)
    source = (
        "import os\ntry:\n    open(f'/proc/self/task/{os.getpid()}/comm', 'w').write('named')\n    print('done')\n"
        "except OSError as error: print(type(error).__name__)"
    )
    with Sandbox(Settings(device="auto", isolation="sandboxed")) as sandbox:
        assert printed(sandbox, tmp_path, source) == answer


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
def test_a_worker_sees_the_gpu(kept_in, tmp_path):
    with Sandbox(Settings(isolation="sandboxed")) as sandbox, sandbox.start(tmp_path) as worker:
        assert worker.about.device != "cpu"


def test_a_worker_that_can_not_tell_about_itself_is_our_fault(sandbox, tmp_path, monkeypatch):
    monkeypatch.setattr("mp09.grading.sandbox.host.ABOUT", Question("train", About))
    with pytest.raises(GradingError, match=r"^a worker could not start: AttributeError: "):
        sandbox.start(tmp_path)


def test_a_probe_that_fails_is_an_error(kept_in, monkeypatch):
    monkeypatch.setattr("mp09.grading.sandbox.conversation.probe", lambda targets: Question("train", Succeeded))
    with pytest.raises(GradingError, match="not to be had here: the probe failed: AttributeError: "):
        Sandbox(Settings(isolation="sandboxed"))


def test_level_process_is_to_be_had_everywhere():
    with Sandbox(Settings(isolation="process")) as sandbox:
        assert (sandbox.level, sandbox.remarks) == ("process", [])


def test_the_probe_finds_what_is_readable(kept_in):
    with pytest.raises(GradingError, match=r"it was possible to read .*site-packages"):
        Sandbox(Settings(isolation="sandboxed"), guarded=[Path(psutil.__file__).parent])


def test_a_worker_is_forked_without_new_imports(kept_in, tmp_path):
    started = time.monotonic()
    printed(kept_in, tmp_path, "import torch, torchvision")
    assert time.monotonic() - started < 1.0


def test_the_working_folder_is_writable_and_its_surroundings_are_not(kept_in, tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    outside = str(tmp_path / "outside")
    source = f"open('mine', 'w')\ntry: open({outside!r}, 'w')\nexcept OSError as error: print(type(error).__name__)"
    assert printed(kept_in, inside, source) == "PermissionError"
    assert (inside / "mine").exists()


def test_children_are_kept_in_too(kept_in, tmp_path):
    source = "import subprocess, sys; print(subprocess.run(['cat', '/etc/shadow'], capture_output=True).returncode)"
    assert printed(kept_in, tmp_path, source) == "1"


def test_loader_workers_and_threads_work(kept_in, tmp_path):
    source = (
        "import torch\nfrom torch.utils.data import DataLoader, TensorDataset\n"
        "loader = DataLoader(TensorDataset(torch.arange(6.)), 2, num_workers=2)\n"
        "print(sum(batch.sum().item() for (batch,) in loader))\n"
    )
    assert printed(kept_in, tmp_path, source) == "15.0"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="is about root")
def test_root_is_given_up(kept_in, tmp_path):
    source = "import os; print(os.getuid() != 0, open('/proc/self/status').read().count('CapEff:\\t0000000000000000'))"
    words = printed(kept_in, tmp_path, source).split()
    assert words[0] == "True"
    assert kept_in.leftovers() == 0


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can take another user id")
def test_a_working_folder_that_another_user_can_not_reach_is_noticed():
    with scratch_folder() as outer:
        inner = outer / "inner"
        inner.mkdir(mode=0o700)
        user = users.USER_IDS[0][0]
        assert users.unreachable(user, ["/"], str(inner)) is None
        outer.chmod(0o700)
        assert users.unreachable(user, ["/"], str(inner)) == str(inner)
        assert users.unreachable(user, [str(outer)], "/") == str(outer)


def test_other_processes_show_not_even_their_names(kept_in, tmp_path):
    source = (
        f"import os\ntry: open('/proc/{os.getpid()}/cmdline').read(); print('read')\n"
        "except OSError as error: print(type(error).__name__)"
    )
    assert printed(kept_in, tmp_path, source) == "PermissionError"
