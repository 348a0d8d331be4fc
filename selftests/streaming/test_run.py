"""Whole runs in improv write what the model predicts, and what ends them is explained."""

import json
import shutil

import numpy as np
import psutil
import pytest
import yaml

from mp09.errors import StreamError
from mp09.nets.classifier import own_head
from mp09.nets.export import export
from mp09.streaming.image_folder import Stream
from mp09.streaming.latency_plots import plot
from mp09.streaming.run import StreamOptions, stream_images
from mp09.streaming.run_files import read_predictions
from mp09.streaming.timing import COLUMNS, read_table
from selftests.streaming.conftest import COUNT, graph_with, left_over


def test_it_says_what_the_model_says_of_each_image_once_and_in_order(done, offline):
    out, summary = done
    lines, (named, features) = read_predictions(out), offline
    assert [line["frame"] for line in lines] == list(range(COUNT))
    assert [line["name"] for line in lines] == [f"test_batch_{i:05d}.jpg" for i in range(COUNT)]
    assert [line["predicted"] for line in lines] == named
    assert np.allclose(np.load(out / "features.npy"), features, atol=1e-4)
    for line in lines:
        percents = [guess["percent"] for guess in line["top"]]
        assert percents == sorted(percents, reverse=True)
        assert line["top"][0]["name"] == line["predicted"]
        assert len(percents) == 5
    assert summary.labelled == summary.frames == COUNT
    assert summary.right == sum(line["label"] == name for line, name in zip(lines, named, strict=True))
    assert COUNT / 4 < summary.right < COUNT
    assert json.loads((out / "summary.json").read_text())["right"] == summary.right


def test_each_actor_has_a_row_of_times_for_each_frame(done):
    out, summary = done
    tables = {path.stem: read_table(path) for path in out.glob("*.csv")}
    assert tables.keys() == {"Acquirer", "Processor1", "Writer"}
    for actor, table in tables.items():
        assert table.pop("frame") == list(range(COUNT))
        assert tuple(table) == COLUMNS[actor.rstrip("1")]
        assert all(len(values) == COUNT and min(values) >= 0 for values in table.values())
        assert summary.totals_s[actor] == pytest.approx({name: sum(values) / 1000 for name, values in table.items()})
    assert sum(tables["Processor1"]["inference_ms"]) / 1000 < summary.seconds
    assert max(tables["Writer"]["latency_ms"]) / 1000 < summary.seconds
    assert [path.name for path in plot(out)] == ["latency.png", "stages.png", "histogram.png"]


def test_nothing_is_left_behind(done):
    assert left_over(done[0]) == []


def test_it_listens_on_this_machine_alone(done, listened):
    assert listened == {"127.0.0.1"}


