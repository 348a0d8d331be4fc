"""Every frame gets its own prediction, and shows it."""

import time

import numpy as np
import pytest
import torch

from mp09.errors import ModelError
from mp09.inference.frames import open_source
from mp09.inference.overlay import Rate, overlay
from mp09.inference.panel import panel, top_lines
from mp09.inference.predictor import Guess, Prediction, Predictor
from mp09.inference.results import results
from selftests.inference.conftest import COLOURS, mean_colour, plain, write_video


def test_the_segments_of_a_video_have_their_labels(video, predict):
    with open_source(video) as source:
        labels = [result.prediction.label for result in results(source, predict)]
    assert labels == ["red"] * 10 + ["green"] * 10 + ["blue"] * 10  # with swapped planes it would be blue, green, red


def test_a_prediction_names_the_likeliest_classes_in_order(predict):
    prediction = predict(plain("blue"))
    assert [guess.index for guess in prediction.top] == [2, 0, 1]
    assert (prediction.label, prediction.probability) == ("blue", prediction.top[0].probability)
    assert sum(guess.probability for guess in prediction.top) == pytest.approx(1)
    assert prediction.latency_ms > 0


def test_fewer_classes_are_named_where_asked():
    assert len(Predictor(mean_colour, tuple(COLOURS), device="cpu", top=2)(plain("red")).top) == 2


def test_without_names_outputs_go_by_their_numbers():
    assert Predictor(mean_colour, (), device="cpu")(plain("green")).label == "class 1"


def test_names_of_another_number_are_refused():
    with pytest.raises(ModelError, match="2 class names for 3 outputs"):
        Predictor(mean_colour, ("red", "green"), device="cpu")(plain("green"))


class Slow:
    """A predictor that takes 0.15 s for a frame, and remembers when it began each one."""

    def __init__(self, predict):
        self.predict, self.began = predict, []

    def warm_up(self, shape):
        pass

    def __call__(self, image):
        self.began.append(time.monotonic())
        time.sleep(0.15)
        return self.predict(image)


def test_a_live_label_is_never_stale(tmp_path, predict):
    video = write_video(tmp_path / "long.mp4", list(COLOURS), frames=20)  # plays for 3 s
    seen, slow = [], Slow(predict)
    with open_source(video, live=True) as source:
        started = time.monotonic()
        for result, began in zip(results(source, slow), slow.began, strict=False):
            assert began - started - result.frame.seconds < 0.15  # the frame had just come when it was classified
            seen.append((result.frame.number, result.prediction.label))
    assert all(label == list(COLOURS)[number // 20] for number, label in seen)
    assert 10 <= len(seen) <= 22  # of 60 frames
    assert seen[-1][0] > 54


# What is written over frames and beside images


def test_the_strip_darkens_the_top_and_leaves_the_rest(predict):
    image = plain("green", 720, 1280)
    drawn = overlay(image, predict(image), 12.3)
    assert np.array_equal(drawn[80:], image[80:])
    assert np.array_equal(drawn[79, 640], image[0, 0] // 3)
    assert (drawn[:80] == 255).any()
    assert (image == plain("green", 720, 1280)).all()  # the frame itself stays as it is


@pytest.mark.parametrize("shape", [(32, 32), (8, 300), (300, 8), (1, 1)])
def test_small_frames_can_be_drawn_on(shape, predict):
    image = plain("red", *shape)
    assert overlay(image, predict(image), 0.0).shape == image.shape


def test_frames_a_second_are_counted_over_the_last_second():
    rate = Rate()
    assert rate.tick() == 0
    for _ in range(5):
        time.sleep(0.05)
        last = rate.tick()
    assert 10 < last <= 20


def test_a_panel_has_the_classes_left_and_the_image_right():
    prediction = Prediction((Guess(1, "goldfish", 0.884), Guess(7, "cock $5", 0.1)), 3.0)
    assert top_lines(prediction) == ["1 goldfish: 88.4%", "7 cock $5: 10.0%"]
    left, right = panel(plain("red"), prediction, "1.png").axes
    assert left.texts[0].get_text() == "1 goldfish: 88.4%\n7 cock $5: 10.0%"
    assert right.get_title() == "1.png"
    assert right.images[0].get_array().shape == (90, 160, 3)
    assert right.get_aspect() == 1  # the image keeps its proportions


def test_a_row_of_any_precision_is_taken():
    half = Predictor(lambda x: torch.tensor([[0.25, 0.75]], dtype=torch.bfloat16), ("a", "b"), device="cpu")
    assert half(plain("red")).probability == 0.75


@pytest.mark.parametrize("letters", [9, 60, 300])
def test_long_names_stay_beside_the_image(letters):
    name = "a " * (letters // 2)
    figure = panel(np.zeros((30, 30, 3), np.uint8), Prediction((Guess(0, name, 0.5),) * 5, 0.0), name)
    figure.draw_without_rendering()
    left, right = figure.axes
    assert left.texts[0].get_window_extent().x1 <= right.get_window_extent().x0
    assert right.get_window_extent().width > 200
    assert right.title.get_window_extent().y1 <= figure.bbox.y1
