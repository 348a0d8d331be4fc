"""Feeds random and mutated inputs to the protocol's decoder and the submission's loader: do they crash or hang?

    python -m benchmarks.fuzz [--inputs 10000]

The decoder runs in this process, which may use at most 2 GiB of memory more than at the start. The loader gets each
input as submitted.py in a sandboxed worker; an import may fail in any way, as long as the grader gets a reason for it.
"""

import argparse
import io
import random
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mp09.errors import ProtocolError
from mp09.files import scratch_folder
from mp09.grading import replies
from mp09.grading.sandbox import conversation, protocol
from mp09.grading.sandbox.conversation import LOAD, TENSORS, TRAIN
from mp09.grading.sandbox.host import WorkerEnded
from mp09.grading.sandbox.sandbox import Sandbox, Settings

ROOT = Path(__file__).resolve().parents[1]
MEMORY_BYTES = 2 << 30
SLOW_S = 5.0
QUESTIONS = (
    *(LOAD, conversation.length([]), conversation.batches([], 1), conversation.first_batch([], 1)),
    *(conversation.samples([], []), TRAIN, TENSORS, conversation.predict("", 1, 1), conversation.tested("", 1)),
)


def mutated(source: bytes, dice: random.Random) -> bytes:
    """Return a copy with some bytes changed, cut out, doubled or inserted, or with all of it random."""
    content = bytearray(source)
    for _ in range(dice.randint(1, 8)):
        where = dice.randrange(len(content)) if content else 0
        kind = dice.randrange(5)
        if kind == 0 and content:
            content[where] = dice.randrange(256)
        elif kind == 1:
            del content[where : where + dice.randint(1, 64)]
        elif kind == 2:
            content[where:where] = content[where : where + dice.randint(1, 64)]
        elif kind == 3:
            content[where:where] = dice.randbytes(dice.randint(1, 16))
        elif dice.random() < 0.1:
            content = bytearray(dice.randbytes(dice.randint(0, 200)))
    return bytes(content)


def fuzz_decoder(inputs: int, seed: int = 0) -> Counter[str]:
    """Decode mutated messages, and count the outcomes.

    Raises:
        RuntimeError: an input took more than SLOW_S, or MEMORY_BYTES more than at the start. Any other error of the
            decoder that is neither a ProtocolError nor an error the worker reports is raised, too.
    """
    dice, outcomes = random.Random(seed), Counter[str]()
    stream = io.BytesIO()
    arrays: dict[str, np.ndarray] = {"predictions": np.arange(50), "images0": np.zeros((3, 4, 4), np.float32)}
    protocol.write(stream, protocol.Message("a" * 32, {"length": 3, "images": ["x"], "labels": []}, arrays))
    message, limit = stream.getvalue(), psutil.Process().memory_info().rss + MEMORY_BYTES
    for _ in range(inputs):
        started = time.monotonic()
        try:
            reply = protocol.read(io.BytesIO(mutated(message, dice)))
            outcomes["decoded" if reply else "end"] += 1
            if reply:
                replies.checked(dice.choice(QUESTIONS), reply)
        except ProtocolError:
            outcomes["refused"] += 1
        except replies.Raised:
            outcomes["raised"] += 1
        if time.monotonic() - started > SLOW_S or psutil.Process().memory_info().rss > limit:
            raise RuntimeError("an input took too much time or memory")
    return outcomes


def fuzz_loader(inputs: int, seed: int = 0) -> Counter[str]:
    """Import mutated submissions, and count the outcomes."""
    dice, outcomes = random.Random(seed), Counter[str]()
    source = (ROOT / "submitted.py").read_bytes()
    with Sandbox(Settings(device="cpu")) as sandbox:
        for _ in range(inputs):
            with scratch_folder() as folder:
                inside = folder / "inside"
                inside.mkdir()
                (inside / "submitted.py").write_bytes(mutated(source, dice))
                (inside / "models.py").write_bytes((ROOT / "models.py").read_bytes())
                with sandbox.start(inside) as worker:
                    try:
                        replies.checked(LOAD, worker.request(LOAD, timeout_s=SLOW_S))
                        outcomes["loaded"] += 1
                    except replies.Raised as raised:
                        outcomes[raised.error.type] += 1
                    except WorkerEnded as ended:
                        outcomes[ended.kind] += 1
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=10_000)
    args = parser.parse_args()
    for name, fuzz in (("decoder", fuzz_decoder), ("loader", fuzz_loader)):
        started = time.monotonic()
        outcomes = fuzz(args.inputs)
        print(f"{name}: {sum(outcomes.values())} inputs in {time.monotonic() - started:.0f} s: {dict(outcomes)}")


if __name__ == "__main__":
    main()
