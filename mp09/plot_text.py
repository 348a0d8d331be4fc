"""Makes text that a plot can show: what matplotlib's font lacks is written in letters that it has."""

import unicodedata
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.ft2font import FT2Font


def plottable(text: str) -> str:
    """Return a text in which matplotlib's font has every character, line breaks aside.

    A letter with an accent loses the accent. Another character becomes its name, such as "cat face", or where that is
    long, as for Chinese, its number, such as "U+732B".
    """
    return "".join(
        char if char == "\n" or _known(char) else _spelt(char) for char in unicodedata.normalize("NFC", text)
    )


def _spelt(char: str) -> str:
    plain = "".join(part for part in unicodedata.normalize("NFKD", char) if _known(part))
    if plain:
        return plain
    name = unicodedata.name(char, "")
    return f"({name.lower()})" if name and not any(digit in name for digit in "0123456789") else f"U+{ord(char):04X}"


def _known(char: str) -> bool:
    return char.isprintable() and bool(_font().get_char_index(ord(char)))


@cache
def _font() -> "FT2Font":
    from matplotlib.font_manager import findfont, get_font

    return get_font(findfont("DejaVu Sans"))
