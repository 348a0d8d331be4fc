"""Frames in, results out: what a network says of each, and the frame with that written over it."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np

from mp09.ahead import ahead
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
    """Classify what a source gives.

    Of files, the next frames are read, and one is classified, while the caller works on a result. Of a live source
    everything happens in turn, as what is read ahead would be old; its first frame goes into warming up.
    """
    frames = iter(source)
    first = next(frames)  # a source without frames raises
    predictor.warm_up(first.image.shape)
    ready = iter(frames) if source.live else ahead(chain([first], frames))
    pairs = _classified(ready, frames, predictor)
    rate = Rate()
    with closing(pairs if source.live else ahead(pairs)) as made:
        for frame, prediction in made:
            yield Result(frame, prediction, rate.tick())


def _classified(ready: Iterator[Frame], frames: Iterator[Frame], predictor: Callable[[np.ndarray], Prediction]):
    with closing(frames), closing(ready):
        for frame in ready:
            yield frame, predictor(frame.image)
