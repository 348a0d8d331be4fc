"""Test what every test may rely on, whoever starts the tests, and in however many processes."""

import subprocess
import sys

import pytest
import torch

from selftests.conftest import ROOT, THREADS


def test_what_a_test_starts_heeds_ctrl_c_though_the_tests_run_in_the_background():
    """A shell's background jobs inherit SIGINT as ignored, and pass this on to what they start."""
    code = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "True\n"


def test_torch_has_this_processes_share_of_the_cores_here_and_in_what_a_test_starts():
    code = "import torch; print(torch.get_num_threads())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert int(done.stdout) == torch.get_num_threads() == THREADS


def test_a_shared_folder_is_made_once(made_once):
    made = []
    folders = [made_once("shared/once", lambda folder: (folder.mkdir(), made.append(folder))) for _ in range(2)]
    assert folders == made * 2


def test_a_shared_folder_that_could_not_be_made_is_tried_again(made_once):
    def fail(folder):
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        made_once("shared/again", fail)
    assert made_once("shared/again", lambda folder: folder.mkdir()).is_dir()
