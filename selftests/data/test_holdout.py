"""Tests that held-out images are kept apart, depend on a secret, and stay the same until others are asked for."""

import os
from pathlib import Path

import numpy as np
import pytest

from mp09.cli import main
from mp09.data import prepare
from mp09.data.cifar import TEST_FILE, TRAIN_FILES, read_batch
from mp09.data.origins import from_archive, from_images, from_synthetic
from mp09.data.prepare import make_batches
from mp09.data.provenance import SOURCE_FILE, Provenance, holdout_file, read_provenance, secret_file, verify
from mp09.errors import DataError
from mp09.files import checksum
from selftests.data.conftest import PER_FILE
from selftests.data.test_download import make_archive


def contents(folder: Path, names=(*TRAIN_FILES, TEST_FILE)) -> set[bytes]:
    """Return all images of a folder's public files."""
    return {image.tobytes() for name in names for image in read_batch(folder / name).images}


def private_images(folder: Path) -> set[bytes]:
    return {image.tobytes() for image in read_batch(holdout_file(folder)).images}


def test_own_images_are_held_out_of_the_train_files(images, tmp_path):
    make_batches(tmp_path / "whole", from_images(images), per_file=PER_FILE)
    source = make_batches(tmp_path / "out", from_images(images), per_file=PER_FILE, holdout=40)
    private = read_batch(holdout_file(tmp_path / "out"))
    assert np.bincount(private.labels).tolist() == [5] * 8
    assert [source.counts[name] for name in (*TRAIN_FILES, TEST_FILE)] == [8] * 5 + [16]
    assert np.array_equal(private.images[:, 0, 0, 0], private.labels)  # this pixel tells the class
    assert not private_images(tmp_path / "out") & contents(tmp_path / "out")
    assert private_images(tmp_path / "out") | contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_synthetic_images_are_held_out_besides_the_public_ones(tmp_path):
    whole = make_batches(tmp_path / "whole", from_synthetic(0), per_file=40)
    source = make_batches(tmp_path / "out", from_synthetic(0), per_file=40, holdout=80)
    assert np.bincount(read_batch(holdout_file(tmp_path / "out")).labels).tolist() == [10] * 8
    assert source.checksums == whole.checksums  # public files don't tell that images are held out, or which
    assert not private_images(tmp_path / "out") & contents(tmp_path / "out")


def test_a_holdout_stays_when_its_successor_can_not_be_written(tmp_path, monkeypatch):
    made = make_batches(tmp_path / "out", from_synthetic(0), per_file=40, holdout=40)
    monkeypatch.setattr(prepare, "_replace", lambda *_: (_ for _ in ()).throw(OSError("no")))
    with pytest.raises(DataError, match="Nothing was left behind"):
        make_batches(tmp_path / "out", from_synthetic(0), per_file=40, holdout=80)
    assert verify(tmp_path / "out") == made
    assert checksum(holdout_file(tmp_path / "out")) == made.holdout_checksum
    assert {path.name for path in tmp_path.iterdir()} == {"out", "out_holdout"}


@pytest.mark.parametrize("origin", ["synthetic", "own"])
def test_a_holdout_cannot_be_repeated(origin, images, tmp_path):
    """Asking again for everything that SOURCE.json says gives other images, or at least another choice and order."""
    for name in ("ours", "theirs"):
        make_batches(
            tmp_path / name,
            from_synthetic(0) if origin == "synthetic" else from_images(images),
            per_file=PER_FILE,
            holdout=40,
        )
    ours, theirs = (private_images(tmp_path / name) for name in ("ours", "theirs"))
    assert not ours & theirs if origin == "synthetic" else ours != theirs
    assert read_provenance(tmp_path / "ours").holdout_checksum != read_provenance(tmp_path / "theirs").holdout_checksum


def test_the_same_secret_gives_the_same_holdout(tmp_path):
    first, second, other = (
        make_batches(tmp_path / str(i), from_synthetic(0), per_file=40, holdout=40, secret=secret)
        for i, secret in enumerate((0, 0, 1))
    )
    assert first.holdout_checksum == second.holdout_checksum != other.holdout_checksum
    assert not private_images(tmp_path / "0") & contents(tmp_path / "0")  # not even 0 gives public images


