"""Reads which models a comparison is asked for, and with which weights."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from mp09.errors import CompareError
from mp09.nets.published import check_name


@dataclass(frozen=True)
class Wanted:
    """Names a model that is to be compared.

    Attributes:
        model: The model's name, as `published` takes it.
        weights: Its weights, as `published` takes them.
        text: What the results call it: as it was asked for, but a file of weights by its name alone, unless two models
            would then be called the same.
    """

    model: str
    weights: str
    text: str


def parse(text: str, weights: str = "default") -> list[Wanted]:
    """Read which models are asked for.

    Args:
        text: Names with commas between them, where a colon stands before weights of a model's own, for example
            "resnet50,alexnet:none,resnet18-32:mine.pt".
        weights: The weights of models that name none.

    Raises:
        ModelError: There is no such model.
        CompareError: None is asked for, or one is asked for twice.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise CompareError("models: expected one name or more, with commas between them, got none.")
    if twice := [part for part, times in Counter(parts).items() if times > 1]:
        raise CompareError(f"models: expected each once, got {', '.join(twice)} more than once.")
    short = {part: _shorten(part) for part in parts}
    wanted = []
    for part in parts:
        model, _, own = part.partition(":")
        check_name(model)
        alone = list(short.values()).count(short[part]) == 1
        wanted.append(Wanted(model, own or weights, short[part] if alone else part))
    return wanted


def _shorten(part: str) -> str:
    """Return a part of the text with nothing but the name of a file of weights."""
    model, colon, own = part.partition(":")
    return model + colon + Path(own).name
