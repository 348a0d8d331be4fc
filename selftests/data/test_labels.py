"""Tests that an image is counted for the output that its label means, or that the label is refused."""

import pytest
from PIL import Image

from mp09.data.labels import TABLE, Label, Matcher, labels_of, read_outputs, read_table
from mp09.errors import DataError
from selftests.data.conftest import WORDS

BIRD, MACHINE = "n02012849", "n03126707"
# These are torchvision's names. WordNet calls both the bird and the machine "crane".
OUTPUTS = (Label(("crane bird",), BIRD, 134), Label(("crane",), MACHINE, 517), Label(("lemon",), "n07749582", 951))
TEN = labels_of(("airplane", "sports_car", "truck"))


@pytest.mark.parametrize(
    ("label", "place"),
    [
        (Label(("crane",), BIRD), 0),  # the name alone would mean the machine
        (Label(("crane", "boom"), MACHINE), 1),
        (Label((), None, 951), 2),
        (Label(("Lemon",)), 2),
        (Label(("citron", "lemon")), 2),
        (Label(("lemon",), "n07749582", 951), 2),
        (Label(("a name of one's own",), None, 951), 2),
    ],
)
def test_a_label_means_an_output(label, place):
    assert Matcher(OUTPUTS).match([label]) == [place]


def test_names_are_compared_without_case_and_underlines():
    assert Matcher(TEN).match(labels_of(("Sports Car", "truck"))) == [1, 2]


@pytest.mark.parametrize(
    ("outputs", "labels", "words"),
    [
        (OUTPUTS, ("zebra", "lemon", "gnu"), "knows 1 of the 3 classes; unknown: zebra, gnu"),
        (OUTPUTS, ("n00000001",), "knows 0 of the 1 classes; unknown: n00000001"),
        (TEN, (BIRD,), f"knows 0 of the 1 classes; unknown: {BIRD}"),
        (TEN, ("truck", "Truck"), "has one output, truck, for 2 classes: truck, Truck"),
        (labels_of(("cardigan", "Cardigan")), ("cardigan",), "has 2 outputs called cardigan; only a wnid tells them"),
    ],
)
def test_what_is_not_plain_is_refused(outputs, labels, words):
    with pytest.raises(DataError, match=words):
        Matcher(outputs).match(labels_of(labels))


@pytest.mark.parametrize("label", [Label(("lemon",), None, 134), Label((), "n07749582", 134)])
def test_a_label_that_contradicts_itself_is_refused(label):
    with pytest.raises(DataError, match="calls output 134 crane bird, which contradicts"):
        Matcher(OUTPUTS).match([label])


def test_wnids_get_their_words(tmp_path):
    (tmp_path / "words.txt").write_text(WORDS)
    assert labels_of(("n01443537", "cat"), tmp_path) == (
        Label(("goldfish", "Carassius auratus"), "n01443537"),
        Label(("cat",)),
    )


def test_outputs_are_read_as_wnids_with_names_that_differ(tmp_path):
    (tmp_path / "words.txt").write_text(WORDS)
    (tmp_path / "wnids.txt").write_text(f"{MACHINE}\n{BIRD}\n")
    outputs = read_outputs(tmp_path / "wnids.txt")
    assert [str(label) for label in outputs] == [f"crane ({MACHINE})", f"crane ({BIRD})"]
    assert Matcher(outputs).match(labels_of((BIRD,), tmp_path)) == [1]


def table(folder, text: str):
    for name in ("a.png", "b.png", "c.png"):
        (folder / name).write_bytes(b"")
    (folder / TABLE).write_text(text)
    return read_table(folder)


def test_a_table_names_images_and_what_they_show(tmp_path):
    text = (
        f"file\twnid\tlabel\timagenet_index\nb.png\t{BIRD}\tcrane\t134\na.png\t\tlemon\t\nc.png\t{BIRD}\tcrane\t134\n"
    )
    listing, labels = table(tmp_path, text)
    assert [file.name for file in listing.files] == ["b.png", "a.png", "c.png"]
    assert labels == (Label(("crane",), BIRD, 134), Label(("lemon",)))
    assert listing.labels.tolist() == [0, 1, 0]
    assert listing.classes == ("crane", "lemon")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected the columns file, and wnid, label or imagenet_index.* found no line"),
        ("image\tlabel\na.png\tcat\n", "found image, label"),
        ("file\tsize\na.png\t3\n", "found file, size"),
        ("file\tlabel\na.png\t\n", "line 2: expected a file and what it shows"),
        ("file\tlabel\na.png\n", "line 2: expected a file and what it shows"),
        ("file\tlabel\n\n\na.png\t\n", "line 4: expected a file and what it shows, got a.png"),
        ('file\tlabel\na.png\t"cat\nb.png\tdog\n', "expected a table of UTF-8 text with tabs"),
        ("file\tlabel\na.png\tcat\nd.png\tcat\n", "1 of 2 images are missing: d.png"),
        ("file\twnid\na.png\tcat\n", "line 2: expected a wnid, n and eight digits, got 'cat'"),
        ("file\timagenet_index\na.png\t1000\n", r"line 2: expected an imagenet_index of 0..999, got '1000'"),
    ],
)
def test_a_damaged_table_is_refused(text, words, tmp_path):
    with pytest.raises(DataError, match=words):
        table(tmp_path, text)


def test_a_table_may_begin_with_a_mark_of_its_encoding(tmp_path):
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    (tmp_path / "labels.tsv").write_text("file\tlabel\na.png\tship\n", encoding="utf-8-sig")
    _, labels = read_table(tmp_path)
    assert [str(label) for label in labels] == ["ship"]


def test_a_table_that_is_no_text_is_refused(tmp_path):
    (tmp_path / TABLE).write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="expected a table of UTF-8 text"):
        read_table(tmp_path)


@pytest.mark.parametrize(
    ("column", "rows"),
    [
        ("wnid\tlabel", ["n01443537\tgoldfish", "n01443537\tGoldfish"]),
        ("imagenet_index\tlabel", ["0\ttench", "0\tTinca tinca"]),
        ("label", ["Sports car", "sports_car"]),
    ],
)
def test_a_class_written_in_two_ways_is_one(tmp_path, column, rows):
    (tmp_path / TABLE).write_text("\n".join([f"file\t{column}", *(f"a.png\t{row}" for row in rows)]))
    Image.new("RGB", (2, 2)).save(tmp_path / "a.png")
    listing, labels = read_table(tmp_path)
    assert len(labels) == 1
    assert listing.labels.tolist() == [0, 0]
