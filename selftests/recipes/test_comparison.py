"""Tests `python -m mp09 compare` as a user types it, on synthetic images whose scores are known, and on real ones."""

import csv
import json
import subprocess

import numpy as np
import psutil
import pytest
import torch
from PIL import Image
from torchvision import models as zoo

from models import resnet18
from mp09.compare.workers import Team
from mp09.data.cifar import TEST_FILE, read_batch
from mp09.errors import CompareError, ModelError
from mp09.nets.published import OUR_CLASSES, published
from mp09.recipes.compare_worker import Load
from mp09.recipes.model_list import Wanted, parse
from selftests.data.conftest import tiny_set
from selftests.recipes.conftest import make_labelled, run

CPU = ("--device", "cpu")
QUICK = ("--rounds", 2, "--runs", 2, "--batch-size", 4, *CPU)


def say_always(path, net, order: list[int]) -> None:
    """Write weights with which a model always guesses its outputs in this order, whatever it sees."""
    state = net.state_dict()
    name = list(state)[-2]  # the weight of the last layer
    state[name] = torch.zeros_like(state[name])
    state[name.replace("weight", "bias")] = torch.tensor(
        [float(len(order) - order.index(i)) for i in range(len(order))]
    )
    torch.save(state, path)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Make images of four of the ten classes, and weights whose answers are known."""
    root = tmp_path_factory.mktemp("compare")
    make_labelled(root / "images")
    say_always(root / "truck_first.pt", resnet18(), list(range(9, -1, -1)))  # truck, ship, horse, frog, dog are guessed
    say_always(root / "bird_first.pt", zoo.squeezenet1_1(num_classes=10), [2, 0, 1, *range(3, 10)])
    torch.save(zoo.squeezenet1_1().state_dict(), root / "of_another.pt")
    (root / "names.txt").write_text("\n".join(OUR_CLASSES))
    return root


@pytest.fixture(scope="module")
def done(files):
    """Compare three models, one of which can't be loaded; return the folder, the exit code and what was printed."""
    import contextlib
    import io

    models = f"resnet18-32:{files / 'truck_first.pt'},alexnet:{files / 'of_another.pt'}"
    models += f",squeezenet1_1:{files / 'bird_first.pt'}"
    options = ("--classes", files / "names.txt", "--out", files / "out", "--panels", *QUICK)
    printed, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(errors):
        code = run("compare", files / "images", "--models", models, *options)
    return files / "out", code, printed.getvalue(), errors.getvalue()


def results(out) -> dict[str, dict]:
    return {one["model"]: one for one in json.loads((out / "results.json").read_text())["models"]}


def test_accuracy_is_what_can_be_counted_by_hand(done):
    ours, squeezed = results(done[0]).values()
    assert (ours["model"], squeezed["model"]) == ("resnet18-32:truck_first.pt", "squeezenet1_1:bird_first.pt")
    assert (ours["images"], ours["top1"], ours["top5"]) == (8, 4 / 8, 6 / 8)
    assert (squeezed["top1"], squeezed["top5"]) == (1 / 8, 2 / 8)
    assert (squeezed["top1_low"], squeezed["top1_high"]) == pytest.approx((0.0224, 0.4709), abs=1e-4)  # by Wilson


def test_a_model_that_can_not_be_loaded_costs_no_other(done):
    out, code, printed, errors = done
    assert code == 1
    assert "error: alexnet:of_another.pt: not measured: of_another.pt: the weights don't fit this model" in errors
    assert "alexnet" not in printed
    assert list(json.loads((out / "results.json").read_text())["notes"]) == ["alexnet:of_another.pt"]


def test_all_is_measured(done):
    for one in results(done[0]).values():
        assert 0 < one["latency_lowest_round_ms"] <= one["latency_median_ms"] <= one["latency_p95_ms"]
        assert one["rate"] > 0
        assert 0 < one["memory_mib"] <= one["batch_memory_mib"] < 400
        assert one["weights_mib"] * 2**20 == (done[0].parent / one["weights_in"]).stat().st_size
    ours, squeezed = results(done[0]).values()
    assert (ours["parameters"], squeezed["parameters"]) == (11_173_962, 727_626)
    assert squeezed["gmacs"] == pytest.approx(0.263, abs=0.005)  # of SqueezeNet with ten outputs
    assert (ours["published_top1"], squeezed["published_top1"]) == (88.7, None)


def test_models_took_turns(done):
    ours, squeezed = ([turn["began_s"] for turn in one["rounds"]] for one in results(done[0]).values())
    assert ours[0] < squeezed[0] < ours[1] < squeezed[1]


