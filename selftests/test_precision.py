"""Test the rule for what models compute in, and the variable and option that override it in every process."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import models
from mp09 import precision
from mp09.cli import main
from mp09.device import fast_dtype, int8_is_faster
from mp09.errors import DeviceError
from selftests.conftest import ROOT

CPU = torch.device("cpu")
FORCED = pytest.mark.parametrize("name", ["float32", "bfloat16"])


@pytest.fixture
def unset(monkeypatch):
    monkeypatch.delenv(precision.VARIABLE, raising=False)


def said_by(*command: str) -> str:
    """Return what a new process prints."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="the processor's instructions are asked of Linux")
def test_auto_is_bfloat16_where_the_processor_has_it(unset):
    has = re.search(r"\b(amx_bf16|avx512_bf16|bf16)\b", Path("/proc/cpuinfo").read_text())
    assert fast_dtype(CPU) == (torch.bfloat16 if has else torch.float32)


def test_apple_gpus_compute_in_float32(unset):
    assert fast_dtype(torch.device("mps")) == torch.float32


@FORCED
@pytest.mark.parametrize("device", ["cpu", "cuda", "mps"])
def test_a_forced_precision_holds_on_any_device(monkeypatch, name, device):
    monkeypatch.setenv(precision.VARIABLE, name)
    assert fast_dtype(torch.device(device)) == getattr(torch, name)


@pytest.mark.parametrize("nothing", ["", "auto"])
def test_auto_forces_nothing(monkeypatch, unset, nothing):
    natural = fast_dtype(CPU)
    monkeypatch.setenv(precision.VARIABLE, nothing)
    assert fast_dtype(CPU) == natural
    assert precision.forced() == "auto"
    assert precision.forced("float32") == "float32"


def test_another_word_is_an_error_that_says_the_right_ones(monkeypatch):
    monkeypatch.setenv(precision.VARIABLE, "int4")
    words = re.escape("MP09_PRECISION: expected auto, float32, bfloat16; got 'int4'.")
    with pytest.raises(ValueError, match=words):
        models.fast_dtype(CPU)
    for ask in (lambda: fast_dtype(CPU), precision.forced):
        with pytest.raises(DeviceError, match=words):
            ask()


def test_the_given_file_and_the_package_read_the_same_variable_and_words():
    assert models.PRECISION == precision.VARIABLE
    assert ("auto", *models.DTYPES) == precision.PRECISIONS


@pytest.mark.parametrize(
    ("able", "dtype", "faster"),
    [
        ({"avx2": True}, "float32", False),
        ({"avx512_vnni": True}, "float32", True),
        ({"avx_vnni": True, "avx512_bf16": True}, "bfloat16", False),
        ({"avx512_vnni": True, "amx_bf16": True, "amx_int8": True}, "bfloat16", True),
    ],
)
def test_where_8_bit_numbers_are_faster(monkeypatch, able, dtype, faster):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    monkeypatch.setenv(precision.VARIABLE, dtype)
    assert int8_is_faster(CPU) == faster
    assert not int8_is_faster(torch.device("cuda"))


@FORCED
def test_processes_that_are_started_meanwhile_compute_in_it_too(name):
    code = "import models, torch; print(models.fast_dtype(torch.device('cpu')))"
    with precision.force(name):
        assert said_by(sys.executable, "-c", code) == f"torch.{name}"


def test_forcing_ends_with_its_block_even_after_an_error(monkeypatch):
    def fails() -> None:
        with precision.force("float32"):
            raise KeyError(precision.forced())

    monkeypatch.setenv(precision.VARIABLE, "bfloat16")
    with pytest.raises(KeyError, match="float32"):
        fails()
    assert os.environ[precision.VARIABLE] == "bfloat16"


@pytest.mark.parametrize("name", [None, "auto", "int8"])
def test_what_is_no_forced_precision_leaves_what_was_forced_before(monkeypatch, name):
    monkeypatch.setenv(precision.VARIABLE, "bfloat16")
    with precision.force(name):
        assert precision.forced() == "bfloat16"


@pytest.mark.parametrize("command", [["-m", "mp09", "features"], ["-m", "mp09", "validate"], ["grade.py"]])
def test_the_commands_explain_a_wrong_word_in_one_line(command):
    environment = {**os.environ, precision.VARIABLE: "int4"}
    done = subprocess.run([sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: MP09_PRECISION: expected auto, float32, bfloat16; got 'int4'.\n"


def test_an_option_that_is_no_precision_is_refused(capsys):
    with pytest.raises(SystemExit) as end:
        main(["classify", "0", "--precision", "int8"])
    assert end.value.code == 2
    assert "invalid choice: 'int8'" in capsys.readouterr().err
