"""A run writes lines and features that belong together, and goes on from them."""

import json

import numpy as np
import pytest

from mp09.errors import StreamError
from mp09.streaming.latency_plots import plot
from mp09.streaming.messages import Answer, Group
from mp09.streaming.run_files import Records, cut_back, read_predictions
from mp09.streaming.timing import TimeTable, read_table

TOP = [(2, "cat", 0.75), (0, "dog", 0.25)]


def answer(first: int, count: int, *, error: str = "") -> Answer:
    names = tuple(f"{first + i}.png" for i in range(count))
    group = Group(first, names, ("cat",) * count, (0.0,) * count, error, None, 0.0)
    top, right = ([[]], [None]) if error else ([TOP] * count, [True] * count)
    return Answer(group, "Processor1", top, right, None, 0.0)


def write(records: Records, first: int, features, **options) -> None:
    """Write an answer and its lines."""
    records.add(answer(first, 1 if features is None else len(features), **options), features)
    records.commit()


def test_lines_and_features_belong_to_their_frames(tmp_path):
    records = Records(tmp_path, 4)
    write(records, 0, np.array([[1, 2], [3, 4]], np.float32))
    write(records, 2, None, error="broken")
    write(records, 3, np.array([[5, 6]], np.float32))
    records.close()
    lines = read_predictions(tmp_path)
    assert [line["frame"] for line in lines] == [0, 1, 2, 3]
    assert lines[0] == {
        "frame": 0,
        "name": "0.png",
        "label": "cat",
        "right": True,
        "predicted": "cat",
        "percent": 75.0,
        "top": [{"index": 2, "name": "cat", "percent": 75.0}, {"index": 0, "name": "dog", "percent": 25.0}],
        "processor": "Processor1",
    }
    assert lines[2] == {"frame": 2, "name": "2.png", "label": "cat", "error": "broken", "processor": "Processor1"}
    features = np.load(tmp_path / "features.npy")
    assert features[[0, 1, 3]].tolist() == [[1, 2], [3, 4], [5, 6]]
    assert np.isnan(features[2]).all()


def test_features_that_are_gone_are_not_begun_anew(tmp_path):
    records = Records(tmp_path, 4)
    write(records, 0, None, error="broken")
    write(records, 1, np.ones((1, 2), np.float32))
    records.close()
    (tmp_path / "features.npy").unlink()
    with pytest.raises(StreamError, match=r"features\.npy: is missing, and the frames before had features"):
        write(Records(tmp_path, 4), 2, np.ones((1, 2), np.float32))


def test_a_run_that_broke_off_is_cut_back_to_whole_frames_and_goes_on(tmp_path):
    records = Records(tmp_path, 5)
    write(records, 0, np.ones((3, 2), np.float32))
    records.add(answer(3, 1), np.ones((1, 2), np.float32))  # the run is killed before it writes these lines
    records.close()
    table = TimeTable(tmp_path / "Processor1.csv")
    table.add(0, [(1, 0.5, 2, 3)] * 5)  # the processor was ahead of the writer
    table.close()
    with open(tmp_path / "predictions.jsonl", "a") as file:
        file.write('{"frame": 3, "na')
    assert cut_back(tmp_path) == 3
    assert read_table(tmp_path / "Processor1.csv")["frame"] == [0, 1, 2]
    records = Records(tmp_path, 5)
    write(records, 3, np.zeros((2, 2), np.float32))
    records.close()
    assert [line["frame"] for line in read_predictions(tmp_path)] == [0, 1, 2, 3, 4]
    assert np.load(tmp_path / "features.npy").sum(axis=1).tolist() == [2, 2, 2, 0, 0]


def test_a_folder_without_a_run_starts_at_the_beginning(tmp_path):
    assert cut_back(tmp_path) == 0


def test_a_table_has_one_row_a_frame_in_milliseconds(tmp_path):
    table = TimeTable(tmp_path / "Writer.csv")
    table.add(0, [(0.001, 0.002, 0.5)])
    table.close()
    table = TimeTable(tmp_path / "Writer.csv")  # it goes on from what is there
    table.add(1, [(0, 0, 0.25)])
    table.close()
    assert read_table(tmp_path / "Writer.csv") == {
        "frame": [0, 1],
        "queue_ms": [1, 0],
        "write_ms": [2, 0],
        "latency_ms": [500, 250],
    }


def test_an_actor_that_had_not_begun_has_an_empty_table(tmp_path):
    TimeTable(tmp_path / "Writer.csv").close()
    assert read_table(tmp_path / "Writer.csv")["frame"] == []
    (tmp_path / "Writer.csv").write_text("")
    assert read_table(tmp_path / "Writer.csv") == {}
    assert plot(tmp_path) == []


def test_tables_of_others_are_left_alone(tmp_path):
    (tmp_path / "mine.csv").write_text("7,8\n")
    cut_back(tmp_path)
    assert (tmp_path / "mine.csv").read_text() == "7,8\n"


def test_lines_are_json_of_any_language(tmp_path):
    records = Records(tmp_path, 1)
    records.add(Answer(answer(0, 1).group, "Processor1", [[(0, "Löwe", 1.0)]], [None], None, 0.0), None)
    records.commit()
    records.close()
    assert json.loads((tmp_path / "predictions.jsonl").read_text(encoding="utf-8"))["predicted"] == "Löwe"


def test_a_table_of_an_unknown_kind_of_actor_is_refused(tmp_path):
    with pytest.raises(StreamError, match="expected an actor called Acquirer, Processor, Writer, got Camera"):
        TimeTable(tmp_path / "Camera.csv")
    assert list(tmp_path.iterdir()) == []