def test_what_is_printed_has_a_hundred_columns_at_most(done):
    printed = done[2]
    assert "Accuracy: images, 8 images: steps of 12.5 points" in printed
    assert "50.0 [21.5, 78.5]" in printed
    assert max(map(len, printed.splitlines()[1:])) <= 130
    assert printed.endswith(f"written: {done[0]}\n")
    tables = [line for line in printed.splitlines() if not line.startswith(("Speed", "peak", "written"))]
    assert max(map(len, tables)) <= 100


def test_files_are_written(done):
    assert {path.name for path in done[0].iterdir()} == {"results.csv", "results.json", "chart.png", "panels"}
    lines = list(csv.DictReader((done[0] / "results.csv").read_text().splitlines()))
    assert [line["model"] for line in lines] == list(results(done[0]))
    assert Image.open(done[0] / "chart.png").size[0] > 800


def test_every_image_has_a_panel_that_keeps_its_proportions(done):
    for model in ("resnet18-32_truck_first.pt", "squeezenet1_1_bird_first.pt"):
        panels = sorted((done[0] / "panels" / model).iterdir())
        assert [path.name for path in panels][:3] == ["0000_airplane0.png", "0001_bird0.png", "0002_ship0.png"]
        assert len(panels) == 8
    drawn = np.asarray(Image.open(panels[-1]).convert("RGB")).astype(int)  # of truck3, which is 67 x 40
    colourful = np.ptp(drawn, axis=2) > 60
    rows, columns = np.flatnonzero(colourful.sum(axis=1) > 50), np.flatnonzero(colourful.sum(axis=0) > 50)
    assert np.ptp(columns) / np.ptp(rows) == pytest.approx(67 / 40, rel=0.03)
    assert columns.min() > drawn.shape[1] / 2  # the text is on the left, the image on the right


def test_no_worker_is_left(done):
    lines = [" ".join(process.cmdline()) for process in psutil.Process().children(recursive=True)]
    assert not any("mp09.recipes.compare_worker" in line for line in lines)


def test_without_images_published_models_are_timed(tmp_path, capsys):
    options = ("--models", "alexnet", "--weights", "none", "--precision", "float32", "--out", tmp_path / "out")
    assert run("compare", *options, *QUICK) == 0
    assert "Accuracy: no images given" in capsys.readouterr().out
    (one,) = results(tmp_path / "out").values()
    assert (one["weights"], one["top1"], one["images"], one["weights_in"]) == ("none", None, 0, "state dict")
    assert one["gmacs"] == pytest.approx(one["published_gmacs"], rel=0.02)
    assert one["parameters"] == one["published_parameters"]
    assert one["weights_mib"] == pytest.approx(one["published_file_mib"], rel=0.01)
    assert one["memory_mib"] > 233  # its weights alone take as much


def test_the_scores_are_those_of_the_model_itself(files, small_data, tmp_path, capsys):
    """A model whose outputs have no names is also measured, but without accuracy."""
    out = tmp_path / "out"
    models = ("--models", f"resnet18-32,resnet18-32:{files / 'truck_first.pt'}", "--samples", 100)
    assert run("compare", small_data, *models, "--out", out, *QUICK, "--batch-size", 64) == 1
    note = "resnet18-32:truck_first.pt: accuracy not measured: the names of its outputs are not known; give them with"
    assert f"error: {note} --classes\n" in capsys.readouterr().err
    batch, ours = read_batch(small_data / TEST_FILE), published("resnet18-32")
    batch = batch.take(np.linspace(0, 399, 100).astype(int))
    with torch.no_grad():
        best = ours.net.eval()(ours.preprocess(torch.from_numpy(batch.images))).topk(5).indices.tolist()
    truths = [OUR_CLASSES.index(batch.classes[label]) for label in batch.labels]
    top = [sum(truth in row[:k] for truth, row in zip(truths, best, strict=True)) / len(truths) for k in (1, 5)]
    one, unnamed = results(out).values()
    assert (one["images"], one["top1"], one["top5"]) == (100, *top)
    assert top[0] > 0.5
    assert (unnamed["images"], unnamed["top1"]) == (0, None)
    assert unnamed["latency_median_ms"] > 0


# What is asked for is checked before anything is started.


def test_what_weights_were_taken_out_of_is_told(tmp_path, capsys):
    weights = tmp_path / "w.pt"
    torch.save({"net": {f"module.{name}": tensor for name, tensor in resnet18().state_dict().items()}}, weights)
    options = ("--device", "cpu", "--rounds", 1, "--runs", 1, "--batch-size", 2)
    assert run("compare", "--models", f"resnet18-32:{weights}", *options) == 0
    assert f"note: {weights}: the weights are taken those under 'net'" in capsys.readouterr().err


