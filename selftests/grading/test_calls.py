"""Tests that a call which did not return is explained, by its exception or by how its process ended."""

import pytest

from mp09.grading.diagnose import calls
from mp09.grading.sandbox.conversation import ErrorReport

WEIGHTS = "'collections.OrderedDict' object"


@pytest.mark.parametrize(
    ("error", "message", "key"),
    [
        ("NotImplementedError", "read each file", "not-written"),
        ("SyntaxError", "invalid syntax", "syntax"),
        ("ModuleNotFoundError", "No module named 'timm'", "missing-module"),
        ("FileNotFoundError", "/home/me/data", "missing-file"),
        ("RuntimeError", "Found no NVIDIA driver on your system", "no-gpu"),
        ("RuntimeError", "Error(s) in loading state_dict for ResNet", "checkpoint-mismatch"),
        ("SystemExit", "0", "exit"),
        ("EOFError", "EOF when reading a line", "input"),
        ("EOFError", "Ran out of input", "end-of-file"),
        ("NameError", "name 'get_ipython' is not defined", "notebook-code"),
        ("ModuleNotFoundError", "No module named 'google.colab'", "missing-module"),
        ("FileNotFoundError", "[Errno 2] No such file or directory: '/content/drive/a'", "missing-file"),
        ("URLError", "<urlopen error [Errno -3] Temporary failure in name resolution>", "no-network"),
        ("RuntimeError", "PyTorch is not linked with support for mps devices", "no-gpu"),
        ("PermissionError", "[Errno 13] Permission denied: '/data/x'", "no-permission"),
        ("OSError", "[Errno 30] Read-only file system: '/out'", "no-permission"),
        (
            "AttributeError",
            "'collections.OrderedDict' object has no attribute 'load_state_dict'",
            "checkpoint-is-a-dict",
        ),
        ("AttributeError", "'dict' object has no attribute 'eval'", "checkpoint-is-a-dict"),
        ("TypeError", f"{WEIGHTS} is not callable", "checkpoint-is-a-dict"),
        ("TypeError", "'dict' object is not callable", "raised"),
        ("EOFError", "", "raised"),
        ("AttributeError", "'dict' object has no attribute 'iteritems'", "raised"),
        ("AttributeError", "module 'torch' has no attribute 'load_state_dict'", "raised"),
        ("IndexError", "list index out of range", "raised"),
    ],
)
def test_exceptions_are_explained(error, message, key):
    where = ["submitted.py, line 3, in f: return x[9]"]
    diagnosis = calls.raised("length", ErrorReport("", error, message, where))
    assert diagnosis.key == key
    assert "submitted.py, line 3" in diagnosis.got + diagnosis.remedy


@pytest.mark.parametrize("line", ["%matplotlib inline", "!pip install timm"])
def test_commands_of_a_notebook_are_explained(line):
    error = ErrorReport("", "SyntaxError", "invalid syntax", [f"submitted.py, line 3: {line}"])
    assert calls.raised("load", error).key == "notebook-code"


@pytest.mark.parametrize(
    "message",
    [
        "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!",
        "Input type (torch.FloatTensor) and weight type (torch.cuda.FloatTensor) should be the same",
        "module must have its parameters and buffers on device cuda:0 but found one of them on device: cpu",
    ],
)
def test_tensors_on_two_devices_are_explained(message):
    diagnosis = calls.raised("train", ErrorReport("", "RuntimeError", message, []))
    assert "images.to(next(model.parameters()).device)" in diagnosis.remedy


REFUSED = {"missing": "missing-function", "model": "not-a-model"} | {kind: f"bad-{kind}" for kind in calls.REFUSALS}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_the_worker_refuses_is_explained(kind):
    diagnosis = calls.raised("train", ErrorReport(kind, "Refused", "run_model() returned 3", []))
    assert diagnosis.key == REFUSED[kind]


@pytest.mark.parametrize("kind", ["time", "memory", "disk", "processes", "died", "protocol"])
def test_the_end_of_the_process_is_explained_with_its_last_words(kind):
    diagnosis = calls.ended("train", kind, "it ended", "a\nb\nlast words")
    assert diagnosis.key == f"ended-{kind}"
    assert "| last words" in diagnosis.got
