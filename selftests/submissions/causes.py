"""Lists what costs a trained model its accuracy, as edits of the reference, each with the causes that must be named.

An edit is a pair like those of `mutants`. Where images can be put right in several ways, each of these is a right name.
"""

from dataclasses import dataclass

Edit = tuple[str, str]


@dataclass(frozen=True)
class CostlyMistake:
    """Describes one mistake, or two at a time.

    Attributes:
        name: says what the mistake is.
        causes: the keys that are right, for each of the mistakes.
        edits: turn the reference into it.
    """

    name: str
    causes: tuple[frozenset[str], ...]
    edits: tuple[Edit, ...]


TRAIN = "    train(loader, model, nn.CrossEntropyLoss(), optimizer)\n    return model"
TRANSFORM = "return Preprocess()"
LABEL = "        label = self.labels[index]\n"
STEP = "        loss.backward()\n        optimizer.step()\n"
OPTIMIZER = 'build_optimizer("Adam", model.parameters(), {"lr": 5e-3})'
RATE = '{"lr": 5e-3}'
TEN = ("NUM_CLASSES = 8", "NUM_CLASSES = 10")
# The reference loads whole batches at once. This turns that off, so that edits of single items take effect.
NO_BATCHES = ("        if not isinstance(self.transform, Preprocess):", "        if True:")


def cause(*names: str) -> frozenset[str]:
    return frozenset(f"cause-{name}" for name in names)


def after_training(code: str) -> Edit:
    """Return an edit that runs more code on the trained model."""
    return TRAIN, TRAIN.replace("    return model", "".join(f"    {line}\n" for line in code.split("\n")) + "    return model")


def transforms(*, train: str, test: str) -> tuple[Edit, Edit]:
    """Return edits by which run_model() trains on other images than get_preprocess_transform(...) gives."""
    return (
        ('transform=get_preprocess_transform("train"))', f"transform={train})"),
        (TRANSFORM, f"return {test}"),
    )


def labels(expression: str) -> tuple[Edit, ...]:
    """Return edits by which the model learns other numbers for the classes, from `label`."""
    return (("labels = images.to(device), labels.to(device)", f"labels = images.to(device), {expression}.to(device)"),)


def normalised(mean: float, std: float) -> str:
    return f"transforms.Compose([transforms.ToTensor(), transforms.Normalize(({mean},) * 3, ({std},) * 3)])"


PLAIN, RIGHT = "transforms.ToTensor()", "Preprocess()"


def turned(change: str) -> str:
    """Return a transform that changes an image (3, 32, 32), called `x`, before it is normalised."""
    steps = f"transforms.ToTensor(), lambda x: {change}, transforms.Normalize(MEAN, STD)"
    return f"transforms.Compose([{steps}])"


# Models care little for colours, so these images have red alone.
RED = "x * torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1)"
SCRAMBLED = "x.reshape(32, 32, 3).permute(2, 0, 1)"
# run_model() calls the backbone with single images in train mode, which moves its running statistics.
MOVED = after_training(
    "model.backbone.train()\n"
    "with torch.no_grad():\n"
    "    for index in range(300):\n"
    "        model.backbone(dataset[index][0][None])\n"
    "model.eval()"
)
TEN_CLASSES = (TEN, *labels("torch.tensor([0, 1, 2, 4, 6, 7, 8, 9])[labels]"))
SHIFTED = (TEN, *labels("(labels + 1)"))
ORDER = labels("(7 - labels)")
EXTRA_COLUMNS = (TEN, after_training("with torch.no_grad():\n    model.classifier.bias[8:] = 100"))
LONGER = ("num_samples=1600", "num_samples=6400")  # for features that are harder to learn from
NOT_NORMALISED_AT_TEST = transforms(train=RIGHT, test=PLAIN)
NORMALISED_AT_TEST_ONLY = (LONGER, *transforms(train=PLAIN, test=normalised(0.0, 0.1)))

