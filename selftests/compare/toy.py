"""A worker without a model, which the tests of workers use."""

import os
import signal
import sys
import time

import numpy as np

from mp09.errors import NetworkError


class Served:
    """Answers a request with the method that the request names in `do`."""

    def __call__(self, do, **options):
        return getattr(self, do)(**options)

    def add(self, a, b):
        print("a library says something")
        return {"sum": a + b}

    def refuse(self):
        raise NetworkError("alexnet.pt: the weights don't fit this model.")

    def fail(self):
        raise RuntimeError("not enough memory\nand more lines")

    def leave(self):
        print("the last words", file=sys.stderr)
        sys.exit(3)

    def die(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def note(self, path):
        """Write the number of this process at the end of a file."""
        with open(path, "a") as file:
            file.write(f"{os.getpid()}\n")
        return {}

    def wait(self):
        time.sleep(600)

    def use(self, mib):
        """Return the peaks of memory after using 2 x `mib` MiB, and after a restart and then using `mib` MiB."""
        import torch

        from mp09.compare.memory import PeakMemory

        memory = PeakMemory(torch.device("cpu"))
        np.ones(2 * mib * 2**17)
        while_loading = memory.mib()
        memory.restart()
        np.ones(mib * 2**17)
        return {"loading": while_loading, "running": memory.mib(), "words": memory.words}
