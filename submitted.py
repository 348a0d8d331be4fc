"""Transfer learning on small images: everything you hand in is in this file.

You build the pieces from the bottom up, and each function says what it takes and gives:

    data      CIFAR10, get_preprocess_transform, build_dataset, build_dataloader
    model     FinetuneNet, build_model, build_optimizer
    learning  train, test, run_model

Shapes are written (N, 3, 32, 32): N images, 3 colour planes (red, green, blue), 32 rows, 32 columns.
Check your work at any time with `python grade.py`.
"""

import pickle
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision import transforms

from models import fast_dtype, resnet18

DATA = Path(__file__).resolve().parent / "cifar10_batches"
MEAN = (0.4914, 0.4822, 0.4465)  # of CIFAR-10's training images, per colour, pixels in 0..1:
STD = (0.247, 0.243, 0.261)  # resnet18.pt was trained on images normalised with these
NUM_CLASSES = 8


class CIFAR10(Dataset):
    """The images of one or more batch files, in file order.

    A batch file is a pickled dict; read it with `pickle.load(file, encoding="bytes")`. Under `b"data"` it holds a list
    of uint8 arrays of 3072 values: 1024 red, then 1024 green, then 1024 blue, each row by row. Under `b"labels"` it
    holds a list of ints 0..7.

    Item i is `(image, label)`. Before `transform`, the image is a uint8 array (32, 32, 3), which is what
    `transforms.ToTensor()` takes; afterwards it is what the transform returns, e.g. float (3, 32, 32) in 0..1.
    """

    def __init__(self, data_files: Sequence[str | Path], transform=None, target_transform=None):
        """
        Args:
            data_files: paths of batch files.
            transform: called on each image; None leaves it as it is.
            target_transform: called on each label; None leaves it as it is.
        """
        ### BEGIN SOLUTION: read each file once, and keep its images and labels
        batches = []
        for path in data_files:
            with open(path, "rb") as file:
                batches.append(pickle.load(file, encoding="bytes"))
        # One array for all images: reading them again for each item would take hours.
        self.images = np.concatenate([np.stack(batch[b"data"]) for batch in batches]).reshape(-1, 3, 32, 32)
        self.labels = [label for batch in batches for label in batch[b"labels"]]
        self.transform = transform
        self.target_transform = target_transform
        ### END SOLUTION

    def __len__(self) -> int:
        """The number of images."""
        ### BEGIN SOLUTION: how many images are there?
        return len(self.labels)
        ### END SOLUTION

    def __getitem__(self, index: int):
        """The pair (image, label) at `index`, both transformed."""
        ### BEGIN SOLUTION: take image and label at index, apply the transforms that are not None, return both
        # The planes lie one after the other, so the 3 colours are the first axis and must be moved to the end.
        image = self.images[index].transpose(1, 2, 0)
        if self.transform is not None:
            image = self.transform(image)
        return image, self._target(index)
        ### END SOLUTION

    ### BEGIN SOLUTION
    def __getitems__(self, indices: list[int]) -> list:
        """What a DataLoader asks for a whole batch; one call of Preprocess does all its images."""
        if not isinstance(self.transform, Preprocess):
            return [self[index] for index in indices]
        images = self.transform.batch(torch.from_numpy(self.images[indices]))
        return [(image, self._target(index)) for image, index in zip(images, indices, strict=True)]

    def _target(self, index: int):
        label = self.labels[index]
        return label if self.target_transform is None else self.target_transform(label)

    ### END SOLUTION


### BEGIN SOLUTION
class Preprocess:
    """Images to normalised float tensors: one at a time when called, or a batch at a time."""

    def __init__(self):
        self.single = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
        # (x / 255 - MEAN) / STD as one multiplication and one addition
        self.scale = 1 / (255 * torch.tensor(STD).view(3, 1, 1))
        self.shift = -torch.tensor(MEAN).view(3, 1, 1) / torch.tensor(STD).view(3, 1, 1)

    def __call__(self, image) -> Tensor:
        """uint8 array (32, 32, 3) or PIL image -> float (3, 32, 32)."""
        return self.single(image)

    def batch(self, images: Tensor) -> Tensor:
        """uint8 (N, 3, 32, 32) -> float (N, 3, 32, 32)."""
        return images * self.scale + self.shift


### END SOLUTION


def get_preprocess_transform(mode: str):
    """The transform for images that go into the model.

    Args:
        mode: "train" or "test". Only training images may be augmented; test images must always come out the same.

    Returns:
        A callable: uint8 array (32, 32, 3) -> float tensor (3, 32, 32), normalised with MEAN and STD.
    """
    ### BEGIN SOLUTION: compose ToTensor and Normalize
    if mode not in ("train", "test"):
        raise ValueError(f'mode: expected "train" or "test", got {mode!r}')
    return Preprocess()  # no augmentation: images are seen once or few times
    ### END SOLUTION


def build_dataset(data_files: Sequence[str | Path], transform=None) -> CIFAR10:
    """A `CIFAR10` dataset of these files, e.g. `["cifar10_batches/test_batch"]`."""
    ### BEGIN SOLUTION: one line: a CIFAR10 of these files with this transform
    return CIFAR10(data_files, transform)
    ### END SOLUTION


def build_dataloader(dataset: Dataset, loader_params: dict) -> DataLoader:
    """A DataLoader that cuts the dataset into batches.

    Args:
        dataset: what `build_dataset` returned.
        loader_params: arguments for the DataLoader, e.g. `{"batch_size": 64, "shuffle": True}`.
    """
    ### BEGIN SOLUTION: pass every parameter on
    return DataLoader(dataset, **loader_params)
    ### END SOLUTION


