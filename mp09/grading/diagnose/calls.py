"""Explain why a call did not return: the code raised an exception, or its process ended."""

import re
from collections.abc import Callable

from mp09.grading.diagnose.record import Diagnosis
from mp09.grading.replies import readable
from mp09.grading.sandbox.conversation import Ending, ErrorReport

LINE = 120  # characters that are shown of a line which a submission printed
NO_GPU = (
    *("nvidia driver", "not compiled with cuda", "no cuda gpus", "deserialize object on a cuda"),
    *("support for mps", "not compiled with mps", "mps backend", "invalid device string"),
)
SYNTAX = ("SyntaxError", "IndentationError", "TabError")
NETWORK = ("URLError", "HTTPError", "gaierror", "ConnectionError", "ConnectionRefusedError", "SSLError")
OWN_MACHINE = re.compile(r"'(/content/|/kaggle/|/Users/|/home/|[A-Za-z]:[\\/])")
# What is done to a model, and was done to its weights: the attributes of nn.Module that students use.
WEIGHTS_ALONE = re.compile(
    r"'(collections\.)?OrderedDict' object is not callable|"
    r"'(collections\.)?(OrderedDict|dict)' object has no attribute '"
    r"(load_state_dict|eval|train|to|cuda|parameters|named_parameters|modules|children|requires_grad_|fc|conv1|layer\d)'"
)
TWO_DEVICES = ("same device", "weight type", "must have its parameters and buffers on device")
CALLS = {
    "load": "importing submitted.py",
    "length": "build_dataset",
    "batches": "build_dataloader",
    "first_batch": "the first batch of build_dataloader",
    "samples": "build_dataset(..., transform=ToTensor())",
    "train": "run_model()",
    "tensors": "reading the trained model's parameters",
    "predict": "the trained model on test images",
    "experiment": "the trained model, with something changed",
    "facts": "the trained model on a batch",
    "tested": "test()",
}


def ended(operation: str, kind: Ending, message: str, log: str) -> Diagnosis:
    """Explain that the worker did not survive a call.

    Args:
        operation: what the worker was asked; a key of CALLS.
        kind: what ended it.
        message: what happened, in words.
        log: what the worker printed; the last five lines are shown.
    """
    remedies: dict[Ending, str] = {
        "time": "Look for an endless loop, or work repeated for every sample that could be done once.",
        "memory": "Keep images as uint8, convert them a batch at a time, and keep no tensors that carry gradients.",
        "died": "Something ended Python itself: sys.exit, os._exit, or a crash in compiled code. Take it out.",
        "disk": "Write no files; nothing that you write is kept.",
        "processes": "The grader counts what a DataLoader starts too: num_workers of 0 to 4 are plenty.",
        "protocol": "The connection to the grader is not yours to write to.",
    }
    log = readable(log[-2000:])
    tail = "".join(f"\n          | {line[:LINE]}" for line in log.strip().splitlines()[-5:])
    return Diagnosis(f"ended-{kind}", f"{CALLS[operation]} to return", message + tail, remedies[kind])


def lost_model() -> Diagnosis:
    return Diagnosis(
        "ended-died",
        "the trained model to be there for this test",
        "the process that held it ended in an earlier test",
        "See the failure above; this one follows from it.",
    )


def raised(operation: str, error: ErrorReport) -> Diagnosis:
    """Explain an exception of the submission.

    Args:
        operation: what the worker was asked; a key of CALLS.
        error: the worker's description of it.
    """
    where = "".join(f"\n          at {line}" for line in error.where)
    got = f"{error.type}: {error.message}{where}"
    call = CALLS[operation]
    if error.kind == "missing":
        return Diagnosis("missing-function", f"{call} to be there", error.message, "Keep the names of the handout.")
    if error.kind == "model":
        return Diagnosis(
            "not-a-model",
            "run_model() to return the trained model, an nn.Module",
            error.message.removeprefix("run_model() returned "),
            "Return the model object itself: not its class, not its state_dict, not nothing.",
        )
    if error.type == "NotImplementedError":
        line = error.where[-1].split(":")[0] if error.where else "submitted.py"
        got = f"this part is not written yet: {error.message}"
        return Diagnosis("not-written", f"{call} to work", got, f"Write it: {line}.")
    if error.kind:
        return Diagnosis(f"bad-{error.kind}", f"{call} to work", error.message, REFUSALS[error.kind])
    for matches, key, remedy in EXCEPTIONS:
        if matches(error):
            return Diagnosis(key, f"{call} to work", got, remedy)
    return Diagnosis("raised", f"{call} to work", got, "The line above is where it stopped.")


