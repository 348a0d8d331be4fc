"""Tests what becomes of a data folder that is there already, and the command that makes one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mp09.cli import main
from mp09.data.cifar import TEST_FILE, read_batch
from mp09.data.origins import from_images, from_synthetic
from mp09.data.prepare import make_batches
from mp09.data.provenance import read_provenance, verify
from mp09.errors import DataError
from selftests.conftest import ROOT
from selftests.data.conftest import PER_FILE


def leftovers(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if name.startswith(".")]


# The folder that is made


def test_a_complete_folder_is_kept(tmp_path):
    out = tmp_path / "out"
    make_batches(out, from_synthetic(0), per_file=PER_FILE)
    before = (out / TEST_FILE).stat().st_mtime_ns
    make_batches(out)
    make_batches(out, from_synthetic(0), per_file=PER_FILE)
    assert (out / TEST_FILE).stat().st_mtime_ns == before


def test_another_request_replaces_our_own_folder(images, tmp_path):
    out = tmp_path / "out"
    make_batches(out, from_synthetic(0), per_file=PER_FILE)
    make_batches(out, from_images(images), per_file=8)
    assert (read_provenance(out).per_file, len(read_batch(out / TEST_FILE))) == (8, 8)
    assert leftovers(tmp_path) == []


def test_what_is_not_given_stays_as_it_was(tmp_path):
    made = make_batches(tmp_path / "out", from_synthetic(3), per_file=PER_FILE, seed=5)
    assert (made.origin, made.seed, made.per_file) == ("synthetic, seed 3", 5, PER_FILE)
    made = make_batches(tmp_path / "out", per_file=8)
    assert (made.origin, made.seed, made.per_file) == ("synthetic, seed 3", 5, 8)
    made = make_batches(tmp_path / "out", seed=6)
    assert (made.origin, made.seed, made.per_file) == ("synthetic, seed 6", 6, 8)


def test_the_command_keeps_the_seed_of_synthetic_images(tmp_path):
    command = ["data", "--synthetic", "--out", str(tmp_path / "out")]
    assert main([*command, "--seed", "5", "--per-file", "8"]) == 0
    made = read_provenance(tmp_path / "out")
    assert main(command) == 0
    assert read_provenance(tmp_path / "out") == made


def test_own_images_are_asked_for_again(images, tmp_path):
    make_batches(tmp_path / "out", from_images(images), per_file=8)
    with pytest.raises(DataError, match=r"out: made of .* \(PNG\)\. .* give these images again, e\.g\. --images PATH"):
        make_batches(tmp_path / "out", seed=1)
    assert make_batches(tmp_path / "out", from_images(images), seed=1).per_file == 8


def test_a_folder_of_somebody_else_is_never_overwritten(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match="was not made by this command"):
        make_batches(out, from_synthetic(0), per_file=PER_FILE)
    assert (out / "thesis.txt").read_text() == "years of work"


def test_force_overwrites_it(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "old.txt").write_text("")
    make_batches(out, from_synthetic(0), per_file=PER_FILE, force=True)
    assert not (out / "old.txt").exists()
    assert verify(out).name == "synthetic"


def test_a_folder_of_the_course_is_used_as_it_is(tmp_path):
    out = tmp_path / "out"
    make_batches(out, from_synthetic(0), per_file=PER_FILE)
    (out / "SOURCE.json").unlink()
    assert (make_batches(out).name, read_provenance(out).counts[TEST_FILE]) == ("unknown source", PER_FILE)
    with pytest.raises(DataError, match="was not made by this command"):
        make_batches(out, holdout=40)


def test_verify_names_what_changed(tmp_path):
    out = tmp_path / "out"
    make_batches(out, from_synthetic(0), per_file=PER_FILE)
    (out / "data_batch_2").unlink()
    with open(out / TEST_FILE, "ab") as file:
        file.write(b"x")
    with pytest.raises(DataError, match="missing or changed since it was made: data_batch_2, test_batch"):
        verify(out)


def test_verify_needs_checksums(tmp_path):
    make_batches(tmp_path / "out", from_synthetic(0), per_file=PER_FILE)
    (tmp_path / "out" / "SOURCE.json").unlink()
    with pytest.raises(DataError, match=r"has no SOURCE.json"):
        verify(tmp_path / "out")


def test_a_damaged_source_file_is_an_error(tmp_path):
    (tmp_path / "SOURCE.json").write_text("{")
    with pytest.raises(DataError, match=r"SOURCE.json: not readable"):
        read_provenance(tmp_path)


@pytest.mark.parametrize("per_file", [0, -8, 12])
def test_an_unbalanced_size_is_refused(tmp_path, per_file):
    with pytest.raises(DataError, match=f"positive multiple of 8 .*, got {per_file}"):
        make_batches(tmp_path / "out", from_synthetic(0), per_file=per_file)


def test_a_full_disk_leaves_nothing_behind(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", small], capture_output=True).returncode:
        pytest.skip("needs the right to mount a small file system")
    try:
        with pytest.raises(DataError, match=r"the disk is full\. Nothing was left behind"):
            make_batches(small / "out", from_synthetic(0), per_file=80)
        assert os.listdir(small) == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_an_interrupted_run_is_completed_by_the_next(tmp_path):
    command = [sys.executable, "-m", "mp09", "data", "--synthetic", "--per-file", "1000", "--out", tmp_path / "out"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    while not leftovers(tmp_path):  # until it has begun to write
        time.sleep(0.01)
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "out").exists()
    make_batches(tmp_path / "out", from_synthetic(0), per_file=PER_FILE)
    assert verify(tmp_path / "out").per_file == PER_FILE
    assert leftovers(tmp_path) == []


# The command


def test_the_command_says_what_it_made(tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["data", "--synthetic", "--per-file", "16", "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}: synthetic, 80 images to train on, 16 to test on\n"
    assert main(["data", "--verify", "--out", str(out)]) == 0


def test_the_command_prints_one_line_for_an_error(tmp_path, capsys):
    assert main(["data", "--images", str(tmp_path / "no"), "--out", str(tmp_path / "out")]) == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert len(error) == 1
    assert error[0].startswith("error: ")


def make_measured(out: Path, *arguments: str) -> tuple[float, int]:
    """Make a full-size folder in a process of its own, and return the seconds and the peak memory in kB.

    The peak comes from /proc, because that of `resource.getrusage` survives exec and would include the calling process.
    """
    code = (
        "import sys; from mp09.cli import main\n"
        "assert main(['data', '--out', *sys.argv[1:]]) == 0\n"
        "print(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code, out, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return time.monotonic() - started, int(done.stdout.splitlines()[-1])


@pytest.mark.proof
def test_synthetic_images_within_75_seconds_and_a_gigabyte(tmp_path):
    seconds, peak = make_measured(tmp_path / "out", "--synthetic")
    print(f"\n48,000 synthetic images: {seconds:.1f} s, {peak / 1e3:.0f} MB")
    assert (seconds < 75, peak < 1_000_000) == (True, True)


@pytest.mark.real
def test_real_images_within_a_minute_and_a_gigabyte(real_images, tmp_path):
    seconds, peak = make_measured(tmp_path / "out", "--images", real_images)
    print(f"\n48,000 real images: {seconds:.1f} s, {peak / 1e3:.0f} MB")
    assert (seconds < 60, peak < 1_000_000) == (True, True)
    assert read_provenance(tmp_path / "out").name == "CIFAR-10 (JPEG)"


# Files that the command did not make


def test_a_file_of_ours_beside_made_files_is_not_lost(tmp_path):
    make_batches(tmp_path / "out", from_synthetic(0), per_file=40)
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match=r"not made by this command: notes\.txt"):
        make_batches(tmp_path / "out", from_synthetic(1), per_file=40)
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


def test_a_neighbour_with_a_similar_name_is_not_removed(tmp_path):
    (tmp_path / ".out.backup").mkdir()
    make_batches(tmp_path / "out", from_synthetic(0), per_file=40)
    assert (tmp_path / ".out.backup").is_dir()


def test_another_seed_is_another_order(tmp_path):
    make_batches(tmp_path / "out", from_synthetic(0), per_file=40)
    assert make_batches(tmp_path / "out", from_synthetic(0), per_file=40, seed=5).seed == 5
    with pytest.raises(DataError, match=r"--seed: expected 0\.\.4294967295, got -1"):
        make_batches(tmp_path / "out", seed=-1)
