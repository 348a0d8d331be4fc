"""Files, tables and the chart show what was measured."""

import csv
import json
from dataclasses import replace

import pytest

from mp09.compare import chart
from mp09.compare.accuracy import Share
from mp09.compare.records import Comparison, Conditions, PublishedFigures, Row, Turn, write
from mp09.compare.tables import tables
from mp09.errors import CompareError

PUBLISHED = PublishedFigures("A_Weights.V1", "ImageNet-1K", 56.5, 79.1, 61_000_000, 0.714, 233.1)
SETTINGS = Conditions(
    images="fifty",
    count=50,
    batch=32,
    rounds=2,
    runs=3,
    device="a processor, 2 threads",
    precision="float32",
    memory="the process at its largest",
    torch="2",
)


def row(name: str, ms: float, right: int | None, *, memory: float | None = 100.0, published=PUBLISHED) -> Row:
    turns = (Turn(0.0, (ms, ms, 4 * ms), 30.0), Turn(1.5, (2 * ms, 2 * ms, 2 * ms), 20.0))
    top1, top5 = (None, None) if right is None else (Share(right, 50), Share(min(50, right + 5), 50))
    facts = {"weights": "a.pth", "weights_mib": 233.1, "weights_in": "a.pth", "outputs": 1000, "size": 224}
    facts |= {"parameters": 61_000_000, "gmacs": 0.714, "memory_mib": memory, "batch_memory_mib": memory}
    return Row(model=name, **facts, turns=turns, top1=top1, top5=top5, published=published)


def compared(*rows: Row) -> Comparison:
    return Comparison(rows, SETTINGS, {"broken": "not measured: no memory"})


def test_a_row_sums_up_its_turns():
    flat = row("alexnet", 10.0, 36).flat()
    assert (flat["latency_median_ms"], flat["latency_mean_ms"]) == (20.0, 20.0)
    assert flat["latency_p95_ms"] == pytest.approx(35.0)
    assert (flat["latency_lowest_round_ms"], flat["latency_highest_round_ms"]) == (10.0, 20.0)
    assert (flat["rate"], flat["rate_lowest_round"], flat["rate_highest_round"]) == (25.0, 20.0, 30.0)
    assert (flat["top1"], flat["images"]) == (0.72, 50)
    assert flat["top1_low"] < 0.72 < flat["top1_high"]
    assert flat["published_top1"] == 56.5


def test_csv_and_json_hold_the_same(tmp_path):
    csv_file, json_file = write(compared(row("a", 10.0, 36), row("b", 20.0, None)), tmp_path / "new" / "out")
    lines = list(csv.DictReader(csv_file.read_text().splitlines()))
    content = json.loads(json_file.read_text())
    assert [line["model"] for line in lines] == ["a", "b"]
    for line, model in zip(lines, content["models"], strict=True):
        rounds = model.pop("rounds")
        assert [turn["began_s"] for turn in rounds] == [0.0, 1.5]
        assert len(rounds[0]["latency_ms"]) == 3
        assert line == {name: "" if value is None else str(value) for name, value in model.items()}
    assert content["settings"]["count"] == 50
    assert content["notes"] == {"broken": "not measured: no memory"}


def test_tables_show_intervals_beside_what_is_published():
    accuracy, speed, size = tables(compared(row("resnet18-32:mine.pt", 10.0, 36), row("b", 20.0, None, published=None)))
    assert accuracy.title == "Accuracy: fifty, 50 images: steps of 2 points"
    assert accuracy.rows[0][:4] == ("resnet18-32:\n mine.pt", "72.0 [58.3, 82.5]", "82.0 [69.2, 90.2]", "56.50")
    assert accuracy.rows[1][1:] == ("-", "-", "-", "-", "-")
    assert speed.rows[1] == ("b", "40.0", "40.0", "70.0", "20.0..40.0", "25.0", "20.0..30.0", "100", "100")
    assert "by turns in 2 rounds of 3 passes" in speed.title
    assert size.rows[0][2:6] == ("61.00", "61.00", "0.714", "0.714")
    assert all(len(line) == len(table.columns) for table in (accuracy, speed, size) for line in table.rows)


def test_memory_that_is_not_known_is_left_open():
    flat = row("a", 10.0, 36, memory=None)
    assert tables(compared(flat))[1].rows[0][-2:] == ("-", "-")
    chart.chart(compared(flat))


@pytest.mark.parametrize(
    ("rows", "words", "name"),
    [
        ([row("a", 10.0, 36), row("b", 20.0, None)], "top-1 %, 50 images of fifty (95 % interval)", "a"),
        ([row("a", 10.0, None)], "published top-1 % of the weights in brackets", "a (V1)"),
        ([row("a", 10.0, None, published=None)], "million parameters (nothing was classified here)", "a"),
    ],
)
def test_the_chart_says_what_it_shows(rows, words, name):
    axes = chart.chart(compared(*rows)).axes[0]
    assert axes.get_ylabel().splitlines()[0] == words
    assert [text.get_text() for text in axes.texts] == [name]


def test_bars_reach_as_far_as_the_interval():
    one = row("a", 10.0, 36)
    upright = chart.chart(compared(one)).axes[0].lines[1]
    assert list(upright.get_ydata()) == [100 * end for end in one.top1.interval]


def test_published_counts_that_hold_more_are_explained():
    assert tables(compared(row("a", 10.0, 36)))[2].notes == ()
    more = row("b", 10.0, 36, published=replace(PUBLISHED, parameters=62_000_000))
    assert tables(compared(row("a", 10.0, 36), more))[2].notes == ("published of b: with heads for training",)


def test_names_do_not_cover_one_another():
    times = (45, 12, 110, 18, 7, 130, 9, 20, 33)
    rows = [row(f"model_{ms}", ms, 40 + ms % 4, memory=30.0 + ms) for ms in times]
    figure = chart.chart(compared(*rows))
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == len(times)
    assert not any(a.overlaps(b) for place, a in enumerate(boxes) for b in boxes[:place])


def test_many_names_stand_in_a_list():
    rows = [row(f"alexnet:{'of_a_run_' * number}$x_1$.pth", 9 + number, 30 + number) for number in range(14)]
    figure = chart.chart(compared(*rows))
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == [str(number) for number in range(1, 15)]
    lines = [text.get_text() for text in axes.get_legend().get_texts()]
    assert lines[0] == "1  alexnet:$x_1$.pth"
    assert lines[13].startswith("14  alexnet:of_a")
    assert lines[13].endswith("$x_1$.pth")
    figure.draw_without_rendering()
    assert axes.get_legend().get_window_extent().x1 <= figure.bbox.x1


def test_what_can_not_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    for save in (write, chart.save):
        with pytest.raises(CompareError, match="could not be written"):
            save(compared(row("a", 10.0, 36)), tmp_path / "file")
