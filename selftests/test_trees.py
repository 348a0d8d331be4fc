"""Test that folders which somebody else has filled are walked, measured and removed, whatever is in them."""

import os
import stat

import pytest

from mp09 import trees


def nest(folder, depth):
    """Make folders in folders, deeper than a path may be long, with a file of 100,000 bytes in the last."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("a" * 20, dir_fd=here)
        here, outer = os.open("a" * 20, os.O_RDONLY, dir_fd=here), here
        os.close(outer)
    with open(os.open("last", os.O_CREAT | os.O_WRONLY, dir_fd=here), "wb") as file:
        file.write(b"x" * 100_000)
    os.close(here)


def test_what_is_in_a_folder_comes_before_the_folder(tmp_path):
    (tmp_path / "outer" / "inner").mkdir(parents=True)
    (tmp_path / "outer" / "inner" / "file").write_text("")
    assert [name for _, name, _ in trees.walk(tmp_path)] == ["file", "inner", "outer"]


def test_links_are_not_followed(tmp_path):
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "link").symlink_to("/usr")
    (tmp_path / "inside" / "circle").symlink_to(tmp_path)
    entries = {name: stat.S_ISLNK(status.st_mode) for _, name, status in trees.walk(tmp_path)}
    assert entries == {"link": True, "circle": True, "inside": False}


@pytest.mark.skipif(not trees.BY_DESCRIPTOR, reason="needs folders that are named by descriptors")
def test_folders_deeper_than_any_path_are_measured_and_removed(tmp_path):
    folder = tmp_path / "deep"
    folder.mkdir()
    nest(folder, 3000)
    assert sum(trees.sizes(folder)) >= 100_000
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    trees.remove(folder)
    assert not folder.exists()
    assert (len(os.listdir("/proc/self/fd")) if before else 0) == before


def test_folders_that_their_owner_has_closed_are_removed(tmp_path):
    folder = tmp_path / "closed"
    (folder / "inner" / "more").mkdir(parents=True)
    (folder / "inner" / "more").chmod(0)
    (folder / "inner").chmod(0)
    folder.chmod(0)
    trees.remove(folder)
    assert not folder.exists()


def test_a_folder_that_is_moved_away_ends_the_walk(tmp_path):
    (tmp_path / "top" / "a" / "b").mkdir(parents=True)
    (tmp_path / "top" / "a" / "b" / "file").write_text("")
    (tmp_path / "elsewhere").mkdir()
    seen = []
    for _, name, _ in trees.walk(tmp_path / "top"):
        seen.append(name)
        if name == "file":
            (tmp_path / "top" / "a" / "b").rename(tmp_path / "elsewhere" / "b")
    assert seen == ["file"]


def test_what_is_not_there_is_nothing(tmp_path):
    assert list(trees.walk(tmp_path / "missing")) == []
    trees.remove(tmp_path / "missing")
