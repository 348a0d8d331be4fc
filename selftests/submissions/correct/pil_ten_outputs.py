# PIL pipeline with a resize that changes nothing; a new fc with ten outputs inside the model; test() gives percent.
import pickle

import numpy as np
import torch
import torch.nn as nn
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

import models

device = "cuda" if torch.cuda.is_available() else "cpu"


class CIFAR10(Dataset):
    def __init__(self, data_files, transform=None, target_transform=None):
        self.imgs, self.labels = None, []
        for f in data_files:
            with open(f, "rb") as fo:
                entry = pickle.load(fo, encoding="bytes")
            part = np.vstack(entry[b"data"])
            self.imgs = part if self.imgs is None else np.vstack([self.imgs, part])
            self.labels.extend(entry[b"labels"])
        self.imgs = self.imgs.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        self.transform = transform

    def __len__(self):
        return self.imgs.shape[0]

    def __getitem__(self, i):
        img = Image.fromarray(self.imgs[i])
        if self.transform is not None:
            img = self.transform(img)
        return img, torch.tensor(self.labels[i])


def get_preprocess_transform(mode):
    steps = [transforms.Resize(32), transforms.ToTensor()]
    if mode == "train":
        steps.insert(1, transforms.RandomHorizontalFlip())
    return transforms.Compose(steps + [transforms.Normalize([0.4914, 0.4822, 0.4465], [0.247, 0.243, 0.261])])


def build_dataset(data_files, transform=None):
    return CIFAR10(data_files, transform)


def build_dataloader(dataset, loader_params):
    return torch.utils.data.DataLoader(dataset, **loader_params)


class FinetuneNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = models.resnet18(pretrained=False)
        self.model.load_state_dict(torch.load("resnet18.pt", map_location=device))
        self.model.requires_grad_(False)
        self.model.fc = nn.Linear(512, 10)

    def forward(self, x):
        return self.model(x)


def build_model(trained=False):
    return FinetuneNet().to(device)


def build_optimizer(optim_type, model_params, hparams):
    if optim_type == "Adam":
        return torch.optim.Adam(model_params, lr=hparams["lr"])
    return torch.optim.SGD(model_params, lr=hparams["lr"], momentum=hparams.get("momentum", 0))


def train(train_dataloader, model, loss_fn, optimizer):
    model.eval()  # so that the BatchNorm statistics stay
    for x, y in train_dataloader:
        x, y = x.to(device), y.to(device)
        loss = loss_fn(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def test(test_dataloader, model):
    correct, n = 0, 0
    for x, y in test_dataloader:
        with torch.no_grad():
            correct += (model(x.to(device)).argmax(1).cpu() == y).float().sum().item()
        n += x.size(0)
    return 100.0 * correct / n


def run_model():
    train_set = build_dataset(
        ["cifar10_batches/data_batch_%d" % (i + 1) for i in range(5)], get_preprocess_transform("train")
    )
    loader = build_dataloader(train_set, {"batch_size": 64, "shuffle": True})
    model = build_model()
    optim = build_optimizer("SGD", filter(lambda p: p.requires_grad, model.parameters()), {"lr": 0.03, "momentum": 0.9})
    for _epoch in range(2):
        train(loader, model, nn.CrossEntropyLoss(), optim)
    return model