SINGLE = {
    "statistics-moved": (cause("statistics"), (MOVED,)),
    "test-not-normalised": (cause("normalised", "imagenet"), NOT_NORMALISED_AT_TEST),
    "train-not-normalised": (cause("not-normalised", "normalised"), NORMALISED_AT_TEST_ONLY),
    "labels-of-ten": (cause("ten-classes"), TEN_CLASSES),
    "labels-from-1": (cause("shifted"), SHIFTED),
    "labels-backwards": (cause("order"), ORDER),
    "columns-8-and-9": (cause("columns"), EXTRA_COLUMNS),
}
PAIRS = [
    ("statistics-moved", "test-not-normalised"),
    ("statistics-moved", "train-not-normalised"),
    ("statistics-moved", "labels-of-ten"),
    ("statistics-moved", "labels-from-1"),
    ("statistics-moved", "labels-backwards"),
    ("statistics-moved", "columns-8-and-9"),
    ("test-not-normalised", "labels-of-ten"),
    ("test-not-normalised", "labels-from-1"),
    ("test-not-normalised", "labels-backwards"),
    ("test-not-normalised", "columns-8-and-9"),
]


def both(first: str, second: str) -> CostlyMistake:
    (one, some), (other, more) = SINGLE[first], SINGLE[second]
    return CostlyMistake(f"{first} and {second}", (one, other), joined(some, more))


def joined(some: tuple[Edit, ...], more: tuple[Edit, ...]) -> tuple[Edit, ...]:
    """Return the edits of two mistakes; where both run code after the training, one runs after the other."""
    by_text = dict(some)
    for old, new in more:
        if old in by_text and old == TRAIN:
            kept = "    return model"
            by_text[old] = by_text[old].removesuffix(kept) + new.removeprefix(TRAIN.removesuffix(kept))
        else:
            by_text[old] = new
    return tuple(by_text.items())


def dropout(share: float) -> tuple[Edit, ...]:
    """Return edits that leave out this share of the features, in eval mode, too."""
    return (
        ("        return self.classifier(features.float())\n", "        return self.classifier(self.drop(features.float()))\n"),
        ("        self.backbone.eval()\n", "        self.backbone.eval()\n        self.drop.train()\n"),
        (
            "        self.classifier = nn.Linear(features, NUM_CLASSES)\n",
            f"        self.classifier = nn.Linear(features, NUM_CLASSES)\n        self.drop = nn.Dropout({share})\n",
        ),
    )


def learning(name: str) -> tuple[frozenset[str]]:
    return (frozenset({f"learning-{name}"}),)


