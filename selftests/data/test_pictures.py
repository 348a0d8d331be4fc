import shutil
import subprocess
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mp09.data import pictures
from mp09.data.pictures import (
    Listing,
    digest,
    drop_unreadable,
    list_pictures,
    load_pictures,
    open_folders,
    read_picture,
)
from mp09.errors import DataError


def draw(path: Path, colour=(200, 100, 50), size=(8, 6), mode="RGB", **options) -> Path:
    """Save a picture of one colour, size (width, height)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path, **options)
    return path


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three classes of three pictures, 8x6; red is the class, green the number."""
    for label, name in enumerate(("ant", "bee", "cow")):
        for i in range(3):
            draw(tmp_path / "set" / name / f"{i}.png", (label, i, 0))
    return tmp_path / "set"


def names(listing: Listing, folder: Path) -> list[str]:
    return [file.relative_to(folder).as_posix() for file in listing.files]


def damage(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-30])
    return path


# Finding them


def test_a_sub_folder_is_a_class(folder):
    listing = list_pictures(folder)
    assert (listing.classes, listing.labels.tolist(), len(listing)) == (
        ("ant", "bee", "cow"),
        [0, 0, 0, 1, 1, 1, 2, 2, 2],
        9,
    )
    assert (listing.labels.dtype, names(listing, folder)[:4]) == (
        np.int64,
        ["ant/0.png", "ant/1.png", "ant/2.png", "bee/0.png"],
    )


def test_order_and_labels_are_those_of_image_folder(folder):
    datasets = pytest.importorskip("torchvision.datasets")
    for name in (
        "Ant/9.JPG",
        "ant/x/1.jpeg",
        "ant/x-y/1.webp",
        "ant/x/z/1.bmp",
        "bee/10.tiff",
        "bee/a.PpM",
        "bee/B.png",
    ):
        draw(folder / name)
    (folder / "bee" / "notes.txt").write_text("no picture")
    listing = list_pictures(folder)
    samples = [(str(file), label) for file, label in zip(listing.files, listing.labels.tolist(), strict=True)]
    assert samples == datasets.ImageFolder(folder).samples


def test_hidden_files_and_folders_are_left_out(folder):
    before = list_pictures(folder)
    for name in (".trash/a.png", "ant/.ipynb_checkpoints/0.png", "ant/._0.png"):
        draw(folder / name)
    after = list_pictures(folder)
    assert (after.files, after.classes) == (before.files, before.classes)


@pytest.mark.parametrize("name", ["dog", "cow/more"])
def test_a_linked_folder_counts(folder, tmp_path, name):
    (folder / name).symlink_to(draw(tmp_path / "elsewhere" / "a.png").parent)
    assert names(list_pictures(folder), folder)[-1] == f"{name}/a.png"


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere: expected a folder with one sub-folder a class \(No such file"):
        list_pictures(tmp_path / "nowhere")


def test_pictures_without_class_folders_are_counted(folder):
    with pytest.raises(
        DataError, match=r"ant: expected one sub-folder a class, found 3 pictures directly in it\. Move"
    ):
        list_pictures(folder / "ant")


def test_an_empty_folder_has_no_classes(tmp_path):
    with pytest.raises(DataError, match=r"expected one sub-folder a class, found none\."):
        list_pictures(tmp_path)


def test_splits_are_not_classes(folder):
    (folder / "ant").rename(folder / "train")
    (folder / "bee").rename(folder / "val")
    shutil.rmtree(folder / "cow")
    with pytest.raises(DataError, match=r"found the splits train, val\. Give one"):
        list_pictures(folder)


def test_empty_class_folders_are_counted_and_named(folder):
    for i in range(7):
        (folder / f"empty{i}").mkdir()
    with pytest.raises(
        DataError, match=r"7 of 10 class folders have no pictures \(\.jpg, .*: empty0, .*, empty4 and 2 more"
    ):
        list_pictures(folder)


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"gone: could not be read \(No such file or directory\)"):
        pictures._pictures_below(tmp_path / "gone")


# Train and the rest


@pytest.mark.parametrize("name", ["val", "valid", "validation", "test"])
def test_train_and_the_rest(folder, tmp_path, name):
    for part in ("train", name):
        shutil.copytree(folder, tmp_path / "root" / part)
    train, rest = open_folders(tmp_path / "root").values()
    assert (train.files[0].parts[-3:], rest.files[0].parts[-3:]) == (("train", "ant", "0.png"), (name, "ant", "0.png"))


def test_val_and_test_are_two(folder, tmp_path):
    for part in ("train", "test", "val"):
        shutil.copytree(folder, tmp_path / "root" / part)
    found = {split: listing.files[0].parts[-3] for split, listing in open_folders(tmp_path / "root").items()}
    assert found == {"train": "train", "valid": "val", "test": "test"}