def test_each_model_may_have_its_own_weights():
    assert parse("resnet50, alexnet:none,resnet18-32:here/mine.pt", "V1") == [
        Wanted("resnet50", "V1", "resnet50"),
        Wanted("alexnet", "none", "alexnet:none"),
        Wanted("resnet18-32", "here/mine.pt", "resnet18-32:mine.pt"),
    ]
    two = parse("resnet18-32:a/best.pt,resnet18-32:b/best.pt")
    assert [one.text for one in two] == ["resnet18-32:a/best.pt", "resnet18-32:b/best.pt"]


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        (" ,", CompareError, "expected one name or more"),
        ("alexnet,alexnet", CompareError, "expected each once, got alexnet more than once"),
        ("alexnet,resnet51", ModelError, "Did you mean .*resnet50"),
    ],
)
def test_a_list_that_can_not_be_meant_is_refused(text, error, words):
    with pytest.raises(error, match=words):
        parse(text)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("none",), "none: expected a folder with one sub-folder a class"),
        (("tiny-imagenet:none",), "not Tiny ImageNet"),
        (("{root}/bad",), "1 of 3 images can't be read: "),
        (("{root}/bad", "--classes", "none.txt"), "none.txt: expected a text file with one class name a line"),
        (("--panels", "--samples", "9"), "samples, panels: of no use without images"),
        (("--models", "resnet51"), "resnet51: no such model"),
        (("--device", "nowhere"), "device: expected auto"),
        (("--out", "{root}/bad/ship/1.png"), "could not be made"),
    ],
)
def test_what_can_not_be_done_is_said_in_a_line(arguments, words, files, tmp_path, capsys):
    (tmp_path / "bad" / "ship").mkdir(parents=True)
    for name in ("1.png", "2.png"):
        Image.new("RGB", (9, 9)).save(tmp_path / "bad" / "ship" / name)
    (tmp_path / "bad" / "ship" / "3.png").write_bytes(b"no image")
    assert run("compare", "--out", tmp_path / "out", *(text.format(root=tmp_path) for text in arguments)) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_models_that_know_none_of_the_classes_are_not_timed(files, tmp_path, capsys):
    (tmp_path / "images" / "zebra").mkdir(parents=True)
    Image.new("RGB", (9, 9)).save(tmp_path / "images" / "zebra" / "1.png")
    out = tmp_path / "out"
    models = f"resnet18-32,alexnet:{files / 'of_another.pt'}"
    assert run("compare", tmp_path / "images", "--models", models, "--out", out, *QUICK) == 2
    error = capsys.readouterr().err
    assert "resnet18-32: accuracy not measured: it knows 0 of the 1 classes; unknown: zebra" in error
    assert "alexnet:of_another.pt: of_another.pt: the weights don't fit this model" in error
    assert list(out.iterdir()) == []


