"""Evaluate the trained model on the images of a batch file, as the submission does it, or with something changed.

What may be changed is in `interventions`. An `Evaluation` undoes its changes at the end, so that each of them starts
from the model that run_model() returned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset
from torchvision.transforms import ToTensor

from mp09.data.cifar import read_batch
from mp09.grading.interventions import REFIT_IMAGES
from mp09.grading.sandbox.plain_values import Refused, describe, logits_in
from mp09.grading.sandbox.session import Session

CLASSES = 8
REFIT_STEPS = 60
PROBLEM = 200  # characters that are kept of an exception
DECAY = 1e-3  # of the new head's weights, for features of mean 0 and standard deviation 1


class Evaluation(ExitStack):
    """Evaluates a submission's model. It is a context manager, whose end undoes what was changed.

    Attributes:
        transform: names the transform of the images: "test" or "train" for the submission's own, "ToTensor()" or
            "none"; "" where they came from the file.
        problem: the exception of a transform that was not used, in words.
    """

    def __init__(self, session: Session, file: str, count: int, batch_size: int, train_files: Sequence[str] = ()):
        """Prepare to evaluate the first `count` images of a batch file; no code of the submission runs yet.

        Args:
            session: the submission, and its trained model.
            file: the batch file.
            count: the number of its images.
            batch_size: how many images the model gets at a time.
            train_files: the batch files that a new head may learn from.
        """
        super().__init__()
        self._session, self._file, self._count, self._batch_size = session, file, count, batch_size
        self._train_files, self._mode = train_files, "test"
        self._columns: int | None = None
        self._feed: Callable[[Tensor], Tensor] | None = None
        self._turn: Callable[[Tensor], Tensor] | None = None
        self._refit = False
        self._head: Callable[[Tensor], Tensor] | None = None
        self._after_eval: list[Callable[[], object]] = []
        self.transform = self.problem = ""

    def __enter__(self) -> Evaluation:
        self.enter_context(kept_state(self._session))
        return super().__enter__()

    # What may be changed --------------------------------------------------------------------------------------------

    def feed(self, preprocess: Callable[[Tensor], Tensor]) -> None:
        """Take the images from the file itself, float (N, 3, 32, 32) in 0..1, instead of from the submission."""
        self._feed = preprocess

    def turn(self, change: Callable[[Tensor], Tensor]) -> None:
        """Change each batch of images (N, 3, 32, 32) before the model gets it."""
        self._turn = change

    def use_train_transform(self) -> None:
        """Use the submission's transform for training instead of that for testing."""
        self._mode = "train"

    def keep_columns(self, count: int) -> None:
        """Look at the first outputs only."""
        self._columns = count

    def force_eval_mode(self) -> None:
        """Put every module into eval mode, whatever a train() method of the submission does."""
        self._after_eval.append(self._force_eval_mode)

    def run_in_train_mode(self) -> None:
        """Run the model in train mode."""
        self._after_eval.append(self._session.model.train)

    def restore_statistics(self) -> None:
        """Give those BatchNorm layers whose weights are the checkpoint's its running statistics, too."""
        restored = [norm.restore(module) for module in self._modules() for norm in self._session.norms]
        if not any(restored):
            raise Refused("output", "no BatchNorm layer of the checkpoint is in the model")

    def refit_head(self) -> None:
        """Train a new linear head on the model's features of training images, and let it answer.

        Features are what the first linear layer gets. The changes made before apply to training images, too.
        """
        self._refit = True
        features, labels = [], []
        for file in self._train_files:
            truth = read_batch(Path(file)).labels[: REFIT_IMAGES // len(self._train_files)]
            features += [part for part, _ in self._outputs(file, len(truth))]
            labels.append(torch.from_numpy(truth))
        self._head = linear_head(torch.cat(features), torch.cat(labels))

    # What comes out -------------------------------------------------------------------------------------------------

    def classes(self) -> np.ndarray:
        """Return the class with the largest output for each image, int64 (N,); -1 where an output is not a number."""
        found = []
        for features, logits in self._outputs(self._file, self._count):
            scores = (self._head(features) if self._head else logits)[:, : self._columns]
            classes = scores.argmax(dim=1)
            classes[torch.isnan(scores).any(dim=1)] = -1
            found.append(classes.cpu())
        return torch.cat(found).long().numpy()

    def outputs_in_short(self) -> tuple[bool, float]:
        """Return whether the outputs for each image are shares of 1, as softmax makes them, and which share is idle.

        That share is of the last linear layer's inputs: those that are 0 for every image, as of dead ReLUs.
        """
        with LinearInputs(self._modules()) as linear:
            outputs = torch.cat([logits for _, logits in self._outputs(self._file, self._count)]).float()
        sums_to_one = bool((outputs >= 0).all() and ((outputs.sum(1) - 1).abs() < 1e-3).all())
        return sums_to_one, 0.0 if linear.last is None else float((linear.last == 0).all(dim=0).float().mean())

    def _outputs(self, file: str, count: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the features (N, F) and the logits (N, classes) of each batch of a file's first `count` images."""
        model = self._session.model
        model.eval()
        for action in self._after_eval:
            action()
        first = next(iter(model.parameters()), torch.zeros(0))
        with torch.no_grad(), LinearInputs(self._modules() if self._refit else []) as linear:
            for batch in self._batches(file, count):
                images = self._turn(batch) if self._turn else batch
                linear.first = None
                output = model(images.to(device=first.device, dtype=first.dtype))
                logits = logits_in(output)
                if logits is None or logits.ndim != 2 or logits.shape[1] < CLASSES:
                    raise Refused("output", f"the model gave {describe(output)} for images {tuple(images.shape)}")
                yield (logits if linear.first is None else linear.first).float().cpu(), logits

    def _batches(self, file: str, count: int) -> Iterator[Tensor]:
        """Yield images as the model gets them. Each batch is made, and looked at, with the same random numbers."""
        batches: Iterator[Any]
        if self._feed:
            pixels = torch.from_numpy(read_batch(Path(file)).images[:count]).float() / 255
            batches = iter([part] for part in self._feed(pixels).split(self._batch_size))
        else:
            dataset, self.transform, self.problem = dataset_of(self._session, file, self._mode)
            if self._mode == "train" and self.transform != "train":
                raise Refused("output", "the transform for training does not fit the dataset")
            images = Subset(dataset, range(count))  # they are there, whatever the dataset's len() says
            batches = iter(DataLoader(images, batch_size=self._batch_size))
        self._session.reseed()
        while (batch := next(batches, None)) is not None:
            yield torch.as_tensor(batch[0])
            self._session.reseed()

    def _modules(self) -> list[nn.Module]:
        return [module for model in self._session.models_in_use() for module in nn.Module.modules(model)]

    def _force_eval_mode(self) -> None:
        for module in self._modules():
            module.training = False


@contextmanager
def kept_state(session: Session) -> Iterator[None]:
    """Put buffers, such as running statistics, and modes of the submission's models back at the end."""
    modules = [module for model in session.models_in_use() for module in nn.Module.modules(model)]
    modes = [module.training for module in modules]
    found = (buffer for module in modules for buffer in module._buffers.values() if buffer is not None)
    buffers = [(buffer, buffer.clone()) for buffer in found]
    try:
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode
        with torch.no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)


class LinearInputs(ExitStack):
    """Watches the linear layers of a model, and keeps what they get.

    Attributes:
        first: what the first of them got: the features (N, F) of a batch; None before.
        last: what a linear layer got last, (N, F); None before.
    """

    def __init__(self, modules: Sequence[nn.Module]):
        super().__init__()
        self.first: Tensor | None = None
        self.last: Tensor | None = None
        for module in modules:
            if isinstance(module, nn.Linear):
                self.callback(module.register_forward_pre_hook(self._see).remove)

    def _see(self, _module: nn.Module, inputs: tuple[Any, ...]) -> None:
        if inputs and isinstance(inputs[0], Tensor) and inputs[0].ndim == 2:
            self.last = inputs[0].detach()
            self.first = self.last if self.first is None else self.first


def linear_head(features: Tensor, labels: Tensor) -> Callable[[Tensor], Tensor]:
    """Fit a linear classifier, and return a function from features (M, F) to logits (M, 8).

    Args:
        features: float (N, F).
        labels: int64 (N,).
    """
    mean, std = features.mean(0), features.std(0) + 1e-6
    weight, bias = torch.zeros(CLASSES, features.shape[1]), torch.zeros(CLASSES)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=REFIT_STEPS, line_search_fn="strong_wolfe")

    def logits(images: Tensor) -> Tensor:
        return (images - mean) / std @ weight.T + bias

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = nn.functional.cross_entropy(logits(features), labels) + DECAY * weight.square().sum()
        value.backward()
        return value

    with torch.enable_grad():
        weight.requires_grad_()
        bias.requires_grad_()
        optimizer.step(loss)
    return logits


