"""Defines the parts of which figures consist: tubes (limbs, fuselages) and faces (sheet metal, wings, windows).

In a figure's coordinates x points forward, y up and z to the side, and a body is about one unit long.
"""

import math
from dataclasses import dataclass

import numpy as np

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Material:
    """Describes how a part looks.

    Attributes:
        plane: 0 for the figure's first colour, 1 for its second, 2 for white light.
        bright: the brightness, 0 to 1.
        opacity: 0 to 1; at 1 nothing shows through.
    """

    plane: int
    bright: float = 1.0
    opacity: float = 1.0


FIRST, FIRST_DARK, SECOND, SECOND_DARK = Material(0), Material(0, 0.55), Material(1), Material(1, 0.5)
WHITE, METAL, HORN, GLASS, BLACK = (Material(2, bright) for bright in (0.95, 0.6, 0.4, 0.3, 0.08))
SHADOW = Material(2, 0.0, 0.45)


@dataclass(frozen=True)
class Tube:
    """Describes a limb as a chain of balls and what is between them; `points` are their centres, each with a radius."""

    points: list[Point]
    radii: list[float]
    material: Material = FIRST


@dataclass(frozen=True)
class Face:
    """Describes a flat polygon, which is visible from both sides, or only from where its corners run clockwise."""

    points: list[Point]
    material: Material = FIRST
    both_sides: bool = True


Part = Tube | Face


def prism(profile: list[Point], material: Material, window: Material | None = None) -> list[Part]:
    """Return a body that is a side view, spread to both sides.

    Args:
        profile: the side view, [(x, y, half width), ...], clockwise from the bottom rear.
        material: of the body.
        window: if given, every upright face gets a smaller face of this material.
    """
    far = [(x, y, -w) for x, y, w in profile]
    ends = zip(profile, profile[1:] + profile[:1], far[1:] + far[:1], far, strict=True)
    faces = [profile[::-1], far, *(list(corners) for corners in ends)]
    parts: list[Part] = [Face(points, material, both_sides=False) for points in faces]
    if window:
        upright = (points for points in faces if np.ptp([y for _, y, _ in points]) > 0.03)
        parts += [Face(_inset(points), window, both_sides=False) for points in upright]
    return parts


def _inset(points: list[Point], share: float = 0.72) -> list[Point]:
    """Return a smaller copy of a face with the same middle, a little farther out, so that it is painted later."""
    corners = np.array(points)
    middle = corners.mean(axis=0)
    return [tuple(corner) for corner in 1.01 * (middle + share * (corners - middle))]


def box(
    x: tuple[float, float], y: tuple[float, float], w: float, material: Material, window: Material | None = None
) -> list[Part]:
    """Return a box that is 2 * w wide; see `prism` for the windows."""
    return prism([(x[0], y[0], w), (x[0], y[1], w), (x[1], y[1], w), (x[1], y[0], w)], material, window)


def plate(x: tuple[float, float], y: tuple[float, float], z: tuple[float, float], material: Material) -> Part:
    """Return an upright rectangle that faces forward or back, e.g. a lamp; it leans from x[0] below to x[1] above."""
    return Face([(x[0], y[0], z[0]), (x[1], y[1], z[0]), (x[1], y[1], z[1]), (x[0], y[0], z[1])], material)


def lamps(x: float, y: float, z: float, material: Material) -> list[Part]:
    """Return two square lamps, one on each side."""
    return [plate((x, x), (y - 0.045, y + 0.045), (at - 0.045, at + 0.045), material) for at in (z, -z)]


def disc(x: float, y: float, z: float, radius: float, material: Material) -> Part:
    """Return an upright disc that faces to the side."""
    turns = [2 * math.pi * k / 10 for k in range(10)]
    return Face([(x + radius * math.cos(t), y + radius * math.sin(t), z) for t in turns], material)


def wheels(places: list[float], y: float, radius: float, w: float) -> list[Part]:
    """Return the wheels of the axles at the positions `places`, on both sides."""
    sides = [(x, z) for x in places for z in (w, -w)]
    tyres = [disc(x, y, z, radius, BLACK) for x, z in sides]
    return tyres + [disc(x, y, 1.04 * z, radius / 2, METAL) for x, z in sides]


def shadow(length: float, y: float, w: float) -> Part:
    """Return the shadow of a figure on the ground at height y."""
    turns = [2 * math.pi * k / 12 for k in range(12)]
    return Face([(length * math.cos(t), y, w * math.sin(t)) for t in turns], SHADOW)