REFUSALS = {
    "item": "dataset[i] must return the two values (image, label).",
    "length": "Give your class a __len__ that returns the number of items, and return the object itself.",
    "output": "The model must give one row of at least 8 numbers for each image: shape (N, 8).",
}

EXCEPTIONS: list[tuple[Callable[[ErrorReport], bool], str, str]] = [
    (
        lambda e: e.type in SYNTAX and any(re.search(r"submitted\.py, line \d+: [%!]", line) for line in e.where),
        "notebook-code",
        "Lines that begin with % or ! are commands of a notebook, and no Python: take them out.",
    ),
    (lambda e: e.type in SYNTAX, "syntax", "Python can't read the file."),
    (
        lambda e: "get_ipython" in e.message,
        "notebook-code",
        "get_ipython() exists in a notebook alone. An export makes it of lines that begin with % or !: take them out.",
    ),
    (
        lambda e: e.type == "ModuleNotFoundError" and "google.colab" in e.message,
        "missing-module",
        "google.colab exists on Colab alone: take out what needs it. The data lie in cifar10_batches.",
    ),
    (
        lambda e: e.type == "ModuleNotFoundError",
        "missing-module",
        "Only submitted.py is graded: put everything into it, and import nothing beyond requirements.txt.",
    ),
    (
        lambda e: e.type in NETWORK or any(words in e.message for words in ("urlopen error", "name resolution")),
        "no-network",
        "There is no network here. The data lie in cifar10_batches, and the weights in resnet18.pt: download nothing.",
    ),
    (
        lambda e: e.type == "FileNotFoundError" and bool(OWN_MACHINE.search(e.message)),
        "missing-file",
        "This path exists on Colab, or on your own machine, alone. "
        'Use paths relative to the assignment folder, such as "cifar10_batches/data_batch_1" and "resnet18.pt".',
    ),
    (
        lambda e: e.type == "FileNotFoundError",
        "missing-file",
        'Use paths relative to the assignment folder, such as "cifar10_batches/data_batch_1" and "resnet18.pt".',
    ),
    (
        lambda e: e.type == "PermissionError" or "Read-only file system" in e.message,
        "no-permission",
        "Your code may read the assignment's files, and write into its own folder alone. It needs to write nothing.",
    ),
    (
        lambda e: any(words in e.message for words in TWO_DEVICES),
        "raised",
        "Move the model to the device, and each batch to the model: images.to(next(model.parameters()).device).",
    ),
    (
        lambda e: "out of memory" in e.message.lower(),
        "ended-memory",
        "Take smaller batches, and keep no tensors that carry gradients.",
    ),
    (
        lambda e: any(word in e.message.lower() for word in NO_GPU),
        "no-gpu",
        'There is no GPU here: choose torch.device("cuda" if torch.cuda.is_available() else "cpu").',
    ),
    (
        lambda e: bool(WEIGHTS_ALONE.search(e.message)),
        "checkpoint-is-a-dict",
        'torch.load("resnet18.pt") gives the weights alone, a dict. Make the model first, and load them into it: '
        'net = resnet18(); net.load_state_dict(torch.load("resnet18.pt")).',
    ),
    (
        lambda e: "loading state_dict" in e.message or "Missing key" in e.message,
        "checkpoint-mismatch",
        "resnet18.pt fits resnet18() with its 10 outputs: load it first, replace the last layer afterwards.",
    ),
    (
        lambda e: e.type in ("SystemExit", "KeyboardInterrupt"),
        "exit",
        "Don't call exit() or sys.exit(), and parse no arguments: the grader imports your file.",
    ),
    (
        lambda e: e.type == "EOFError" and "reading a line" in e.message,
        "input",
        "Nobody is there to answer input(): take it out.",
    ),
    (
        lambda e: e.type == "EOFError" and any(words in e.message for words in ("Ran out of input", "No data left")),
        "end-of-file",
        "The file was read to its end already. A second pickle.load finds nothing: load once, and keep the result.",
    ),
]
