# One-hot labels; the whole model in train mode, so that the BatchNorm statistics of the frozen part move;
# prints for every batch, and at import.
import pickle

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import Compose, Normalize, ToTensor

from models import resnet18

print("loading my solution ...")


class CIFAR10(Dataset):
    def __init__(self, data_files, transform=None, target_transform=None):
        self.transform = transform
        self.x = np.zeros((0, 3072), dtype=np.uint8)
        self.y = []
        for file in data_files:
            with open(file, "rb") as f:
                d = pickle.load(f, encoding="bytes")
            self.x = np.concatenate((self.x, np.array(d[b"data"])))
            self.y += d[b"labels"]
        self.x = np.moveaxis(self.x.reshape(-1, 3, 32, 32), 1, -1)

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        image = self.x[i] if self.transform is None else self.transform(self.x[i])
        return image, torch.eye(8)[self.y[i]]


def get_preprocess_transform(mode):
    return Compose([ToTensor(), Normalize((0.4914, 0.4822, 0.4465), (0.247, 0.243, 0.261))])


def build_dataset(data_files, transform=None):
    return CIFAR10(data_files, transform)


def build_dataloader(dataset, loader_params):
    return DataLoader(dataset, **loader_params)


class FinetuneNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = resnet18(pretrained=True)
        for p in self.net.parameters():
            p.requires_grad = False
        self.net.fc = nn.Linear(self.net.fc.in_features, 8)

    def forward(self, x):
        return self.net(x)


def build_model(trained=False):
    return FinetuneNet()


def build_optimizer(optim_type, model_params, hparams):
    return torch.optim.Adam([p for p in model_params if p.requires_grad], **hparams)


def train(train_dataloader, model, loss_fn, optimizer):
    model.train()
    for i, (x, y) in enumerate(train_dataloader):
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        print(f"batch {i}: loss {loss.item():.4f} " + "." * 2000)


def test(test_dataloader, model):
    model.eval()
    n = correct = 0
    with torch.no_grad():
        for x, y in test_dataloader:
            correct += (model(x).argmax(1) == y.argmax(1)).sum().item()
            n += len(x)
    return correct / n


def run_model():
    files = [f"cifar10_batches/data_batch_{k}" for k in range(1, 6)]
    loader = build_dataloader(build_dataset(files, get_preprocess_transform("train")), {"batch_size": 128, "shuffle": True})
    model = build_model()
    optimizer = build_optimizer("Adam", model.parameters(), {"lr": 0.003})
    for _ in range(6):
        train(loader, model, nn.CrossEntropyLoss(), optimizer)
    return model
