"""Holds the record of a training run, with one dict for each epoch.

Printing, plotting, early stopping and checkpoints only read it.
"""


class History(list[dict[str, float]]):
    """Is a list with one dict for each epoch.

    Its keys are epoch (from 1 on), lr (the learning rate at the epoch's start), train_loss, train_accuracy, valid_loss,
    valid_accuracy and seconds. Losses and accuracies (0 to 1) are means over images. Without validation images,
    valid_loss and valid_accuracy are absent.
    """

    def column(self, name: str) -> list[float]:
        """Return the value of every epoch for one of the keys."""
        return [row[name] for row in self]

    @property
    def best(self) -> dict[str, float] | None:
        """The record of the best epoch; None before the first one has ended.

        The best epoch has the highest validation accuracy, or training accuracy where nothing was validated. Of several
        equal ones, it is the first.
        """
        return max(self, key=lambda row: row.get("valid_accuracy", row["train_accuracy"]), default=None)

    def epochs_since_best(self) -> int:
        """Return how many epochs came after the best one; 0 when there are none at all."""
        best = self.best
        return len(self) - int(best["epoch"]) if best else 0

    def line(self) -> str:
        """Return the last epoch's record as a line of text, with losses, accuracies and seconds."""
        row = self[-1]
        parts = [f"epoch {row['epoch']:3}"]
        for split in ("train", "valid"):
            if f"{split}_loss" in row:
                parts.append(f"{split} loss {row[f'{split}_loss']:.4f} accuracy {row[f'{split}_accuracy']:.4f}")
        return "  ".join([*parts, f"{row['seconds']:.1f} s"])
