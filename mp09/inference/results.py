"""Turns frames into results: what a model predicts for each, and the frame with that written over it."""

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np

from mp09.inference.frames import Frame, FrameSource
from mp09.inference.overlay import Rate, overlay
from mp09.inference.predictor import Prediction, Predictor


@dataclass(frozen=True)
class Result:
    """A result is a frame with its prediction, and with the rate of frames a second when it was classified."""

    frame: Frame
    prediction: Prediction
    rate: float

    @cached_property
    def annotated(self) -> np.ndarray:
        """The frame, uint8 (H, W, 3), planes R, G, B, with label, probability and rate written over it."""
        return overlay(self.frame.image, self.prediction, self.rate)


def results(source: FrameSource, predictor: Predictor) -> Generator[Result, None, None]:
    """Classify the frames of a source, and yield their results one by one.

    Frames are not read ahead: on a processor that takes more time from the model than it saves
    (benchmarks/video_rate.py), and it would make a camera's frames old. The first frame of a live source has no
    result, as warming up the model would make it late.
    """
    rate = Rate()
    with closing(iter(source)) as frames:
        first = next(frames)  # never stops here: a source without frames raises FrameError
        predictor.warm_up(first.image.shape)
        for frame in frames if source.live else chain([first], frames):
            yield Result(frame, predictor(frame.image), rate.tick())
