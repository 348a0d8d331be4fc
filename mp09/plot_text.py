"""Makes text that a plot can show: what matplotlib's font lacks is written in letters that it has."""

import unicodedata
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.ft2font import FT2Font


def plottable(text: str) -> str:
    """Return a text in which matplotlib's font has every character, line breaks aside.

    A letter with an accent loses the accent. A symbol becomes its name, such as "(cat face)", and a letter of another
    alphabet its number, such as "U+732B". Marks that are not seen are left out.
    """
    return "".join(
        char if char == "\n" or _known(char) else _spelt(char) for char in unicodedata.normalize("NFC", text)
    )


def _spelt(char: str) -> str:
    if unicodedata.category(char) == "Cf":
        return ""
    plain = "".join(part for part in unicodedata.normalize("NFKD", char) if _known(part))
    if plain:
        return plain
    is_symbol = unicodedata.category(char).startswith("S")
    return f"({unicodedata.name(char).lower()})" if is_symbol else f"U+{ord(char):04X}"


def _known(char: str) -> bool:
    return char.isprintable() and bool(_font().get_char_index(ord(char)))


@cache
def _font() -> "FT2Font":
    from matplotlib.font_manager import findfont, get_font

    return get_font(findfont("DejaVu Sans"))
