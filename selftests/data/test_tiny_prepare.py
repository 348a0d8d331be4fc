"""Tests `python -m mp09 tiny-imagenet prepare`: archive or folder become checked images, sorted by class."""

import io
import shutil
import tarfile
import zipfile

import pytest

from mp09.cli import main
from mp09.data import tiny_prepare
from mp09.data.tiny_imagenet import read_class_names
from mp09.data.tiny_prepare import prepare_tiny_imagenet
from mp09.errors import DataError
from selftests.data.conftest import WNIDS, tree


def pack(root, path):
    """Pack a folder as the kind of archive that the name says."""
    shutil.make_archive(
        str(path).removesuffix(".zip").removesuffix(".tar.gz"),
        "zip" if path.suffix == ".zip" else "gztar",
        root.parent,
        root.name,
    )
    return path


@pytest.fixture(params=["tiny.zip", "tiny.tar.gz"])
def archive(request, root, tmp_path):
    packed = pack(root, tmp_path / request.param)
    shutil.rmtree(root)
    return packed


def test_an_archive_is_unpacked_and_counted(archive, tmp_path):
    done = prepare_tiny_imagenet(archive, out=tmp_path / "out")
    assert done.root == tmp_path / "out" / "tiny-imagenet-200"
    assert (done.classes, done.counts) == (3, {"train": (3, 3, 9), "val": (2, 2, 6)})
    assert (done.unnamed, done.unreadable) == ((), ())
    assert len(list((done.root / "val_by_class").glob("*/*.JPEG"))) == 6


def test_without_a_place_it_is_unpacked_beside_the_archive(archive, tmp_path):
    assert prepare_tiny_imagenet(archive).root == tmp_path / "tiny-imagenet-200"


def test_what_is_there_is_left_as_it_is(archive, tmp_path):
    folder = prepare_tiny_imagenet(archive).root
    before = {name: (folder / name).stat().st_ctime_ns for name in tree(folder)}
    prepare_tiny_imagenet(archive)
    assert {name: (folder / name).stat().st_ctime_ns for name in tree(folder)} == before


def test_an_interrupted_run_goes_on(archive, monkeypatch):
    whole = prepare_tiny_imagenet(archive)
    expected = {name: (whole.root / name).read_bytes() for name in tree(whole.root)}
    shutil.rmtree(whole.root)
    entries = tiny_prepare.archive_entries

    def stop_half_way(source):
        for number, (name, content) in enumerate(entries(source)):
            if number == 8:
                yield name, content[: len(content) // 2]  # a full disk or a power cut leaves such a file
                raise KeyboardInterrupt
            yield name, content

    monkeypatch.setattr(tiny_prepare, "archive_entries", stop_half_way)
    with pytest.raises(KeyboardInterrupt):
        prepare_tiny_imagenet(archive)
    monkeypatch.undo()
    again = prepare_tiny_imagenet(archive)
    assert {name: (again.root / name).read_bytes() for name in tree(again.root)} == expected


def test_a_partial_set_and_unreadable_images_are_reported(root, capsys):
    (root / "train" / WNIDS[0] / "images" / f"{WNIDS[0]}_0.JPEG").unlink()
    (root / "train" / WNIDS[1] / "images" / f"{WNIDS[1]}_0.JPEG").write_bytes(b"no image")
    (root / "words.txt").write_text(f"{WNIDS[0]}\tgoldfish\n")
    assert main(["tiny-imagenet", "prepare", str(root)]) == 1
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == f"{root}: 3 classes, 2 of them without a name in words.txt"
    assert printed[1] == "train: 8 images, 2 to 3 a class; the whole set has 500"
    assert printed[2] == "val: 6 images, 2 a class; the whole set has 50"
    assert printed[3:5] == ["unreadable: 1", f"    {root / 'train' / WNIDS[1] / 'images' / WNIDS[1]}_0.JPEG"]
    assert printed[5] == f"next: python -m mp09 train --data tiny-imagenet:{root} --unreadable skip"


def test_a_good_set_says_what_comes_next(root, capsys):
    assert main(["tiny-imagenet", "prepare", str(root)]) == 0
    assert capsys.readouterr().out.endswith(f"unreadable: 0\nnext: python -m mp09 train --data tiny-imagenet:{root}\n")


# Errors


def test_a_path_that_leads_out_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("../escaped.txt", "x")
    with pytest.raises(DataError, match=r"bad\.zip: \.\./escaped\.txt would lie outside"):
        prepare_tiny_imagenet(tmp_path / "bad.zip", out=tmp_path / "out")
    assert not (tmp_path / "escaped.txt").exists()


def test_another_archive_is_refused(tmp_path):
    with tarfile.open(tmp_path / "other.tar", "w") as archive:
        info = tarfile.TarInfo("a.txt")
        info.size = 1
        archive.addfile(info, io.BytesIO(b"x"))
    with pytest.raises(DataError, match=r"other\.tar: no wnids\.txt in it; expected the archive of Tiny ImageNet 200"):
        prepare_tiny_imagenet(tmp_path / "other.tar", out=tmp_path / "out")


def test_a_damaged_archive_is_refused(archive, tmp_path):
    archive.write_bytes(archive.read_bytes()[:-900])
    with pytest.raises(DataError, match="not a complete archive"):
        prepare_tiny_imagenet(archive, out=tmp_path / "out")


def test_a_place_that_cannot_be_written_is_named(archive, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(DataError, match=r"could not be written \(Not a directory\)\. Give another folder: --out"):
        prepare_tiny_imagenet(archive, out=tmp_path / "out")


@pytest.mark.parametrize(("name", "words"), [("nowhere", "no such file or folder"), ("", "not Tiny ImageNet")])
def test_anything_else_is_refused(name, words, tmp_path):
    with pytest.raises(DataError, match=words):
        prepare_tiny_imagenet(tmp_path / name)


# Class names from a file


def test_lines_are_names(tmp_path):
    (tmp_path / "names.txt").write_text("cat\n\n dog \n")
    assert read_class_names(tmp_path / "names.txt") == ("cat", "dog")


def test_wnids_have_the_names_of_their_words(root):
    assert read_class_names(root / "wnids.txt") == ("crane (n03126707)", "crane (n02012849)", "goldfish")


@pytest.mark.parametrize(("content", "words"), [(b"\xff", "not UTF-8 text"), (b"\n", "found none")])
def test_a_file_without_names_is_refused(content, words, tmp_path):
    (tmp_path / "names.txt").write_bytes(content)
    with pytest.raises(DataError, match=words):
        read_class_names(tmp_path / "names.txt")
