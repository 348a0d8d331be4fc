"""Defines the record that says how images reach a model that learns."""

from dataclasses import dataclass

from mp09.errors import TrainingError
from mp09.precision import INT8


@dataclass(frozen=True)
class InputOptions:
    """Says how images reach the model while it learns.

    Attributes:
        batch_size, valid_batch_size: Images in a batch, 1 or more. The second changes no result.
        augment: Random changes of training images: "none"; "flip", which mirrors half of them; "crop", which is
            `crop_and_flip`; "cutout", which is `crop_flip_and_cut`; or "strong", which mirrors, turns by up to 15
            degrees, and changes colours.
        views: With a frozen backbone, how many views of each image are computed once: itself, mirrored, then moved at
            random.
    """

    batch_size: int = 64
    valid_batch_size: int = 256
    augment: str = "none"
    views: int = 1

    def check(self, on_features: bool, precision: str) -> None:
        """Raise TrainingError for values that mean nothing, or nothing together with what else was chosen."""
        if min(self.batch_size, self.valid_batch_size) < 1:
            sizes = f"{self.batch_size} and {self.valid_batch_size}"
            raise TrainingError(f"batch sizes: expected 1 or more, got {sizes}.")
        if self.views > 1 and not on_features:
            raise TrainingError(f"views: {self.views} of each image need a frozen backbone and augment none.")
        if precision == INT8 and not on_features:
            raise TrainingError("precision: int8 is for features, which need a frozen backbone and augment none.")