CAUSES = (
    *(CostlyMistake(name, (right,), edits) for name, (right, edits) in SINGLE.items()),
    CostlyMistake(
        "train-in-minus-1-to-1", (cause("half"),), transforms(train=normalised(0.5, 0.5), test=normalised(0.0, 0.1))
    ),
    CostlyMistake(
        "train-like-imagenet",
        (cause("imagenet", "normalised"),),
        transforms(
            train="transforms.Compose([transforms.ToTensor(), "
            "transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))])",
            test=PLAIN,
        ),
    ),
    CostlyMistake(
        "train-in-0-to-255",
        (cause("bytes"),),
        (LONGER, *transforms(train="transforms.Compose([transforms.ToTensor(), lambda x: x * 255])", test=PLAIN)),
    ),
    CostlyMistake(
        "unusual-numbers-in-training",
        (cause("train-transform"),),
        (
            (
                TRANSFORM,
                f'return {normalised(0.2, 0.4)} if mode == "train" else {normalised(0.2, 4)}',
            ),
        ),
    ),
    CostlyMistake(
        "test-in-bgr", (cause("colours"),), transforms(train=turned(RED), test=turned(f"({RED}).flip(0)"))
    ),
    CostlyMistake("test-transposed", (cause("transposed"),), transforms(train=RIGHT, test=turned("x.transpose(1, 2)"))),
    CostlyMistake("test-upside-down", (cause("upside-down"),), transforms(train=RIGHT, test=turned("x.flip(1)"))),
    CostlyMistake(
        "train-scrambled", (cause("reshaped"),), (LONGER, *transforms(train=turned(SCRAMBLED), test=RIGHT))
    ),
    CostlyMistake("test-scrambled", (cause("unscrambled"),), transforms(train=RIGHT, test=turned(SCRAMBLED))),
    CostlyMistake("dropout-that-stays-on", (cause("eval-mode"),), dropout(0.98)),
    # These reach 0.90, but are no functions of an image.
    CostlyMistake("some-dropout-that-stays-on", (cause("eval-mode"),), dropout(0.5)),
    CostlyMistake(
        "flipped-at-test",
        (cause("random"),),
        (
            (
                TRANSFORM,
                "return transforms.Compose([transforms.ToTensor(), transforms.RandomHorizontalFlip(), "
                "transforms.Normalize(MEAN, STD)])",
            ),
        ),
    ),
    CostlyMistake(
        "train-mode-throughout",
        (cause("train-mode"),),
        (
            ("        self.backbone.eval()\n", "        pass\n"),
            ('"batch_size": 32', '"batch_size": 64'),
            ("num_samples=1600", "num_samples=3200"),
            after_training(
                "model.train()\n"
                "with torch.no_grad():\n"
                "    for index in range(300):\n"
                "        model.backbone(10 * dataset[index][0][None])"
            ),
        ),
    ),
    *(both(*pair) for pair in PAIRS),
    # The head learned from the same wrong features that it gets at test.
    CostlyMistake(
        "other-normalisation-throughout", (cause("normalised"),), ((TRANSFORM, f"return {normalised(5, 1)}"),)
    ),
    CostlyMistake(
        "statistics-reset-before-training",
        (cause("statistics"),),
        (
            (
                "    model = build_model().to(device)\n",
                "    model = build_model().to(device)\n"
                "    for module in model.backbone.modules():\n"
                "        if isinstance(module, nn.BatchNorm2d):\n"
                "            module.reset_running_stats()\n",
            ),
        ),
    ),
    CostlyMistake("backbone-not-loaded", (cause("features"),), (("resnet18(pretrained=True)", "resnet18()"),)),
    # The head did not learn.
    CostlyMistake("step-missing", learning("no-step"), ((STEP, "        loss.backward()\n"),)),
    CostlyMistake("backward-missing", learning("no-gradient"), ((STEP, "        optimizer.step()\n"),)),
    CostlyMistake(
        "another-model-returned", learning("other-parameters"), ((TRAIN, TRAIN.replace("return model", "return build_model()")),)
    ),
    CostlyMistake(
        "head-not-in-the-optimizer",
        learning("other-parameters"),
        ((OPTIMIZER, "torch.optim.Adam([nn.Parameter(torch.zeros(1))])"),),
    ),
    CostlyMistake(
        "softmax-in-the-model",
        learning("softmax"),
        (
            ("        return self.classifier(features.float())\n", "        return self.classifier(features.float()).softmax(1)\n"),
            (RATE, '{"lr": 2e-4}'),
        ),
    ),
    CostlyMistake("uphill", learning("negative-loss"), ((STEP, STEP.replace("loss", "(-loss)")),)),
    CostlyMistake(
        "nll-without-log-softmax", learning("negative-loss"), ((TRAIN, TRAIN.replace("CrossEntropyLoss", "NLLLoss")),)
    ),
    CostlyMistake(
        "gradients-add-up",
        (frozenset({"learning-exploded", "learning-unstable"}),),
        (("        optimizer.zero_grad()\n", ""), (RATE, '{"lr": 3e-1}')),
    ),
    CostlyMistake(
        "dead-units",
        learning("dead"),
        (
            (
                "nn.Linear(features, NUM_CLASSES)",
                "nn.Sequential(nn.Linear(features, 64), nn.ReLU(), nn.Linear(64, NUM_CLASSES))",
            ),
            (RATE, '{"lr": 3.0}'),
        ),
    ),
    CostlyMistake("learning-rate-too-low", learning("slow"), ((RATE, '{"lr": 1e-8}'),)),
    CostlyMistake("labels-shuffled", learning("labels"), labels("labels[torch.randperm(len(labels))]")),
    CostlyMistake(
        "one-batch-only",
        learning("slow"),
        (("        count += len(labels)\n    return total", "        count += len(labels)\n        break\n    return total"),),
    ),
)