class FinetuneNet(nn.Module):
    """A pretrained ResNet-18 whose weights stay as they are, and a new linear classifier for our 8 classes.

    Input float (N, 3, 32, 32); output logits (N, 8): one number a class, the largest for the predicted one.
    No softmax: `nn.CrossEntropyLoss` takes logits. Frozen means: no gradients, and in eval mode even while the
    classifier trains, because BatchNorm layers in train mode change their running statistics.
    """

    def __init__(self):
        super().__init__()
        ### BEGIN SOLUTION: load resnet18, replace its last layer, and freeze the rest
        self.backbone = resnet18(pretrained=True)
        features = self.backbone.fc.in_features
        self.backbone.fc = nn.Identity()
        self.backbone.requires_grad_(False)
        self.backbone.to(memory_format=torch.channels_last)
        self.classifier = nn.Linear(features, NUM_CLASSES)
        ### END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        """float (N, 3, 32, 32) -> logits (N, 8)."""
        ### BEGIN SOLUTION: features from the frozen part, then logits from the new part
        # No gradient is needed below the classifier, so none is prepared.
        dtype = fast_dtype(x.device)
        with torch.no_grad(), torch.autocast(x.device.type, dtype, enabled=dtype != torch.float32):
            features = self.backbone(x.to(memory_format=torch.channels_last))
        return self.classifier(features.float())
        ### END SOLUTION

    ### BEGIN SOLUTION
    def train(self, mode: bool = True) -> "FinetuneNet":
        """Switch between training and evaluation; the frozen part stays in evaluation, else BatchNorm would move."""
        super().train(mode)
        self.backbone.eval()
        return self

    ### END SOLUTION


def build_model(trained: bool = False) -> nn.Module:
    """A `FinetuneNet`; with `trained=True` one that has been through `run_model`."""
    ### BEGIN SOLUTION: return a FinetuneNet; what run_model returns if trained is True
    return run_model() if trained else FinetuneNet()
    ### END SOLUTION


def build_optimizer(optim_type: str, model_params: Iterable[nn.Parameter], hparams: dict) -> torch.optim.Optimizer:
    """An optimizer for the parameters that are to learn.

    Args:
        optim_type: "Adam" or "SGD".
        model_params: the parameters, e.g. `model.parameters()`.
        hparams: arguments of the optimizer, e.g. `{"lr": 0.003}`.
    """
    ### BEGIN SOLUTION: choose the class by its name, and pass the hyper-parameters on
    optimizers = {"Adam": torch.optim.Adam, "SGD": torch.optim.SGD}
    if optim_type not in optimizers:
        raise ValueError(f"optim_type: expected one of {', '.join(optimizers)}; got {optim_type!r}")
    return optimizers[optim_type]((p for p in model_params if p.requires_grad), **hparams)
    ### END SOLUTION


def train(train_dataloader: DataLoader, model: nn.Module, loss_fn, optimizer: torch.optim.Optimizer) -> float:
    """One epoch: show the model every batch once, and improve it after each.

    Args:
        train_dataloader: gives (images (N, 3, 32, 32), labels (N,)).
        loss_fn: takes (logits (N, 8), labels (N,)) and gives a number to make small.

    Returns:
        The mean loss over the epoch's images (nice to plot; the grader does not use it).
    """
    ### BEGIN SOLUTION: in train mode, for each batch: logits, loss, gradients from zero, step
    device = next(model.parameters()).device
    model.train()
    total, count = 0.0, 0
    for images, labels in train_dataloader:
        images, labels = images.to(device), labels.to(device)
        loss = loss_fn(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(labels)
        count += len(labels)
    return total / count
    ### END SOLUTION


def test(test_dataloader: DataLoader, model: nn.Module) -> float:
    """The share of images that the model names rightly, 0..1. The model learns nothing here."""
    ### BEGIN SOLUTION: in eval mode and without gradients, count where the largest logit is the label's
    device = next(model.parameters()).device
    model.eval()
    correct, count = 0, 0
    with torch.no_grad():
        for images, labels in test_dataloader:
            predictions = model(images.to(device)).argmax(dim=1)
            correct += (predictions == labels.to(device)).sum().item()
            count += len(labels)
    return correct / count
    ### END SOLUTION


def run_model() -> nn.Module:
    """Build the data, the model and the optimizer, train, and return the trained model.

    Aim for 90 % on the images of `test_batch`. The grader calls this function without arguments, once.
    """
    ### BEGIN SOLUTION: put all of the above together
    torch.manual_seed(0)  # the same result on every run
    torch.set_flush_denormal(True)  # numbers below 1e-38 count as 0: computing with them is many times slower
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    files = [DATA / f"data_batch_{i}" for i in range(1, 6)]
    dataset = build_dataset(files, transform=get_preprocess_transform("train"))
    # 6,400 images teach the 8 x 513 numbers of the classifier as much as all 40,000 do, in a sixth of the time: the
    # frozen features separate the classes already. Where there are fewer images, they come several times.
    sampler = RandomSampler(dataset, num_samples=6400)
    loader = build_dataloader(dataset, {"batch_size": 32, "sampler": sampler})
    model = build_model().to(device)
    optimizer = build_optimizer("Adam", model.parameters(), {"lr": 3e-3})
    train(loader, model, nn.CrossEntropyLoss(), optimizer)
    return model
    ### END SOLUTION
