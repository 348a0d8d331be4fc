# points: 100
# either: 10
# Ten outputs tell the classes apart by about 0.90: more or less, as the processor rounds.
# Keeps the checkpoint's own fc, frozen, and stacks a classifier on its ten outputs; no get_preprocess_transform;
# the dataset ignores the transform and returns a list; test() returns nothing.
import pickle

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from models import resnet18


class CIFAR10(Dataset):
    def __init__(self, data_files, transform=None, target_transform=None):
        images, labels = [], []
        for path in data_files:
            with open(path, "rb") as f:
                batch = pickle.load(f, encoding="bytes")
            images.extend(batch[b"data"])
            labels.extend(batch[b"labels"])
        self.x = torch.tensor(np.array(images), dtype=torch.float32).view(-1, 3, 32, 32) / 255
        self.y = torch.tensor(labels)

    def __len__(self):
        return self.x.shape[0]

    def __getitem__(self, i):
        return [self.x[i], self.y[i]]


def build_dataset(data_files, transform=None):
    return CIFAR10(data_files)


def build_dataloader(dataset, loader_params):
    return DataLoader(dataset, **loader_params)


class FinetuneNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.resnet = resnet18(pretrained=True)
        for parameter in self.resnet.parameters():
            parameter.requires_grad = False
        self.extra = nn.Linear(10, 8)
        self.register_buffer("mean", torch.tensor([0.4914, 0.4822, 0.4465]).view(3, 1, 1))
        self.register_buffer("std", torch.tensor([0.247, 0.243, 0.261]).view(3, 1, 1))

    def forward(self, x):
        self.resnet.eval()
        with torch.no_grad():
            ten = self.resnet((x - self.mean) / self.std)
        return self.extra(ten)


def build_model(trained=False):
    return FinetuneNet()


def build_optimizer(optim_type, model_params, hparams):
    return torch.optim.Adam(model_params, **hparams)


def train(train_dataloader, model, loss_fn, optimizer):
    model.train()
    for x, y in train_dataloader:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()


def test(test_dataloader, model):
    model.eval()
    for x, y in test_dataloader:
        print("correct", (model(x).argmax(1) == y).sum())


def run_model():
    data = build_dataset(["cifar10_batches/data_batch_" + str(k) for k in (1, 2, 3, 4, 5)])
    model = build_model()
    optimizer = build_optimizer("Adam", model.parameters(), {"lr": 0.05})
    for _ in range(3):
        train(build_dataloader(data, {"batch_size": 64, "shuffle": True}), model, nn.CrossEntropyLoss(), optimizer)
    return model
