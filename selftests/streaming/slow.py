"""A processor that takes 0.3 s for each group, and records how many groups waited for it at most."""

import time

from mp09.streaming.actors import Processor


class SlowProcessor(Processor):
    def prepare(self) -> None:
        super().prepare()
        self.most = 0

    def step(self) -> bool:
        self.most = max(self.most, self.q_in.qsize())
        (self.folder / "waiting.txt").write_text(str(self.most))
        time.sleep(0.3)
        return super().step()
