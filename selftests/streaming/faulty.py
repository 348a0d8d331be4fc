"""Actors that fail, each of them in its own way."""

import time

import numpy as np
from pyarrow import plasma

from mp09.streaming.actors import Processor, Writer


class Refusing(Processor):
    """Raises an error as soon as it is made."""

    def __init__(self, *args, **options):
        raise ValueError("the threshold must be positive")


class Losing(Processor):
    """Gives no answer to the second group."""

    def step(self) -> bool:
        if self.frames == 4 and self.q_in.get():
            self.frames += 4
        return super().step()


class Silent(Processor):
    """Gives no answer at all."""

    def step(self) -> bool:
        return False


class Dozing(Processor):
    """Sleeps for ten minutes, and so does not get ready."""

    def prepare(self) -> None:
        time.sleep(600)


class Hoarding(Processor):
    """Puts more into the store than there is room for."""

    def step(self) -> bool:
        self.put(np.zeros(10**9, np.uint8), "all of it")
        return True


class Forgetting(Processor):
    """Gives ids of arrays that nobody has put."""

    def put(self, array, name):
        return plasma.ObjectID.from_random()


class Puzzled(Processor):
    """Has an error of many lines."""

    def step(self) -> bool:
        raise RuntimeError(
            "The following operation failed in the TorchScript interpreter.\nhere\nRuntimeError: 7 channels"
        )


class Idle(Writer):
    """Writes nothing."""

    def take(self, answer, features) -> None:
        pass
