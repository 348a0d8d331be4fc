"""Test that the limits of a container count, and not those of its machine."""

import pytest

from mp09.errors import GradingError
from mp09.grading.sandbox import sandbox
from mp09.grading.sandbox.machine import cores_of_container, memory_limits, usable_memory
from mp09.grading.sandbox.sandbox import Sandbox, Settings


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("max 100000", None), ("150000 100000", 2), ("50000 100000", 1), ("200000 100000", 2), ("", None)],
)
def test_a_container_may_have_fewer_cores_than_its_machine(tmp_path, quota, cores):
    (tmp_path / "cpu.max").write_text(quota)
    assert cores_of_container(tmp_path / "cpu.max") == cores
    assert cores_of_container(tmp_path / "missing") is None


@pytest.mark.parametrize(
    ("own", "file", "content", "limits"),
    [
        ("0::/", "memory.max", "805306368\n", [805306368]),
        ("0::/job", "job/memory.max", "805306368\n", [805306368]),
        ("5:cpu:/x\n4:memory:/job", "memory/job/memory.limit_in_bytes", "805306368\n", [805306368]),
        ("4:memory:/docker/of/the/host", "memory/memory.limit_in_bytes", "805306368\n", [805306368]),
        ("0::/", "memory.max", "max\n", []),
        ("", "nothing", "", []),
    ],
)
def test_memory_of_a_container(tmp_path, own, file, content, limits):
    (tmp_path / "own").write_text(own)
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(content)
    assert memory_limits(tmp_path, tmp_path / "own") == limits
    assert memory_limits(tmp_path / "nowhere", tmp_path / "nowhere") == []


def test_this_machine_has_memory():
    assert usable_memory() > 1 << 30


def test_too_little_memory_is_no_students_fault(monkeypatch):
    monkeypatch.setattr(sandbox, "usable_memory", lambda: 768 << 20)
    with pytest.raises(GradingError, match="768 MiB of memory, at least 1024 are needed"):
        Sandbox(Settings(isolation="process"))
