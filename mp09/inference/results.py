"""Frames in, results out: what a network says of each, and the frame with that written over it."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np

from mp09.inference.frames import Frame, Source
from mp09.inference.overlay import Rate, overlay
from mp09.inference.predictor import Prediction, Predictor


@dataclass(frozen=True)
class Result:
    """rate: frames a second that are classified at present."""

    frame: Frame
    prediction: Prediction
    rate: float

    @cached_property
    def annotated(self) -> np.ndarray:
        """The frame, uint8 (H, W, 3) in R, G, B, with label, probability and rate over it."""
        return overlay(self.frame.image, self.prediction, self.rate)


def results(source: Source, predictor: Predictor) -> Iterator[Result]:
    """Classify what a source gives, frame by frame.

    Reading frames ahead would take from the network on a processor more than it saves (benchmarks/video_rate.py), and
    make a camera's frames old. A live source's first frame goes into warming up.
    """
    rate = Rate()
    with closing(iter(source)) as frames:
        first = next(frames)  # a source without frames raises
        predictor.warm_up(first.image.shape)
        for frame in frames if source.live else chain([first], frames):
            yield Result(frame, predictor(frame.image), rate.tick())