@pytest.mark.parametrize("secret", [-1, 2**128])
def test_a_secret_that_cannot_be_is_refused(tmp_path, secret):
    with pytest.raises(DataError, match=r"secret: expected a whole number of 128 bits"):
        make_batches(tmp_path / "out", from_synthetic(0), per_file=40, holdout=40, secret=secret)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_the_secret_is_kept_beside_the_held_out_images_and_nowhere_else(tmp_path):
    out = tmp_path / "out"
    secret_file(out).parent.mkdir(mode=0o755)
    make_batches(out, from_synthetic(0), per_file=40, holdout=40)
    secret = secret_file(out).read_text().strip()
    assert len(secret) == 32
    assert [path.stat().st_mode & 0o777 for path in (secret_file(out).parent, secret_file(out), holdout_file(out))] == [
        *(0o700, 0o600, 0o600)
    ]
    found = [path for path in tmp_path.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    assert found == [secret_file(out)]
    assert str(int(secret, 16)) not in (out / SOURCE_FILE).read_text()


def test_the_holdout_stays_until_another_one_is_asked_for(tmp_path):
    out, seen = tmp_path / "out", []

    def make(**options) -> Provenance:
        source = make_batches(out, from_synthetic(0), per_file=40, **options)
        seen.append(secret_file(out).read_text() if secret_file(out).exists() else "")
        return source

    first = make(holdout=80)
    assert make(holdout=80) == make() == make_batches(out) == first
    assert make(holdout=40).holdout == 40
    assert make(holdout=40, force=True).holdout == 40
    assert make(holdout=0).holdout == 0
    assert not holdout_file(out).exists()
    assert len(set(seen[:3])) == 1
    assert len(set(seen[2:])) == 4  # the first secret, two others, and none


@pytest.mark.parametrize("options", [{"per_file": 80}, {"seed": 1}, {"force": True}])
def test_a_holdout_is_given_up_only_if_one_says_so(tmp_path, options):
    out = tmp_path / "out"
    make_batches(out, from_synthetic(0), per_file=40, holdout=40)
    secret = secret_file(out).read_text()
    with pytest.raises(DataError, match=r"out: has held-out images, .* --holdout N, or none: --holdout 0"):
        make_batches(out, **options)
    assert secret_file(out).read_text() == secret
    holdout_file(out).parent.rename(tmp_path / "elsewhere")
    if "force" not in options:
        with pytest.raises(DataError, match="has held-out images"):
            make_batches(out, **options)


def test_the_public_folder_is_complete_without_the_private_one(tmp_path):
    out = tmp_path / "out"
    source = make_batches(out, from_synthetic(0), per_file=40, holdout=40)
    holdout_file(out).parent.rename(tmp_path / "elsewhere")
    assert verify(out) == make_batches(out) == source


@pytest.mark.parametrize("file", [holdout_file, secret_file])
def test_a_holdout_that_is_gone_is_not_made_anew_behind_ones_back(tmp_path, file):
    """Students may already have the public files. With own images these include what a new holdout would take."""
    out = tmp_path / "out"
    make_batches(out, from_synthetic(0), per_file=40, holdout=40)
    file(out).unlink()
    with pytest.raises(DataError, match=r"out_holdout: the held-out images and their secret seed are not there"):
        make_batches(out, from_synthetic(0), per_file=40, holdout=40)


@pytest.mark.parametrize(("name", "said"), [("CIFAR-10", True), ("synthetic", False)])
def test_the_command_says_that_public_labels_are_no_secret(tmp_path, capsys, name, said):
    archive = make_archive(tmp_path / "x.tar.gz")
    origin = from_archive(archive, md5=checksum(archive, "md5")) if said else from_synthetic(0)
    make_batches(tmp_path / "out", origin, per_file=PER_FILE, holdout=40)
    assert main(["data", "--out", str(tmp_path / "out")]) == 0
    assert ("hidden, but not secret" in capsys.readouterr().out) == said


def test_a_changed_holdout_is_found(tmp_path):
    make_batches(tmp_path / "out", from_synthetic(0), per_file=40, holdout=80)
    holdout_file(tmp_path / "out").write_bytes(b"other")
    with pytest.raises(DataError, match="holdout_batch"):
        verify(tmp_path / "out")


@pytest.mark.parametrize("holdout", [-40, 30, 200])
def test_a_holdout_that_cannot_be_is_refused(tmp_path, holdout):
    with pytest.raises(DataError, match=f"--holdout: expected a multiple of 40 .* below 200, got {holdout}"):
        make_batches(tmp_path / "out", from_synthetic(0), per_file=40, holdout=holdout)