def test_a_missing_split_is_an_error(folder):
    with pytest.raises(DataError, match=r"expected the folder train, and val or test or both, found ant, bee, cow\."):
        open_folders(folder)


def test_classes_that_differ_are_named(folder, tmp_path):
    for part in ("train", "val"):
        shutil.copytree(folder, tmp_path / "root" / part)
    (tmp_path / "root" / "val" / "bee").rename(tmp_path / "root" / "val" / "elk")
    with pytest.raises(DataError, match=r"same class folders in train and val; only train has bee; only val has elk\."):
        open_folders(tmp_path / "root")


# Reading one


def test_a_picture_is_three_planes(tmp_path):
    picture = read_picture(draw(tmp_path / "a.png", (1, 2, 3), size=(8, 6)))
    assert (picture.shape, picture.dtype, picture.flags.c_contiguous) == ((3, 6, 8), np.uint8, True)
    assert picture[:, 0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("mode", "colour", "suffix", "expected"),
    [
        ("L", 100, "png", (100, 100, 100)),
        ("LA", (100, 0), "png", (100, 100, 100)),
        ("1", 1, "png", (255, 255, 255)),
        ("RGBA", (10, 20, 30, 0), "png", (10, 20, 30)),
        ("I;16", 65535, "png", (255, 255, 255)),
        ("I;16", 0x4080, "tiff", (64, 64, 64)),
        ("CMYK", (0, 255, 255, 0), "tiff", (255, 0, 0)),
        ("CMYK", (0, 255, 255, 0), "jpg", (255, 0, 0)),
    ],
)
def test_every_kind_becomes_rgb(tmp_path, mode, colour, suffix, expected):
    picture = read_picture(draw(tmp_path / f"a.{suffix}", colour, mode=mode))
    assert picture[:, 2, 3].astype(int) == pytest.approx(expected, abs=2)  # JPEG rounds


