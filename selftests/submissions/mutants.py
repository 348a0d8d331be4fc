"""Lists mistakes that students make, as small edits of the reference, each with its points and its diagnosis.

An edit is a pair (text of submitted.py, replacement). It is an error if the text does not occur exactly once. Mutants
train briefly. How they train is chosen so that their accuracy keeps `verdicts.MARGIN` from every step, because a
processor with other arithmetic must give them the same points.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """Describes one mistake.

    Attributes:
        name: says what the mistake is.
        points: what it must get, of 100.
        diagnosis: the key of the diagnosis that a failing test must name; "" where no test fails.
        edits: turn the reference into the mutant.
        advice: where no test fails, words that must be in the advice.
        equivalent: why the rubric can't tell it from the reference. Such a mutant does not count.
    """

    name: str
    points: float
    diagnosis: str
    edits: tuple[tuple[str, str], ...]
    advice: str = ""
    equivalent: str = ""


TRAIN = "    train(loader, model, nn.CrossEntropyLoss(), optimizer)\n    return model"
TURN = "image = self.images[index].transpose(1, 2, 0)"
LABEL = "        label = self.labels[index]\n"
APPLY = "            image = self.transform(image)\n"
ITEM = "        return image, self._target(index)\n"
LOADER = "return DataLoader(dataset, **loader_params)"
OPTIMIZER = 'build_optimizer("Adam", model.parameters(), {"lr": 5e-3})'
FREEZE = "        self.backbone.requires_grad_(False)\n"
LOAD = "resnet18(pretrained=True)"
LOGITS = "        return self.classifier(features.float())\n"
STEP = "        loss.backward()\n        optimizer.step()\n"
EVAL = "        self.backbone.eval()\n"
# The reference loads whole batches at once. This turns that off, so that mutants which change single items take effect.
NO_BATCHES = ("        if not isinstance(self.transform, Preprocess):", "        if True:")
WITH_GRAPH = ("with torch.no_grad(), torch.autocast(x.device", "with torch.autocast(x.device")


def fine_tune(part: str) -> tuple[str, str]:
    """Return an edit that trains `part` as well, so slowly that the weights change but the accuracy hardly does."""
    return (
        OPTIMIZER,
        f'torch.optim.Adam([{{"params": model.{part}.parameters(), "lr": 1e-6}}, '
        '{"params": model.classifier.parameters()}], lr=5e-3)',
    )


LONGER = ("num_samples=1600", "num_samples=3200")  # for mutants that learn slowly, so that they get well above 0.90


def returned(value: str) -> tuple[tuple[str, str], ...]:
    """Return edits by which run_model() returns something else."""
    return ((TRAIN, TRAIN.replace("return model", f"return {value}")),)


def undone(before: str) -> tuple[str, str]:
    """Return an edit by which the model's transform undoes what the dataset does wrong: training is unharmed."""
    return (
        "return Preprocess()",
        f"return lambda image: Preprocess()({before})",
    )


