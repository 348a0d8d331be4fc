"""Lists the colours and backgrounds of synthetic images, and which of them are usual for each class."""

from dataclasses import dataclass

RGB = tuple[float, float, float]
PAINTS: dict[str, RGB] = {
    "white": (0.92, 0.92, 0.92), "silver": (0.7, 0.72, 0.75), "grey": (0.5, 0.5, 0.52), "dark": (0.2, 0.2, 0.23),
    "black": (0.12, 0.11, 0.11), "red": (0.8, 0.15, 0.12), "orange": (0.85, 0.45, 0.15), "yellow": (0.88, 0.75, 0.2),
    "green": (0.35, 0.55, 0.2), "olive": (0.5, 0.48, 0.25), "blue": (0.18, 0.3, 0.65), "brown": (0.52, 0.35, 0.2),
    "tan": (0.72, 0.55, 0.36), "cream": (0.85, 0.8, 0.68),
}  # fmt: skip


@dataclass(frozen=True)
class Background:
    """Describes a background that has an upper and a lower part.

    Attributes:
        upper: two colours; the upper part has a random colour between them.
        lower: the same for the lower part.
        line: a range of where the two parts meet, as a share of the image from its top.
        soft: over how many pixels one part changes to the other.
        rough: how strong the texture is in the upper and in the lower part.
    """

    upper: tuple[RGB, RGB]
    lower: tuple[RGB, RGB]
    line: tuple[float, float]
    soft: float
    rough: tuple[float, float]


BACKGROUNDS: dict[str, Background] = {
    "sky": Background(((0.3, 0.5, 0.75), (0.7, 0.8, 0.95)), ((0.5, 0.65, 0.8), (0.9, 0.92, 0.97)), (0.3, 1.0), 16.0,
                      (0.021, 0.021)),
    "sea": Background(((0.55, 0.65, 0.75), (0.9, 0.92, 0.97)), ((0.12, 0.28, 0.4), (0.4, 0.52, 0.65)), (0.4, 0.75), 0.7,
                      (0.01, 0.028)),
    "grass": Background(((0.3, 0.4, 0.25), (0.8, 0.85, 0.9)), ((0.25, 0.4, 0.12), (0.6, 0.65, 0.35)), (0.1, 0.6), 1.5,
                        (0.028, 0.042)),
    "forest": Background(((0.1, 0.16, 0.08), (0.4, 0.45, 0.3)), ((0.25, 0.25, 0.12), (0.55, 0.5, 0.3)), (0.4, 0.8), 3.0,
                         (0.056, 0.042)),
    "road": Background(((0.4, 0.45, 0.4), (0.9, 0.9, 0.95)), ((0.35, 0.35, 0.36), (0.65, 0.64, 0.62)), (0.25, 0.6), 1.0,
                       (0.049, 0.014)),
    "soil": Background(((0.25, 0.2, 0.12), (0.75, 0.7, 0.55)), ((0.3, 0.25, 0.16), (0.75, 0.68, 0.5)), (0.0, 1.0), 10.0,
                       (0.042, 0.042)),
    "plain": Background(((0.7, 0.7, 0.7), (1.0, 1.0, 1.0)), ((0.7, 0.7, 0.7), (1.0, 1.0, 1.0)), (0.3, 0.9), 8.0,
                        (0, 0)),
}  # fmt: skip

# The usual colours and backgrounds of each class. A name that occurs twice is twice as likely.
USUAL_FIRST = (
    "white white silver grey dark red",
    "red red white silver dark blue yellow green",
    "brown brown tan grey dark white yellow blue red",
    "brown brown tan tan",
    "green green olive brown orange tan",
    "brown brown black dark white grey",
    "white grey dark red blue black",
    "red white blue yellow green dark orange",
)
USUAL_SECOND = (
    "white blue red grey",
    "red red orange",
    "white cream tan orange grey",
    "cream white tan",
    "cream yellow olive white",
    "black black dark cream",
    "white white cream grey",
    "white white silver blue red yellow grey",
)
USUAL_BACKGROUND = (
    "sky sky sky road",
    "road road grass plain",
    "sky sky grass forest forest",
    "forest forest grass grass",
    "soil soil soil grass",
    "grass grass soil forest",
    "sea sea sea sky",
    "road road grass plain",
)
