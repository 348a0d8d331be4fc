"""A worker without a model, which the tests of workers use."""

import os
import signal
import sys
import time
from dataclasses import dataclass

import numpy as np

from mp09.compare.serve import ModelRequest
from mp09.errors import ModelError


@dataclass(frozen=True)
class Nothing:
    pass


@dataclass(frozen=True)
class Sum:
    sum: int


@dataclass(frozen=True)
class Peaks:
    loading: float
    running: float
    words: str


@dataclass(frozen=True)
class Add(ModelRequest[Sum]):
    a: int
    b: int

    answer = Sum

    def run(self):
        print("a library says something")
        return Sum(self.a + self.b)


@dataclass(frozen=True)
class Refuse(ModelRequest[Nothing]):
    answer = Nothing

    def run(self):
        raise ModelError("alexnet.pt: the weights don't fit this model.")


@dataclass(frozen=True)
class Fail(ModelRequest[Nothing]):
    answer = Nothing

    def run(self):
        raise RuntimeError("not enough memory\nand more lines")


@dataclass(frozen=True)
class Leave(ModelRequest[Nothing]):
    answer = Nothing

    def run(self):
        print("the last words", file=sys.stderr)
        sys.exit(3)


@dataclass(frozen=True)
class Die(ModelRequest[Nothing]):
    answer = Nothing

    def run(self):
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Note(ModelRequest[Nothing]):
    """Asks to write the number of the worker's process at the end of a file."""

    path: str

    answer = Nothing

    def run(self):
        with open(self.path, "a") as file:
            file.write(f"{os.getpid()}\n")
        return Nothing()


@dataclass(frozen=True)
class Wait(ModelRequest[Nothing]):
    answer = Nothing

    def run(self):
        time.sleep(600)


@dataclass(frozen=True)
class Use(ModelRequest[Peaks]):
    """Asks for the peaks of memory after using 2 x `mib` MiB, and after a restart and then using `mib` MiB."""

    mib: int

    answer = Peaks

    def run(self):
        import torch

        from mp09.compare.memory import PeakMemory

        memory = PeakMemory(torch.device("cpu"))
        np.ones(2 * self.mib * 2**17)
        while_loading = memory.mib()
        memory.restart()
        np.ones(self.mib * 2**17)
        return Peaks(while_loading, memory.mib(), memory.words)


class Served:
    requests = (Add, Refuse, Fail, Leave, Die, Note, Wait, Use)

    def __call__(self, request):
        return request.run()