MUTANTS = (
    # Mistakes in the dataset
    Mutant(
        "scrambled-reshape",
        94,
        "image-scrambled",
        (
            NO_BATCHES,
            (TURN, "image = self.images[index].reshape(32, 32, 3)"),
            undone("np.ascontiguousarray(image).reshape(3, 32, 32).transpose(1, 2, 0)"),
        ),
    ),
    Mutant(
        "transposed",
        94,
        "image-transposed",
        (NO_BATCHES, (TURN, "image = self.images[index].transpose(2, 1, 0)"), undone("image.transpose(1, 0, 2)")),
    ),
    Mutant(
        "bgr",
        94,
        "image-bgr",
        (
            NO_BATCHES,
            (TURN, "image = self.images[index][::-1].transpose(1, 2, 0).copy()"),
            undone("np.ascontiguousarray(image[:, :, ::-1])"),
        ),
    ),
    Mutant(
        "not-divided-by-255",
        94,
        "image-scale",
        (NO_BATCHES, (TURN, TURN + ".astype(np.float32)"), undone("image.astype(np.uint8)")),
    ),
    Mutant(
        "normalised-by-the-dataset",
        94,
        "image-normalised",
        (
            NO_BATCHES,
            (APPLY, APPLY + "            image = transforms.Normalize(MEAN, STD)(image)\n"),
            ("return Preprocess()", "return transforms.ToTensor()"),
        ),
    ),
    Mutant(
        "augmented-by-the-dataset",
        84,
        "image-augmented",
        (NO_BATCHES, (APPLY, APPLY + "            image = transforms.RandomHorizontalFlip()(image)\n")),
    ),
    Mutant(
        "height-width-channels",
        94,
        "image-shape",
        (
            NO_BATCHES,
            (APPLY, APPLY + "            image = image.permute(1, 2, 0)\n"),
            ("        features = self.backbone(x.to", "        features = self.backbone(x.permute(0, 3, 1, 2).to"),
        ),
    ),
    Mutant(
        "flattened",
        94,
        "image-shape",
        (
            NO_BATCHES,
            (APPLY, APPLY + "            image = image.flatten()\n"),
            (
                "            features = self.backbone(x.to",
                "            features = self.backbone(x.view(-1, 3, 32, 32).to",
            ),
        ),
    ),
    Mutant(
        "divided-to-whole-numbers",
        34,
        "image-constant",
        (NO_BATCHES, (TURN, "image = (self.images[index] // 255).transpose(1, 2, 0)")),
    ),
    Mutant("transform-ignored", 34, "image-shape", (NO_BATCHES, (APPLY, "            pass\n"))),
    Mutant(
        "item-is-a-dict",
        30,
        "bad-item",
        ((ITEM, '        return {"image": image, "label": self._target(index)}\n'), NO_BATCHES),
    ),
    Mutant(
        "item-the-wrong-way-round",
        30,
        "image-shape",
        ((ITEM, "        return self._target(index), image\n"), NO_BATCHES),
    ),
    Mutant(
        "only-first-file", 96, "dataset-length", (("for path in data_files:", "for path in data_files[:1]:"),)
    ),
    Mutant("labels-shifted", 56, "cause-shifted", ((LABEL, "        label = (self.labels[index] + 1) % 8\n"),)),
    Mutant("labels-off-by-one-item", 36, "labels", ((LABEL, "        label = self.labels[index - 1]\n"),)),
    Mutant("labels-all-the-same", 36, "labels", ((LABEL, "        label = self.labels[0]\n"),)),
    Mutant("labels-as-text", 36, "label-type", ((LABEL, "        label = str(self.labels[index])\n"),)),
    Mutant("labels-as-floats", 40, "raised", ((LABEL, "        label = float(self.labels[index])\n"),)),
    Mutant(
        "labels-one-hot", 100, "", ((LABEL, "        label = torch.eye(8)[self.labels[index]]\n"),), advice="one-hot"
    ),
    Mutant("length-one-less", 85, "dataset-length", (("return len(self.labels)\n", "return len(self.labels) - 1\n"),)),
    Mutant(
        "build-dataset-returns-nothing",
        0,
        "bad-length",
        (("    return CIFAR10(data_files, transform)\n", "    CIFAR10(data_files, transform)\n"),),
    ),
    # Mistakes in the data loader
    Mutant(
        "batch-size-hard-coded",
        85,
        "loader-batches",
        ((LOADER, 'return DataLoader(dataset, 32, sampler=loader_params.get("sampler"))'),),
    ),
    Mutant(
        "last-batch-dropped",
        85,
        "loader-batches",
        ((LOADER, "return DataLoader(dataset, **loader_params, drop_last=True)"),),
    ),
    Mutant("loader-is-the-dataset", 25, "loader-batches", ((LOADER, "return dataset"),)),
    Mutant(
        "shuffle-ignored",
        100,
        "",
        (
            (
                LOADER,
                'return DataLoader(dataset, **{**loader_params, "shuffle": loader_params.get("sampler") and None})',
            ),
        ),
        equivalent="the rubric counts batches; the order in training shows only in the accuracy",
    ),
    # Mistakes in the model
    Mutant("backbone-unfrozen", 80, "backbone-changed", ((FREEZE, ""), WITH_GRAPH, fine_tune("backbone"))),
    Mutant(
        "frozen-by-a-misspelt-name",
        80,
        "backbone-changed",
        (
            (
                FREEZE,
                "        for parameter in self.backbone.parameters():\n            parameter.require_grad = False\n",
            ),
            WITH_GRAPH,
            fine_tune("backbone"),
        ),
    ),
    Mutant(
        "last-stage-unfrozen",
        80,
        "backbone-changed",
        (
            (
                "(False)\n        self.backbone.to(",
                "(False)\n        self.backbone.layer4.requires_grad_(True)\n        self.backbone.to(",
            ),
            WITH_GRAPH,
            fine_tune("backbone.layer4"),
        ),
    ),
    Mutant(
        "everything-frozen",
        40,
        "raised",
        (
            (
                "        self.classifier = nn.Linear(features, NUM_CLASSES)\n",
                "        self.classifier = nn.Linear(features, NUM_CLASSES).requires_grad_(False)\n",
            ),
        ),
    ),
    Mutant("backbone-not-loaded", 40, "backbone-not-loaded", ((LOAD, "resnet18()"),)),
    Mutant(
        "loaded-into-nothing",
        40,
        "backbone-not-loaded",
        (
            (
                LOAD,
                'resnet18()\n        state = {f"net.{k}": v for k, v in torch.load("resnet18.pt").items()}\n'
                "        self.backbone.load_state_dict(state, strict=False)",
            ),
        ),
    ),
    Mutant("seven-classes", 40, "raised", (("NUM_CLASSES = 8", "NUM_CLASSES = 7"),)),
    Mutant(
        "ten-outputs",
        100,
        "",
        (("NUM_CLASSES = 8", "NUM_CLASSES = 10"), LONGER),
        equivalent="accepted: the two classes that never come are never learned",
    ),
    Mutant("batch-statistics-in-training", 100, "", ((EVAL, "        pass\n"),), advice="BatchNorm statistics moved"),
    Mutant(
        "train-mode-at-evaluation",
        90,
        "cause-eval-mode",
        # It trains as long as the reference: with less its accuracy, which depends on the batch, is too near to 0.85.
        (
            (EVAL, "        self.backbone.train()\n"),
            ("num_samples=1600", "num_samples=6400"),
            ('{"lr": 5e-3}', '{"lr": 3e-3}'),
        ),
    ),
    # Mistakes in training and testing
    Mutant(
        "head-not-in-the-optimizer",
        40,
        "learning-other-parameters",
        ((OPTIMIZER, "torch.optim.Adam([torch.zeros(1, requires_grad=True)])"),),
    ),
    Mutant("step-missing", 40, "learning-no-step", ((STEP, "        loss.backward()\n"),)),
    Mutant("backward-missing", 40, "learning-no-gradient", ((STEP, "        optimizer.step()\n"),)),
    Mutant("loss-detached", 40, "raised", ((STEP, STEP.replace("loss", "loss.detach()")),)),
    Mutant("uphill", 40, "learning-negative-loss", ((STEP, STEP.replace("loss", "(-loss)")),)),
    Mutant(
        "gradient-never-zeroed",
        60,
        "learning-unstable",
        (("        optimizer.zero_grad()\n", ""), ('{"lr": 5e-3}', '{"lr": 3e-1}')),
    ),
    Mutant(
        "softmax-before-cross-entropy",
        100,
        "",
        (
            (
                LOGITS,
                LOGITS.replace("self.classifier(features.float())", "self.classifier(features.float()).softmax(1)"),
            ),
            LONGER,
        ),
        equivalent="the head learns more slowly, and still enough",
    ),
    Mutant("nll-without-log-softmax", 60, "learning-negative-loss", ((TRAIN, TRAIN.replace("CrossEntropyLoss", "NLLLoss")),)),
    Mutant("learning-rate-absurd", 40, "accuracy-nan", (('{"lr": 5e-3}', '{"lr": 1e37}'),)),
    Mutant("learning-rate-tiny", 40, "learning-slow", (('{"lr": 5e-3}', '{"lr": 1e-8}'),)),
    Mutant(
        "labels-shuffled-in-training",
        40,
        "nothing-trained",
        (
            (
                "        loss = loss_fn(model(images), labels)\n",
                "        loss = loss_fn(model(images), labels[torch.randperm(len(labels))])\n",
            ),
        ),
    ),
    Mutant(
        "one-batch-only",
        40,
        "nothing-trained",
        (
            (
                "        count += len(labels)\n    return total",
                "        count += len(labels)\n        break\n    return total",
            ),
        ),
    ),
    Mutant("returns-the-untrained-model", 40, "learning-other-parameters", returned("build_model()")),
    Mutant("returns-class", 40, "not-a-model", returned("FinetuneNet")),
    Mutant("returns-state-dict", 40, "not-a-model", returned("model.state_dict()")),
    Mutant("returns-nothing", 40, "not-a-model", returned("None")),
    Mutant(
        "other-normalisation-at-test",
        60,
        "cause-train-transform",
        (
            (
                "return Preprocess()",
                'return Preprocess() if mode == "train" else transforms.Compose([transforms.ToTensor(), transforms.Normalize((5, 5, 5), (1, 1, 1))])',
            ),
        ),
    ),
    Mutant(
        "noise-in-the-model",
        90,
        "not-a-function",
        (
            (
                "        return self.classifier(features.float())\n",
                "        return self.classifier(features.float() + 0.25 * torch.randn_like(features.float()))\n",
            ),
        ),
    ),
    Mutant(
        "augmentation-at-test",
        90,
        "cause-random",
        (
            (
                "return Preprocess()",
                "return transforms.Compose([transforms.ToTensor(), transforms.RandomHorizontalFlip(), transforms.Normalize(MEAN, STD)])",
            ),
        ),
    ),
    Mutant(
        "test-as-a-percentage",
        100,
        "",
        (("    return correct / count\n", "    return 100 * correct / count\n"),),
        advice="a fraction 0..1 is what",
    ),
    Mutant(
        "test-returns-nothing",
        100,
        "",
        (("    return correct / count\n", "    print(correct / count)\n"),),
        advice="test() returned no number",
    ),
    Mutant(
        "test-counts-the-last-batch",
        100,
        "",
        (("            correct += (predictions", "            correct = (predictions"),),
        advice="what the last batch adds",
    ),
    Mutant(
        "tensors-without-a-transform",
        90,
        "raised",
        (
            NO_BATCHES,
            (TURN, "image = Preprocess()(self.images[index].transpose(1, 2, 0))"),
            ("    return Preprocess()", "    return transforms.ToTensor()"),
            ('transform=get_preprocess_transform("train"))', "transform=None)"),
        ),
        advice="Test images were evaluated without a transform",
    ),
    # Code that does not get as far as a result
    Mutant(
        "reads-a-file-twice",
        0,
        "end-of-file",
        (('pickle.load(file, encoding="bytes"))', 'pickle.load(file, encoding="bytes") and pickle.load(file))'),),
    ),
    Mutant("weights-for-a-model", 40, "checkpoint-is-a-dict", ((LOAD, 'torch.load("resnet18.pt").eval()'),)),
    Mutant("network-for-weights", 40, "no-network", ((LOAD, 'torch.hub.load_state_dict_from_url("http://10.0.0.1/a.pth")'),)),
    Mutant(
        "line-of-a-notebook", 0, "notebook-code", (("import pickle\n", "%matplotlib inline\nimport pickle\n"),)
    ),
    Mutant(
        "exported-notebook",
        0,
        "notebook-code",
        (("import pickle\n", 'get_ipython().run_line_magic("matplotlib", "inline")\nimport pickle\n'),),
    ),
    Mutant(
        "mps-hard-coded",
        40,
        "no-gpu",
        (('torch.device("cuda" if torch.cuda.is_available() else "cpu")', 'torch.device("mps")'),),
    ),
    Mutant(
        "path-of-colab",
        40,
        "missing-file",
        (("DATA = Path(__file__).resolve().parent", 'DATA = Path("/content/drive/MyDrive")'),),
    ),
    Mutant(
        "writes-elsewhere",
        40,
        "no-permission",
        (("    torch.manual_seed(0)  #", '    Path("/mp09-log.txt").write_text("")  #'),),
    ),
    Mutant(
        "cuda-hard-coded",
        40,
        "no-gpu",
        (('torch.device("cuda" if torch.cuda.is_available() else "cpu")', 'torch.device("cuda:0")'),),
    ),
    Mutant(
        "run-model-missing",
        40,
        "missing-function",
        (
            ("def run_model()", "def run_my_model()"),
            ("return run_model() if trained", "return run_my_model() if trained"),
        ),
    ),
    Mutant("exits-at-import", 0, "exit", (("NUM_CLASSES = 8", "NUM_CLASSES = 8\nimport sys; sys.exit(0)"),)),
    Mutant("syntax-error", 0, "syntax", (("NUM_CLASSES = 8", "NUM_CLASSES = = 8"),)),
    Mutant(
        "package-missing", 0, "missing-module", (("import pickle\n", "import pickle\nimport tensorflow_datasets\n"),)
    ),
    Mutant(
        "absolute-path",
        40,
        "missing-file",
        (("DATA = Path(__file__).resolve().parent", 'DATA = Path("C:/Users/me/mp09")'),),
    ),
    Mutant(
        "process-ends-in-training",
        40,
        "ended-died",
        (("    torch.manual_seed(0)  #", "    import os; os._exit(3)  #"),),
    ),
)