def dataset_of(session: Session, file: str, mode: str) -> tuple[Any, str, str]:
    """Build the submission's dataset of a batch file with the first transform that its first item can be made with.

    Args:
        session: the submission.
        file: the batch file.
        mode: what the submission's transform is for, "train" or "test".

    Returns:
        The dataset; the name of the transform: `mode` for the submission's own, else "ToTensor()" or "none"; and the
        exception of a transform before it, in words.
    """
    build = session.function("build_dataset")
    transforms = {mode: _own_transform(session, mode), "ToTensor()": ToTensor(), "none": None}
    problems: list[Exception] = []
    for name, transform in transforms.items():
        if transform is None and name == mode:
            continue
        try:
            dataset = build([file], transform=transform)
            item = dataset[0]
        except Exception as error:  # whatever a submission raises
            problems.append(error)
            continue
        if name != "none" or (isinstance(item, (tuple, list)) and item and isinstance(item[0], Tensor)):
            words = f"{type(problems[0]).__name__}: {problems[0]}" if problems else ""
            return dataset, name, words[:PROBLEM]
    raise problems[0]


def _own_transform(session: Session, mode: str) -> Any:
    """Return what get_preprocess_transform gives; None without such a function, which the course lets students omit."""
    try:
        return session.function("get_preprocess_transform")(mode)
    except Exception:
        return None
