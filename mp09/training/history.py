"""The record of a training run: one dict an epoch. Printing, plotting, early stopping and checkpoints only read it."""


class History(list):
    """One dict an epoch: epoch (from 1), lr, train_loss, train_accuracy, valid_loss, valid_accuracy, seconds.

    Losses and accuracies (0..1) are means over pictures. Without validation pictures the valid_ entries are absent.
    """

    def column(self, name: str) -> list[float]:
        """One entry of every epoch."""
        return [row[name] for row in self]

    @property
    def best(self) -> dict | None:
        """The epoch with the highest validation accuracy (training accuracy where there is none), first of equals."""
        return max(self, key=lambda row: row.get("valid_accuracy", row["train_accuracy"]), default=None)

    def epochs_since_best(self) -> int:
        return len(self) - self.best["epoch"] if self else 0


def line(row: dict) -> str:
    """One epoch as a line of text."""
    parts = [f"epoch {row['epoch']:3}"]
    for split in ("train", "valid"):
        if f"{split}_loss" in row:
            parts.append(f"{split} loss {row[f'{split}_loss']:.4f} accuracy {row[f'{split}_accuracy']:.4f}")
    return "  ".join([*parts, f"{row['seconds']:.1f} s"])