def test_a_palette_becomes_rgb_without_a_warning(tmp_path, recwarn):
    image = Image.new("P", (8, 6), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.save(tmp_path / "a.png", transparency=bytes([0, 128]))
    assert read_picture(tmp_path / "a.png")[:, 0, 0].tolist() == [10, 20, 30]
    assert len(recwarn) == 0


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_exif_turns_it_upright(tmp_path, suffix):
    image, exif = Image.new("RGB", (64, 32)), Image.Exif()
    image.paste((255, 255, 255), (0, 0, 32, 32))  # white left half
    exif[0x0112] = 6  # to be turned clockwise: left becomes top
    image.save(tmp_path / f"a.{suffix}", exif=exif)
    picture = read_picture(tmp_path / f"a.{suffix}")
    assert (picture.shape, picture[0, 0].min(), picture[0, -1].max()) == ((3, 64, 32), 255, 0)


def test_the_content_decides_not_the_suffix(tmp_path):
    path = draw(tmp_path / "a.png", (7, 8, 9)).rename(tmp_path / "a.jpg")
    assert read_picture(path)[:, 0, 0].tolist() == [7, 8, 9]


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tiff", "webp"])
def test_a_truncated_picture_is_named(tmp_path, suffix):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    image.save(tmp_path / f"a.{suffix}")
    with pytest.raises(DataError, match=rf"a\.{suffix}: not a readable picture \(.*\)\. Replace or remove it"):
        read_picture(damage(tmp_path / f"a.{suffix}"))


@pytest.mark.parametrize("content", [b"", b"no picture", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 6\n"])
def test_what_is_no_picture_says_so(tmp_path, content):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.jpg: not a readable picture \(its content is none of JPEG, PNG, "):
        read_picture(tmp_path / "a.jpg")


def test_a_picture_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"a\.jpg: not a readable picture \(No such file or directory\)"):
        read_picture(tmp_path / "a.jpg")


@pytest.mark.parametrize("mode", ["I", "F"])
def test_32_bits_have_no_known_range(tmp_path, mode):
    with pytest.raises(DataError, match=r"expected 8 or 16 bits a channel, got 32"):
        read_picture(draw(tmp_path / "a.tiff", 1, mode=mode))


# Dropping the unreadable


def test_unreadable_ones_are_left_out(folder):
    bad = (damage(folder / "ant" / "1.png"), damage(folder / "cow" / "0.png"))
    kept, dropped = drop_unreadable(list_pictures(folder))
    assert (dropped, kept.labels.tolist(), kept.classes) == (bad, [0, 0, 1, 1, 1, 2, 2], ("ant", "bee", "cow"))
    assert not set(bad) & set(kept.files)


def test_a_class_that_loses_all_is_an_error(folder):
    for i in range(3):
        damage(folder / "bee" / f"{i}.png")
    with pytest.raises(DataError, match=r"no readable picture of bee; the first is .*bee/0\.png\. Replace them"):
        drop_unreadable(list_pictures(folder))


# Loading all


def test_pictures_and_labels_belong_together(folder):
    loaded = load_pictures(list_pictures(folder))
    assert (loaded.images.shape, loaded.images.dtype) == ((9, 3, 6, 8), np.uint8)
    assert np.array_equal(loaded.images[:, 0, 0, 0], loaded.labels)
    assert (loaded.images[:, 1, 0, 0].tolist(), loaded.classes) == ([0, 1, 2] * 3, ("ant", "bee", "cow"))


def test_the_number_of_threads_changes_nothing(tmp_path):
    for i in range(200):  # several blocks
        draw(tmp_path / "a" / f"{i:03d}.png", (i, 0, 0))
    for workers in (1, 3):
        loaded = load_pictures(list_pictures(tmp_path), workers=workers)
        assert loaded.images[:, 0, 0, 0].tolist() == list(range(200))


def test_other_sizes_are_not_loaded(folder):
    draw(folder / "cow" / "9.png", size=(6, 8))
    assert load_pictures(list_pictures(folder)) is None


def test_too_many_are_not_even_read(folder, monkeypatch):
    damage(folder / "ant" / "1.png")
    monkeypatch.setattr(pictures, "MEMORY_LIMIT", 9 * 3 * 6 * 8 - 1)
    assert load_pictures(list_pictures(folder)) is None


def test_what_just_fits_is_loaded(folder, monkeypatch):
    monkeypatch.setattr(pictures, "MEMORY_LIMIT", 9 * 3 * 6 * 8)
    assert len(load_pictures(list_pictures(folder))) == 9


def test_the_first_unreadable_one_is_named(folder):
    damage(folder / "bee" / "2.png")
    damage(folder / "cow" / "0.png")
    with pytest.raises(DataError, match=r"bee/2\.png: not a readable picture \(.*truncated.*\)"):
        load_pictures(list_pictures(folder))


def test_there_is_no_second_copy(tmp_path):
    for i in range(100):
        draw(tmp_path / "a" / f"{i}.png", size=(128, 128))
    listing = list_pictures(tmp_path)
    load_pictures(listing.take(np.arange(1)))  # loads Pillow's decoders
    tracemalloc.start()
    loaded = load_pictures(listing)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert loaded.images.nbytes <= peak < 1.3 * loaded.images.nbytes


def test_progress_ends_at_the_total(tmp_path):
    for i in range(100):
        draw(tmp_path / "a" / f"{i}.png")
    calls = []
    load_pictures(list_pictures(tmp_path), progress=lambda *call: calls.append(call))
    drop_unreadable(list_pictures(tmp_path), progress=lambda *call: calls.append(call))
    assert calls == [("decoding", 64, 100), ("decoding", 100, 100), ("checking", 64, 100), ("checking", 100, 100)]


# The digest


def test_the_digest_does_not_depend_on_the_place(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "ant" / "copy")
    assert digest(list_pictures(folder)) == digest(list_pictures(copy))


@pytest.mark.parametrize("name", ["cat/a.png", "cat/cat/a.png", "cat/x/a.png"])
def test_the_digest_of_a_single_class_does_not_depend_on_the_place(tmp_path, name):
    for place in ("one", "cat/cat"):
        draw(tmp_path / "p" / place / "set" / name)
    one, other = (digest(list_pictures(tmp_path / "p" / place / "set")) for place in ("one", "cat/cat"))
    assert one == other


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: draw(folder / "ant" / "0.png", (9, 9, 9)),
        lambda folder: (folder / "ant" / "0.png").rename(folder / "ant" / "00.png"),
        lambda folder: (folder / "ant" / "0.png").rename(folder / "bee" / "00.png"),
        lambda folder: (folder / "ant").rename(folder / "aunt"),
        lambda folder: (folder / "cow" / "2.png").unlink(),
    ],
    ids=["content", "name", "class", "class name", "number"],
)
def test_the_digest_notices_a_change(folder, change):
    before = digest(list_pictures(folder))
    change(folder)
    assert digest(list_pictures(folder)) != before


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum")
def test_the_digest_is_that_of_sha256sum(folder):
    command = f"sha256sum --zero {' '.join(names(list_pictures(folder), folder))} | sha256sum"
    done = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == digest(list_pictures(folder))


def test_the_digest_names_a_file_that_is_gone(folder):
    listing = list_pictures(folder)
    listing.files[4].unlink()
    with pytest.raises(DataError, match=r"bee/1\.png: could not be read \(No such file or directory\)"):
        digest(listing)