@pytest.mark.parametrize(
    ("models", "names", "words"),
    [
        ("resnet18-32", ["ten"], "of no use, as the weights of these models say what their outputs mean"),
        ("resnet18-32:truck_first.pt", ["two"], "2 names given. Models that don't know theirs have 10 outputs."),
        ("resnet18-32:truck_first.pt", ["ten", "ten"], "ten has 10 names, as another file has"),
    ],
)
def test_names_that_can_not_be_meant_are_refused(models, names, words, files, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(files)
    (tmp_path / "two").write_text("one\ntwo")
    (tmp_path / "ten").write_text("\n".join(OUR_CLASSES))
    classes = [argument for name in names for argument in ("--classes", tmp_path / name)]
    options = ("--models", models, *classes, "--out", tmp_path / "out", *QUICK)
    assert run("compare", files / "images", *options) == 2
    assert words in capsys.readouterr().err


def test_names_are_for_models_that_do_not_know_theirs(files, tmp_path):
    (tmp_path / "reversed.txt").write_text("\n".join(reversed(OUR_CLASSES)))
    scores = []
    for weights in ("resnet18-32", f"resnet18-32,resnet18-32:{files / 'truck_first.pt'}"):
        classes = ("--classes", tmp_path / "reversed.txt") if "," in weights else ()
        assert run("compare", files / "images", "--models", weights, *classes, "--out", tmp_path, *QUICK) == 0
        scores.append([one["top5"] for one in results(tmp_path).values()])
    assert scores[1][0] == scores[0][0]
    assert scores[1][1] == 2 / 8  # its first guesses get the names airplane, automobile, bird, cat, deer


def test_an_earlier_comparison_stays_until_there_is_another(files, tmp_path, capsys):
    old = tmp_path / "panels" / "another" / "0007_old.png"
    old.parent.mkdir(parents=True)
    for path in (old, tmp_path / "results.csv", tmp_path / "mine.txt"):
        path.write_text("old")
    assert run("compare", "--models", f"alexnet:{files / 'of_another.pt'}", "--out", tmp_path, *QUICK) == 1
    assert (old.read_text(), (tmp_path / "results.csv").read_text()) == ("old", "old")
    assert run("compare", "--models", "resnet18-32", "--out", tmp_path, *QUICK) == 0
    assert (tmp_path / "mine.txt").read_text() == "old"
    assert (tmp_path / "results.csv").read_text() != "old"
    assert not old.parent.exists()


def test_outputs_that_are_no_numbers_are_not_judged(files, tmp_path, capsys):
    state = resnet18().state_dict()
    state["fc.bias"].fill_(float("nan"))
    torch.save(state, tmp_path / "nan.pt")
    out = tmp_path / "out"
    options = ("--classes", files / "names.txt", "--panels", "--out", out, *QUICK)
    assert run("compare", files / "images", "--models", f"resnet18-32:{tmp_path / 'nan.pt'}", *options) == 1
    assert "nan.pt: accuracy not measured: some of its outputs are not numbers" in capsys.readouterr().err
    assert json.loads((out / "results.json").read_text())["models"][0]["top1"] is None


def test_results_may_not_lie_among_the_images(files, tmp_path, capsys):
    tiny = tiny_set(tmp_path)
    for images, folder in ((files / "images", files / "images"), (f"tiny-imagenet:{tiny}", tiny)):
        assert run("compare", images, "--models", "resnet18-32", "--out", folder / "x", *QUICK) == 2
        assert "lies among the images" in capsys.readouterr().err
        assert not (folder / "x").exists()


@pytest.mark.parametrize(
    ("forced", "options", "precision"),
    [("auto", (), "float32"), ("bfloat16", (), "bfloat16"), ("bfloat16", ("--precision", "float32"), "float32")],
)
def test_it_measures_in_float32_unless_told_otherwise(tmp_path, monkeypatch, capsys, forced, options, precision):
    monkeypatch.setenv("MP09_PRECISION", forced)
    options = ("--models", "resnet18-32", "--out", tmp_path, *options, *QUICK)
    assert run("compare", *options) == 0
    assert f", {precision}, " in capsys.readouterr().out


def test_panels_that_can_not_be_written_are_an_error(files, tmp_path, capsys):
    (tmp_path / "panels").write_text("")
    options = ("--models", "resnet18-32", "--panels", "--samples", 1, "--out", tmp_path, *QUICK)
    assert run("compare", files / "images", *options) == 2
    assert "the panels could not be written there" in capsys.readouterr().err


@pytest.mark.proof
def test_peaks_of_memory_repeat_also_with_weights_of_a_file(tmp_path):
    torch.save(zoo.densenet121().state_dict(), tmp_path / "net.pt")
    peaks = []
    for weights in ("none", "none", "none", str(tmp_path / "net.pt")):
        with Team("mp09.recipes.compare_worker") as team:
            team.hire("one")
            facts = team.ask("one", Load("densenet121", weights, "cpu", "float32", 8))
            peaks.append((facts.memory_mib, facts.batch_memory_mib))
    first, *others = peaks[1:]  # until then, the system may lack some of the libraries' files in memory
    for peak in others:
        assert peak == pytest.approx(first, rel=0.03, abs=2)  # reading a file: 0.9 MiB alone, 1.7 beside others


# These tests need real images.


@pytest.mark.real
@pytest.mark.timeout(900)
def test_a_model_of_tiny_imagenet_is_as_good_as_its_card_says(real_images, tmp_path):
    subprocess.run(["tar", "xf", real_images.with_name("tiny-imagenet-200-small.tar.gz"), "-C", tmp_path], check=True)
    tiny = next(tmp_path.rglob("wnids.txt")).parent
    weights = real_images.with_name("resnet18-tinyimagenet.pt")
    options = ("--classes", tiny / "wnids.txt", "--out", tmp_path / "out", *CPU, "--batch-size", 256)
    assert run("compare", f"tiny-imagenet:{tiny}", "--models", f"resnet18-32:{weights}", *options) == 0
    (one,) = results(tmp_path / "out").values()
    assert one["images"] == 10000
    assert (one["top1"], one["top5"]) == pytest.approx((0.3991, 0.6710), abs=0.0015)


@pytest.mark.real
def test_labelled_images_are_matched_with_imagenet_s_outputs(real_images, tmp_path):
    """The weights always guess acoustic guitar first, which one of the fifty images shows."""
    net = zoo.squeezenet1_1()
    say_always(tmp_path / "guitar.pt", net, [402, *(i for i in range(1000) if i != 402)])
    models = ("--models", f"squeezenet1_1:{tmp_path / 'guitar.pt'}")
    images = real_images.with_name("imagenet-samples")
    assert run("compare", images, *models, "--out", tmp_path / "out", *QUICK) == 0
    (one,) = results(tmp_path / "out").values()
    assert (one["images"], one["top1"], one["top5"]) == (50, 0.02, 0.04)  # the fifth guess is output 3, a tiger shark
    assert one["published_weights"] == "SqueezeNet1_1_Weights.IMAGENET1K_V1"
