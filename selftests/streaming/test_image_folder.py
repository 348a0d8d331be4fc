"""A stream gives its images with their labels, in groups."""

import pytest
from PIL import Image

from mp09.errors import StreamError
from mp09.streaming.image_folder import Stream, groups


@pytest.fixture
def folder(tmp_path):
    """Make seven images, the fifth of another size, with labels by number and by name in turns."""
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    for i in range(7):
        Image.new("RGB", (9 if i == 4 else 8, 6), (i, 0, 0)).save(tmp_path / "images" / f"p{i}.png")
        (tmp_path / "labels" / f"p{i}.txt").write_text("0\n" if i % 2 else "cat")
    (tmp_path / "classes.txt").write_text("dog\ncat")
    return tmp_path


def numbers(stream: Stream, first: int, size: int) -> list[list[int]]:
    return [[frame.number for frame in group] for group in groups(stream, first, size)]


def test_groups_are_of_one_size_of_image(folder):
    stream = Stream(folder / "images")
    assert numbers(stream, 0, 3) == [[0, 1, 2], [3], [4], [5, 6]]
    assert numbers(stream, 0, 1) == [[i] for i in range(7)]
    assert numbers(stream, 5, 4) == [[5, 6]]
    assert numbers(stream, 7, 4) == []


def test_frames_carry_planes_in_r_g_b_names_and_labels(folder):
    stream = Stream(folder / "images", folder / "labels")
    frames = [frame for group in groups(stream, 0, 4) for frame in group]
    assert frames[3].image.shape == (6, 8, 3)
    assert frames[3].image[0, 0].tolist() == [3, 0, 0]
    assert [frame.name for frame in frames] == [f"p{i}.png" for i in range(7)]
    assert [frame.label for frame in frames] == ["cat", "dog", "cat", "dog", "cat", "dog", "cat"]


def test_an_image_that_can_not_be_read_comes_alone_with_the_reason(folder):
    (folder / "images" / "p1.png").write_bytes(b"no image")
    stream = Stream(folder / "images")
    assert numbers(stream, 0, 3) == [[0], [1], [2, 3], [4], [5, 6]]
    (frame,) = list(groups(stream, 0, 3))[1]
    assert frame.image is None
    assert "p1.png: not a readable image" in frame.error


def test_more_frames_than_images_go_round(folder):
    stream = Stream(folder / "images", frames=16)
    frames = [frame for group in groups(stream, 12, 5) for frame in group]
    assert [(frame.number, frame.name) for frame in frames] == [
        (12, "p5.png"),
        (13, "p6.png"),
        (14, "p0.png"),
        (15, "p1.png"),
    ]


def test_numbers_stay_numbers_without_class_names(folder):
    (folder / "classes.txt").unlink()
    stream = Stream(folder / "images", folder / "labels")
    assert stream.label(stream.files[1]) == "0"


@pytest.mark.parametrize(
    ("content", "message"),
    [("7", "expected a class' name or 0..1, found 7"), (None, "expected the label of p0.png here")],
)
def test_a_missing_or_wrong_label_is_an_error(folder, content, message):
    file = folder / "labels" / "p0.txt"
    file.write_text(content) if content else file.unlink()
    stream = Stream(folder / "images", folder / "labels")
    with pytest.raises(StreamError, match=message):
        stream.label(stream.files[0])


def test_a_folder_without_images_is_an_error(tmp_path):
    with pytest.raises(StreamError, match="no images"):
        _ = Stream(tmp_path).files
    with pytest.raises(StreamError, match="expected a folder"):
        _ = Stream(tmp_path / "missing").files


def test_scores_are_called_as_the_source_says(folder):
    assert Stream(folder / "images").name == "images"
    (folder / "SOURCE.json").write_text('{"name": "synthetic"}')
    assert Stream(folder / "images").name == "synthetic"


def test_class_names_that_are_no_text_are_an_error(folder):
    (folder / "classes.txt").write_bytes(b"\xff\xfe")
    (folder / "labels" / "p0.txt").write_text("0")
    stream = Stream(folder / "images", folder / "labels")
    with pytest.raises(StreamError, match="expected UTF-8, one name a line"):
        stream.label(stream.files[0])
