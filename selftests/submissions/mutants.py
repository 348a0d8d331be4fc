"""Mistakes that students make, as small edits of the reference: what each must cost, and what must be said about it.

An edit is a pair (text of submitted.py, replacement); one that no longer applies is an error.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """score: of 100 points; diagnosis: the key that must be named by one of the failing tests, with points or not."""

    name: str
    score: int
    diagnosis: str
    edits: tuple[tuple[str, str], ...]

    def apply(self, source: str) -> str:
        """The edited source. Raises ValueError when an edit does not apply exactly once."""
        for old, new in self.edits:
            if source.count(old) != 1:
                raise ValueError(f"{self.name}: {source.count(old)} places for {old!r}, expected 1")
            source = source.replace(old, new)
        return source


RETURN_TRAINED = "    train(loader, model, nn.CrossEntropyLoss(), optimizer)\n    return model"
WITH_GRAPH = ("with torch.no_grad(), torch.autocast(x.device", "with torch.autocast(x.device")


def fine_tune(part: str) -> tuple[str, str]:
    """Train `part` too, with a small learning rate: the weights change, the accuracy hardly does."""
    return (
        'build_optimizer("Adam", model.parameters(), {"lr": 3e-3})',
        f'torch.optim.Adam([{{"params": model.{part}.parameters(), "lr": 1e-6}}, '
        '{"params": model.classifier.parameters()}], lr=3e-3)',
    )


# The reference's batch path, out of the way of mutants that change single items.
NO_BATCHES = ("        if not isinstance(self.transform, Preprocess):", "        if True:")

MUTANTS = (
    Mutant(
        "scrambled-reshape",
        94,
        "image-scrambled",
        (
            NO_BATCHES,
            (
                "image = self.images[index].transpose(1, 2, 0)",
                "image = self.images[index].reshape(32, 32, 3)",
            ),
            ("return Preprocess()", "return Unscramble()"),
            (
                "class Preprocess:",
                "class Unscramble:\n"
                "    def __call__(self, image):\n"
                "        return Preprocess()(np.ascontiguousarray(image).reshape(3, 32, 32).transpose(1, 2, 0))\n\n\n"
                "class Preprocess:",
            ),
        ),
    ),
    Mutant(
        "bgr",
        94,
        "image-bgr",
        (
            NO_BATCHES,
            ("image = self.images[index].transpose(1, 2, 0)", "image = self.images[index][::-1].transpose(1, 2, 0).copy()"),
            ("return self.single(image)", "return self.single(np.ascontiguousarray(image[:, :, ::-1]))"),
        ),
    ),
    Mutant(
        "not-divided-by-255",
        94,
        "image-scale",
        (
            NO_BATCHES,
            ("image = self.images[index].transpose(1, 2, 0)", "image = self.images[index].transpose(1, 2, 0).astype(np.float32)"),
            ("return self.single(image)", "return self.single(image.astype(np.uint8))"),
        ),
    ),
    Mutant(
        "only-first-file",
        96,
        "dataset-length",
        (("for path in data_files:", "for path in data_files[:1]:"),),
    ),
    Mutant(
        "labels-shifted",
        36,
        "labels",
        (("label = self.labels[index]", "label = (self.labels[index] + 1) % 8"),),
    ),
    Mutant(
        "length-one-less",
        85,
        "dataset-length",
        (("return len(self.labels)\n", "return len(self.labels) - 1\n"),),
    ),
    Mutant(
        "batch-size-hard-coded",
        85,
        "loader-batches",
        (("return DataLoader(dataset, **loader_params)", 'return DataLoader(dataset, 32, loader_params["shuffle"])'),),
    ),
    Mutant(
        "last-batch-dropped",
        85,
        "loader-batches",
        (("return DataLoader(dataset, **loader_params)", "return DataLoader(dataset, **loader_params, drop_last=True)"),),
    ),
    Mutant(
        "backbone-unfrozen",
        80,
        "backbone-changed",
        (
            ("        self.backbone.requires_grad_(False)\n", ""),
            WITH_GRAPH,
            fine_tune("backbone"),
        ),
    ),
    Mutant(
        "last-stage-unfrozen",
        80,
        "backbone-changed",
        (
            ("(False)\n        self.backbone.to(", "(False)\n        self.backbone.layer4.requires_grad_(True)\n        self.backbone.to("),
            WITH_GRAPH,
            fine_tune("backbone.layer4"),
        ),
    ),
    Mutant(
        "backbone-not-loaded",
        40,
        "backbone-not-loaded",
        (("resnet18(pretrained=True)", "resnet18()"),),
    ),
    Mutant(
        "head-not-trained",
        40,
        "nothing-trained",
        (("        optimizer.step()\n", ""),),
    ),
    Mutant(
        "learning-rate-absurd",
        40,
        "accuracy-nan",
        (('{"lr": 3e-3}', '{"lr": 1e37}'),),
    ),
    Mutant(
        "returns-class",
        40,
        "not-a-model",
        ((RETURN_TRAINED, RETURN_TRAINED.replace("return model", "return FinetuneNet")),),
    ),
    Mutant(
        "returns-state-dict",
        40,
        "not-a-model",
        ((RETURN_TRAINED, RETURN_TRAINED.replace("return model", "return model.state_dict()")),),
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
        (("def run_model()", "def run_my_model()"), ("return run_model() if trained", "return run_my_model() if trained")),
    ),
    Mutant(
        "exits-at-import",
        0,
        "exit",
        (("NUM_CLASSES = 8", "NUM_CLASSES = 8\nimport sys; sys.exit(0)"),),
    ),
    Mutant(
        "syntax-error",
        0,
        "syntax",
        (("NUM_CLASSES = 8", "NUM_CLASSES = = 8"),),
    ),
    Mutant(
        "process-ends-in-training",
        40,
        "ended-died",
        (("    torch.manual_seed(0)  #", "    import os; os._exit(3)  #"),),
    ),
)