def test_several_processors_take_turns_and_keep_the_order(improv, stream, model, offline, tmp_path):
    stream_images(stream, model, tmp_path, StreamOptions(group=4, processors=3))
    lines = read_predictions(tmp_path)
    assert [line["frame"] for line in lines] == list(range(COUNT))
    assert [line["predicted"] for line in lines] == offline[0]
    assert [line["processor"] for line in lines[::4]] == [f"Processor{i % 3 + 1}" for i in range(COUNT // 4)]
    assert not list(tmp_path.glob("*.csv"))  # the graph demo keeps no times


@pytest.fixture(scope="module")
def partly_read(improv, images, model, tmp_path_factory):
    """Run on five images, of which the first and the fourth can't be read; return folder and summary."""
    root = tmp_path_factory.mktemp("partly")
    (root / "images").mkdir()
    for path in sorted((images / "images").iterdir())[:5]:
        (root / "images" / path.name).write_bytes(path.read_bytes())
    for number in (0, 3):
        (root / "images" / f"test_batch_{number:05d}.jpg").write_bytes(b"no image")
    options = StreamOptions(graph="timing", group=2, warm_up=5)
    return root / "out", stream_images(Stream(root / "images", images / "labels"), model, root / "out", options)


def test_an_image_that_can_not_be_read_gets_a_line_that_says_so(partly_read):
    out, summary = partly_read
    lines = read_predictions(out)
    assert ["error" in line for line in lines] == [True, False, False, True, False]
    assert (summary.frames, summary.unreadable, summary.labelled) == (5, 2, 3)
    assert np.isnan(np.load(out / "features.npy")).all(axis=1).tolist() == ["error" in line for line in lines]
    assert len(read_table(out / "Processor1.csv")["frame"]) == 5


def test_the_model_is_warmed_up_though_the_first_image_can_not_be_read(partly_read):
    options = yaml.safe_load((partly_read[0] / "graph.yaml").read_text())["actors"]["Processor1"]
    assert (options["warm_up"], options["shape"]) == (5, [2, 32, 32, 3])


def test_a_missing_label_ends_the_run_in_words(improv, stream, model, tmp_path):
    shutil.copytree(stream.labels, tmp_path / "labels")
    (tmp_path / "labels" / "test_batch_00030.txt").unlink()
    with pytest.raises(StreamError, match=r"Acquirer: .*expected the label of test_batch_00030\.jpg here"):
        stream_images(Stream(stream.images, tmp_path / "labels"), model, tmp_path / "out")
    assert left_over(tmp_path / "out") == []


def test_a_file_that_is_no_model_ends_the_run_in_words_and_another_may_follow(improv, stream, model, tmp_path):
    (tmp_path / "model.pt").write_bytes(b"")
    with pytest.raises(StreamError, match=r"Processor1: .*not a model exported by .*\(no TorchScript file\)\.$"):
        stream_images(stream, tmp_path / "model.pt", tmp_path / "out")
    assert stream_images(stream, model, tmp_path / "out", StreamOptions(group=20)).frames == COUNT


def test_a_model_without_class_names_is_judged_by_the_images_names(improv, stream, offline, tmp_path):
    """Labels are compared with the names of the images' classes; one that has none of them is not judged."""
    classifier, classes = own_head("resnet18-32", "default")
    export(classifier, tmp_path / "unnamed.pt", name="unnamed")
    images = tmp_path / "images"
    shutil.copytree(stream.images.parent, images)
    (images / "classes.txt").write_text("".join(f"{name}\n" for name in classes))
    for label in (images / "labels").iterdir():
        label.write_text(str(classes.index(stream.label(label))))
    done = stream_images(Stream(images / "images", images / "labels"), tmp_path / "unnamed.pt", tmp_path / "out")
    right = sum(stream.label(path) == name for path, name in zip(stream.files, offline[0], strict=True))
    assert (done.judged, done.right) == (COUNT, right)
    assert [line["predicted"] for line in read_predictions(tmp_path / "out")] == offline[0]

    export(classifier, tmp_path / "other.pt", name="other", classes=[f"kind {i}" for i in range(10)])
    done = stream_images(stream, tmp_path / "other.pt", tmp_path / "again", StreamOptions(group=20))
    assert (done.labelled, done.judged, done.right) == (COUNT, 0, 0)


def test_without_improv_it_says_how_to_get_it(stream, model, tmp_path, monkeypatch):
    monkeypatch.setattr("mp09.streaming.process.ENVIRONMENT", tmp_path / "none")
    (tmp_path / "improv").mkdir()  # such a folder comes with a copy of improv's repository
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(StreamError, match="improv is not installed: `make stream`"):
        stream_images(stream, model, tmp_path / "out")


def test_a_folder_with_something_else_is_left_alone(stream, model, tmp_path):
    (tmp_path / "actors").mkdir()
    (tmp_path / "actors" / "mine.py").write_text("")
    with pytest.raises(StreamError, match="is not empty, and holds no run"):
        stream_images(stream, model, tmp_path)
    assert (tmp_path / "actors" / "mine.py").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"class": "Wrtier"}, "Classname not valid"),
        ({"timin": True}, "got an unexpected keyword argument 'timin'"),
    ],
)
def test_a_mistake_in_a_graph_ends_in_words(improv, stream, model, tmp_path, changes, words):
    graph = graph_with(tmp_path / "graph.yaml", "Writer", **changes)
    with pytest.raises(StreamError, match=words):
        stream_images(stream, model, tmp_path / "out", StreamOptions(graph=graph))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("Refusing", "the threshold must be positive"),
        ("Losing", r"Writer: frame 4 is missing: Processor1 sent 8\. 4 frames are written; --resume goes on"),
        ("Silent", "no frame for 1 s"),
        ("Dozing", "improv: waited 1 s for its actors to get ready"),
        ("Hoarding", "Processor1: improv's store did not take 1000.0 MB"),
        ("Forgetting", "Writer: improv's store has lost an array"),
        ("Puzzled", r"Processor1: RuntimeError: 7 channels$"),
    ],
)
def test_a_processor_that_fails_ends_the_run_in_words(improv, stream, model, tmp_path, monkeypatch, kind, words):
    if limit := {"Silent": "STALLED_S", "Dozing": "READY_S"}.get(kind):
        monkeypatch.setattr(f"mp09.streaming.run.{limit}", 1.0)
    graph = graph_with(tmp_path / "graph.yaml", "Processor", **{"package": "selftests.streaming.faulty", "class": kind})
    with pytest.raises(StreamError, match=words):
        stream_images(stream, model, tmp_path / "out", StreamOptions(graph=graph, group=4, warm_up=0))
    assert left_over(tmp_path / "out") == []


def test_a_process_that_ends_while_all_are_counted_ends_the_run_in_words(improv, stream, model, tmp_path, monkeypatch):
    def gone(process):
        raise psutil.NoSuchProcess(process.pid)

    monkeypatch.setattr(psutil.Process, "name", gone)
    with pytest.raises(StreamError, match=r"improv: a process of its server \(\d+\) has ended"):
        stream_images(stream, model, tmp_path / "out")
    monkeypatch.undo()
    assert left_over(tmp_path / "out") == []


def test_a_writer_that_writes_no_lines_is_an_error(improv, stream, model, tmp_path):
    graph = graph_with(tmp_path / "graph.yaml", "Writer", **{"package": "selftests.streaming.faulty", "class": "Idle"})
    with pytest.raises(StreamError, match=rf"the graph's Writer wrote lines for 0 of {COUNT} frames"):
        stream_images(stream, model, tmp_path / "out", StreamOptions(graph=graph, group=20))


def test_a_folder_that_can_not_be_written_to_is_an_error(stream, model, tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(StreamError, match="File exists"):
        stream_images(stream, model, tmp_path / "out")


def test_an_image_larger_than_the_store_ends_the_run_in_words(improv, stream, model, tmp_path):
    with pytest.raises(StreamError, match=r"Acquirer: .*0\.6 MB of pixels a group, and half of the store is 0\.5 MB"):
        stream_images(
            Stream(stream.images, frames=200), model, tmp_path / "out", StreamOptions(group=200, store=1, warm_up=0)
        )


def test_another_run_is_not_mixed_in(done, stream, images, model, tmp_path):
    out, summary = done
    with pytest.raises(StreamError, match=r"holds a run\. It goes on with --resume"):
        stream_images(stream, model, out)
    with pytest.raises(StreamError, match="that run had other frames"):
        stream_images(Stream(images / "images", images / "labels", 7), model, out, resume=True)
    before = (out / "summary.json").read_text()
    again = stream_images(stream, model, out, resume=True)
    assert (again.frames, again.first, again.right) == (COUNT, COUNT, summary.right)
    assert (out / "summary.json").read_text() == before
