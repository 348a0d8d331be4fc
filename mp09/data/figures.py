"""Renders the figures of synthetic images: simple bodies in space, turned, shaded and scaled down with Pillow.

A figure is a list of tubes (limbs, fuselages) and faces (sheet metal, wings, windows). In its coordinates x points
forward, y up and z to the side, and a body is about one unit long. `figure` renders one, not to an image but to four
planes, so that it can be painted in any colours later. The planes tell how much of the first colour, of the second
colour and of white light a pixel shows, and how much it hides of what is behind.

Colours, backgrounds and noise are added in `synthetic.py`. Parts are painted from back to front in the order of their
middles, so a few pixels may be wrong where long parts cross.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

SIZE = 32  # width and height of a figure in pixels
DETAIL = 4  # a figure is rendered this many times larger, and then averaged

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


# ---- bodies ---------------------------------------------------------------------------------------------------


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
    return prism([(x[0], y[0], w), (x[0], y[1], w), (x[1], y[1], w), (x[1], y[0], w)], material, window)


def plate(x: tuple[float, float], y: tuple[float, float], z: tuple[float, float], material: Material) -> Part:
    """Return an upright rectangle that faces forward or back, e.g. a lamp; it leans from x[0] below to x[1] above."""
    return Face([(x[0], y[0], z[0]), (x[1], y[1], z[0]), (x[1], y[1], z[1]), (x[0], y[0], z[1])], material)


def lamps(x: float, y: float, z: float, material: Material) -> list[Part]:
    return [plate((x, x), (y - 0.045, y + 0.045), (at - 0.045, at + 0.045), material) for at in (z, -z)]


def disc(x: float, y: float, z: float, radius: float, material: Material) -> Part:
    turns = [2 * math.pi * k / 10 for k in range(10)]
    return Face([(x + radius * math.cos(t), y + radius * math.sin(t), z) for t in turns], material)


def wheels(places: list[float], y: float, radius: float, w: float) -> list[Part]:
    sides = [(x, z) for x in places for z in (w, -w)]
    tyres = [disc(x, y, z, radius, BLACK) for x, z in sides]
    return tyres + [disc(x, y, 1.04 * z, radius / 2, METAL) for x, z in sides]


def shadow(length: float, y: float, w: float) -> Part:
    """Return the shadow of a figure on the ground at height y."""
    turns = [2 * math.pi * k / 12 for k in range(12)]
    return Face([(length * math.cos(t), y, w * math.sin(t)) for t in turns], SHADOW)


# ---- the eight classes ----------------------------------------------------------------------------------------


def airplane(rng: np.random.Generator) -> list[Part]:
    r, rudder = rng.uniform(0.07, 0.11), rng.uniform(0.25, 0.4)
    span, sweep, chord, x = (rng.uniform(*ends) for ends in ((0.6, 0.9), (0.1, 0.5), (0.12, 0.2), (0.0, 0.2)))
    parts: list[Part] = [
        Tube([(-0.8, 0.04, 0), (-0.45, 0, 0), (0.5, 0, 0), (0.75, -0.02, 0)], [r * 0.25, r * 0.9, r, r * 0.4]),
        Tube([(0.62, 0.04, 0), (0.68, 0.03, 0)], [r * 0.5, r * 0.4], GLASS),
        Face([(-0.8, 0.03, 0), (-0.55, 0.03, 0), (-0.72, rudder, 0), (-0.88, rudder, 0)], SECOND),
    ]
    for side in (1, -1):
        parts += [
            _wing(x, -0.02, side * span, sweep, chord),
            _wing(-0.68, 0.05, side * 0.3, 0.15, 0.1),
            Tube([(x - sweep * 0.35 + at, -0.09, side * span * 0.35) for at in (0, 0.2)], [0.04, 0.05], SECOND_DARK),
        ]
    return parts


def _wing(x: float, y: float, span: float, sweep: float, chord: float) -> Part:
    tip, lift, narrow = x - sweep, y + 0.05, 0.4 * chord
    return Face([(x + chord, y, 0), (tip + narrow, lift, span), (tip - narrow, lift, span), (x - chord, y, 0)])


def automobile(rng: np.random.Generator) -> list[Part]:
    u = rng.uniform
    w, sill, belt, hood = u(0.26, 0.32), -0.1, u(0.08, 0.13), u(0.02, 0.08)
    nose, tail = u(0.62, 0.72), u(-0.72, -0.62)
    front, rear, roof, slope = u(0.18, 0.3), u(-0.62, -0.35), u(0.26, 0.36), u(0.14, 0.24)
    body = [(tail, sill, 0.95 * w), (tail, belt - 0.02, 0.92 * w), (rear, belt, w), (front, belt, w)]
    body += [(nose, hood, 0.9 * w), (nose + 0.02, sill, 0.92 * w)]
    cabin = [(rear, belt, 0.95 * w), (rear + 0.7 * slope, roof, 0.75 * w), (front - slope, roof, 0.75 * w)]
    cabin += [(front + 0.05, belt, 0.95 * w)]
    return [
        shadow(0.78, sill - 0.14, w * 1.3),
        *prism(body, FIRST),
        *prism(cabin, FIRST, GLASS),
        *wheels([tail + 0.27, nose - 0.25], sill, u(0.13, 0.16), w),
        *lamps(nose + 0.01, hood - 0.05, w * 0.65, WHITE),
        *lamps(tail - 0.01, belt - 0.08, w * 0.65, SECOND),
        plate((nose + 0.03,) * 2, (-0.08, -0.02), (-0.15, 0.15), BLACK),
    ]


def truck(rng: np.random.Generator) -> list[Part]:
    u = rng.uniform
    w, floor, radius = u(0.24, 0.3), u(-0.12, -0.06), u(0.12, 0.15)
    rear, cab, nose = u(-0.85, -0.6), u(0.28, 0.36), u(0.62, 0.75)
    axles = [rear + 0.18, nose - 0.18] + ([rear + 0.45] if rng.random() < 0.6 else [])
    cargo = box((rear, cab - 0.03), (floor, u(0.4, 0.58)), w * 1.05, SECOND)
    if rng.random() < 0.25:  # some trucks have a dump body
        cargo = prism([(rear, floor, w), (rear - 0.08, 0.2, w), (cab - 0.06, 0.25, w), (cab - 0.04, floor, w)], SECOND)
    return [
        shadow(0.8, floor - 0.1 - radius, w * 1.3),
        *cargo,
        *box((rear, nose - 0.05), (floor - 0.08, floor), w * 0.8, BLACK),
        *_cab(cab, nose, floor - 0.06, u(0.3, 0.44), u(0.0, 0.2), w),
        *wheels(axles, floor - 0.1, radius, w * 1.03),
    ]


def _cab(rear: float, nose: float, floor: float, top: float, bonnet: float, w: float) -> list[Part]:
    """Return the driver's cab of a truck."""
    front = nose - bonnet
    above = [(rear, 0.12, w), (rear, top, 0.95 * w), (front - 0.04, top, 0.95 * w), (front + 0.02, 0.12, w)]
    return [
        *box((rear, nose), (floor, 0.12), w, FIRST),
        *prism(above, FIRST, GLASS),
        *lamps(nose + 0.02, -0.02, w * 0.7, WHITE),
        plate((nose + 0.02,) * 2, (-0.1, 0.05), (-0.14, 0.14), BLACK),
    ]


def ship(rng: np.random.Generator) -> list[Part]:
    w, deck, bow = rng.uniform(0.12, 0.2), rng.uniform(0.06, 0.14), rng.uniform(0.14, 0.24)
    hull = [(-0.75, -0.1, w * 0.8), (-0.8, deck, w), (0.45, deck, w), (0.9, bow, 0.01), (0.72, -0.1, 0.01)]
    keel = [(-0.75, -0.15, w * 0.8), (-0.75, -0.1, w * 0.81), (0.72, -0.1, 0.01), (0.7, -0.15, 0.01)]
    above = _sails(rng, deck) if rng.random() < 0.3 else _storeys(rng, deck, w)
    return [*prism(hull, FIRST), *prism(keel, FIRST_DARK), *above]


def _sails(rng: np.random.Generator, deck: float) -> list[Part]:
    x, top = rng.uniform(-0.1, 0.15), rng.uniform(0.8, 1.3)
    return [
        Tube([(x, deck, 0), (x, top, 0)], [0.015, 0.012], BLACK),
        Face([(x - 0.03, deck + 0.1, 0), (x - 0.03, top, 0), (x - 0.6, deck + 0.12, 0.08)], SECOND),
        Face([(x + 0.04, deck + 0.08, 0), (x + 0.03, top * 0.9, 0), (0.75, deck + 0.1, -0.05)], SECOND),
    ]


def _storeys(rng: np.random.Generator, deck: float, w: float) -> list[Part]:
    """Return what is on the deck of a motor ship: one to three storeys, a funnel and two masts."""
    u, parts, floor, rear = rng.uniform, [], deck, rng.uniform(-0.7, -0.1)
    front = rear + u(0.35, 0.7)
    for storey in range(rng.integers(1, 4)):
        top = floor + u(0.09, 0.14)
        parts += box((rear, front), (floor, top), w * (0.85 - 0.12 * storey), SECOND, GLASS)
        rear, front, floor = rear + u(0.03, 0.1), front - u(0.03, 0.1), top
    middle = (rear + front) / 2
    parts.append(Tube([(middle, floor, 0), (middle - 0.02, floor + u(0.08, 0.2), 0)], [0.05, 0.05], FIRST_DARK))
    for x in (middle + u(0.1, 0.3), u(0.3, 0.6)):
        parts.append(Tube([(x, deck, 0), (x, floor + u(0.05, 0.35), 0)], [0.012, 0.01], WHITE))
    return parts


def bird(rng: np.random.Generator) -> list[Part]:
    u = rng.uniform
    kind = rng.choice(["flying", "wading", "perched", "perched"])
    r, tilt, wading = u(0.17, 0.23), u(0.0, 0.3), kind == "wading"
    head = (u(0.4, 0.5), u(0.75, 1.0), 0.0) if wading else (u(0.36, 0.46), u(0.25, 0.4), 0.0)
    parts: list[Part] = [
        Tube([(-0.4, -tilt * 0.6, 0), (-0.1, -0.02, 0), (0.18, 0.02 + tilt * 0.2, 0)], [r * 0.5, r, r * 0.85]),
        Tube([(0.1, -0.1, 0), (-0.05, -0.12, 0)], [r * 0.6, r * 0.6], SECOND),
        Face([(-0.35, 0.06 - tilt / 2, 0.05), (-0.35, -0.06 - tilt / 2, -0.05), (-0.8, -0.1 - tilt, -0.08),
              (-0.82, -tilt, 0.08)], FIRST_DARK),
        *_bird_head(rng, head, u(0.08, 0.1) if wading else u(0.12, 0.15), r * (0.35 if wading else 0.6)),
    ]  # fmt: skip
    if kind == "flying":
        return parts + _spread_wings(rng)
    if not wading and rng.random() < 0.6:  # it perches on a branch
        parts.append(Tube([(-0.9, -u(0.3, 0.6), 0), (0.9, -u(0.3, 0.5), 0)], [0.05, 0.04], GLASS))
    return parts + _folded_wings_and_legs(r, tilt, u(0.7, 0.9) if wading else u(0.32, 0.45))


def _bird_head(rng: np.random.Generator, head: Point, r: float, neck_r: float) -> list[Part]:
    x, y, _ = head
    tip = (x + r + rng.uniform(0.1, 0.25), y - 0.05, 0.0)
    return [
        Tube([(0.22, 0.08, 0), head], [neck_r, r * 0.8]),
        Tube([head, (x + 0.03, y, 0)], [r, r * 0.9], SECOND if rng.random() < 0.4 else FIRST),
        Tube([(x + r * 0.8, y, 0), tip], [0.04, 0.012], HORN),
        *(Tube([(x + r * 0.3, y + 0.03, side * r * 0.85)], [0.03], BLACK) for side in (1, -1)),
    ]


def _spread_wings(rng: np.random.Generator) -> list[Part]:
    lift, span = rng.uniform(0.1, 0.7), rng.uniform(0.7, 1.0)
    return [
        Face([(0.15, 0.08, side * 0.1), (0.1, 0.1 + lift * 0.7, side * span * 0.6), (-0.2, 0.1 + lift, side * span),
              (-0.3, 0.08, side * 0.15)], FIRST_DARK)
        for side in (1, -1)
    ]  # fmt: skip


def _folded_wings_and_legs(r: float, tilt: float, leg: float) -> list[Part]:
    parts: list[Part] = []
    for side in (1, -1):
        wing = [(0.1, 0.04, side * r * 0.8), (-0.45, -tilt / 2, side * r * 0.4)]
        parts.append(Tube(wing, [r * 0.55, r * 0.2], FIRST_DARK))
        parts.append(Tube([(0, -r * 0.7, side * 0.07), (0.02, -leg, side * 0.07), (0.12, -leg, side * 0.08)],
                          [0.02] * 3, HORN))  # fmt: skip
    return parts


def frog(rng: np.random.Generator) -> list[Part]:
    u, rise = rng.uniform, rng.uniform(0.05, 0.25)
    knee, foot, eye_r = (u(-0.1, 0.12), u(-0.02, 0.12)), u(0.05, 0.25), u(0.07, 0.1)
    parts: list[Part] = [
        shadow(0.6, -0.25, 0.5),
        Tube([(-0.4, -0.08, 0), (-0.05, 0.0, 0), (0.25, rise * 0.6, 0)], [0.17, 0.27, 0.24]),
        Tube([(0.25, rise * 0.7, 0), (0.48, rise, 0)], [0.22, 0.12]),
        Tube([(0.1, -0.12, 0), (0.4, rise - 0.12, 0)], [0.2, 0.11], SECOND),
    ]
    for side in (1, -1):
        bent = (*knee, side * 0.42)
        arm = [(0.25, -0.05, side * 0.22), (0.3, -0.16, side * 0.36), (0.42, -0.25, side * 0.34)]
        parts += [
            Tube([(-0.42, -0.08, side * 0.18), bent], [0.13, 0.1]),
            Tube([bent, (-0.35, -0.2, side * 0.45), (foot, -0.24, side * 0.5)], [0.09, 0.06, 0.03], FIRST_DARK),
            Tube(arm, [0.08, 0.05, 0.03]),
            Tube([(0.3, rise + 0.2, side * 0.15)], [eye_r]),
            Tube([(0.33, rise + 0.21, side * 0.2)], [0.055], BLACK),
        ]
    spots = [(u(-0.45, 0.2), u(0.12, 0.2), u(-0.15, 0.15)) for _ in range(rng.integers(0, 9))]
    return parts + [Tube([spot], [u(0.03, 0.06)], FIRST_DARK) for spot in spots]


def deer(rng: np.random.Generator) -> list[Part]:
    u, grazes = rng.uniform, rng.random() < 0.15
    x, y = (u(0.75, 0.85), u(-0.5, -0.1)) if grazes else (u(0.52, 0.66), u(0.52, 0.66))
    parts = _hoofed(rng, (x, y), r=u(0.15, 0.18), leg=u(0.62, 0.72), leg_r=0.034, neck_r=u(0.06, 0.075), head_r=0.078)
    parts += [
        Tube([(-0.52, 0.08, 0), (-0.56, -0.08, 0)], [0.08, 0.04], WHITE),
        Tube([(-0.3, -0.09, 0), (0.3, -0.08, 0)], [0.08, 0.08], SECOND),
        *(Tube([(x - 0.05, y + 0.06, z * 0.2), (x - 0.14, y + 0.16, z)], [0.05, 0.03]) for z in (0.22, -0.22)),
    ]
    if rng.random() < 0.4:  # some have a fawn's spots
        parts += [Tube([(u(-0.45, 0.3), u(0.0, 0.1), z)], [0.03], WHITE) for z in [0.16, -0.16] * 3]
    return parts + (_antlers(rng, x, y) if rng.random() < 0.65 else [])


def _antlers(rng: np.random.Generator, x: float, y: float) -> list[Part]:
    height, spread = rng.uniform(0.38, 0.5), rng.uniform(0.2, 0.34)
    parts: list[Part] = []
    for z in (spread, -spread):
        root, bend = (x - 0.02, y + 0.07, z * 0.15), (x - 0.16, y + height * 0.55, z)
        parts.append(Tube([root, bend, (x - 0.06, y + height, z * 0.9)], [0.026, 0.024, 0.014], HORN))
        parts.append(Tube([bend, (x - 0.28, y + height * 0.9, z)], [0.022, 0.014], HORN))
        parts.append(Tube([root, (x + 0.1, y + height * 0.5, z * 0.6)], [0.02, 0.014], HORN))
    return parts


def horse(rng: np.random.Generator) -> list[Part]:
    u, grazes = rng.uniform, rng.random() < 0.15
    x, y = (u(0.85, 0.95), u(-0.5, -0.2)) if grazes else (u(0.7, 0.82), u(0.4, 0.55))
    parts = _hoofed(rng, (x, y), r=u(0.21, 0.25), leg=u(0.6, 0.68), leg_r=0.056, neck_r=u(0.14, 0.18), head_r=0.115)
    parts += [
        Tube([(-0.52, 0.14, 0), (-0.68, 0.0, 0), (-0.7, u(-0.55, -0.35), 0)], [0.06, 0.08, 0.04], SECOND),
        Tube([(0.36, 0.28, 0), (x - 0.14, y + 0.1, 0)], [0.08, 0.07], SECOND),
        *(Tube([(x - 0.06, y + 0.08, z), (x - 0.06, y + 0.18, z)], [0.03, 0.015]) for z in (0.06, -0.06)),
    ]
    return parts + (_rider(rng) if rng.random() < 0.3 else [])


def _rider(rng: np.random.Generator) -> list[Part]:
    coat, lean = Material(2, rng.uniform(0.2, 0.95)), rng.uniform(0.05, 0.2)
    return [
        Tube([(0.02, 0.25, 0), (lean, 0.6, 0)], [0.11, 0.11], coat),
        Tube([(lean + 0.03, 0.78, 0)], [0.1], BLACK),
        *(Tube([(0.02, 0.28, z * 0.8), (0.12, -0.12, z)], [0.06, 0.05], WHITE) for z in (0.26, -0.26)),
    ]


def _hoofed(
    rng: np.random.Generator,
    head: tuple[float, float],
    *,
    r: float,
    leg: float,
    leg_r: float,
    neck_r: float,
    head_r: float,
) -> list[Part]:
    """Return trunk, neck, head and four legs of a deer or a horse. Radii and leg length are in lengths of the body."""
    (x, y), u = head, rng.uniform
    parts: list[Part] = [
        shadow(0.6, -leg, r),
        Tube([(-0.38, 0.04, 0), (-0.1, 0.0, 0), (0.3, 0.03, 0)], [r, r * 0.92, r]),
        Tube([(0.36, 0.08, 0), (x - 0.06, y, 0)], [neck_r * 1.5, neck_r]),
        Tube([(x - 0.04, y, 0), (x + 0.2, y - u(0.08, 0.2), 0)], [head_r, head_r * 0.6]),
    ]
    for hip, swing in ((-0.42, u(-0.2, 0.1)), (0.32, u(-0.1, 0.25))):
        for side in (1, -1):
            z, foot = side * r / 2, hip + swing * side + u(-0.04, 0.04)
            points = [(hip, -0.05, z), ((hip + foot) / 2 + 0.04, -0.05 - leg / 2, z), (foot, -leg, z)]
            parts.append(Tube(points, [leg_r * 1.9, leg_r, leg_r * 0.9], FIRST if side > 0 else FIRST_DARK))
    return parts


@dataclass(frozen=True)
class Pose:
    """Gives ranges from which the pose of a figure is chosen at random.

    Attributes:
        yaw: turn about the y axis, in degrees.
        pitch: nod about the image's x axis, in degrees.
        roll: tilt in the image, in degrees.
        fill: share of the image's side that the longer side of the figure takes.
    """

    yaw: tuple[float, float]
    pitch: tuple[float, float]
    roll: tuple[float, float] = (-4, 4)
    fill: tuple[float, float] = (0.95, 1.08)


CLASSES: tuple[tuple[Callable[[np.random.Generator], list[Part]], Pose], ...] = (
    (airplane, Pose(yaw=(-70, 70), pitch=(-30, 40), roll=(-15, 15))),
    (automobile, Pose(yaw=(-75, 75), pitch=(4, 22))),
    (bird, Pose(yaw=(-40, 40), pitch=(-5, 20), roll=(-12, 12))),
    (deer, Pose(yaw=(-60, 60), pitch=(0, 12))),
    (frog, Pose(yaw=(-80, 80), pitch=(10, 40), roll=(-12, 12))),
    (horse, Pose(yaw=(-40, 40), pitch=(0, 12))),
    (ship, Pose(yaw=(-50, 50), pitch=(2, 12), roll=(-3, 3))),
    (truck, Pose(yaw=(-70, 70), pitch=(3, 18))),
)


# ---- rendering ------------------------------------------------------------------------------------------------


def figure(label: int, rng: np.random.Generator) -> np.ndarray:
    """Render one random figure.

    Args:
        label: the figure's class, an index into CLASSES.
        rng: where the random numbers come from.

    Returns:
        uint8 (4, 32, 32), with the planes first colour, second colour, white light and opacity.
    """
    build, pose = CLASSES[label]
    parts = build(rng)
    turn = _rotation(*(math.radians(rng.uniform(*ends)) for ends in (pose.yaw, pose.pitch, pose.roll)))
    shapes, zoom = _fit([np.array(part.points) @ turn for part in parts], rng.uniform(*pose.fill))
    light = _light(rng)
    # Of Pillow's modes with four planes, CMYK is the one in which no resizing treats a plane as transparency.
    canvas = Image.new("CMYK", (SIZE * DETAIL, SIZE * DETAIL))
    pen = ImageDraw.Draw(canvas)
    for part, shape in sorted(zip(parts, shapes, strict=True), key=_nearness):
        if isinstance(part, Tube):
            _draw_tube(pen, shape, [r * zoom for r in part.radii], part.material, light)
        else:
            _draw_face(pen, shape, part, light)
    return np.asarray(canvas.reduce(DETAIL)).transpose(2, 0, 1)


def _rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Return a rotation for row vectors (`points @ rotation`); after it x points right, y up and z towards the eye."""
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (math.cos, math.sin))
    about_y = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    about_z = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
    return about_y @ about_x @ about_z


def _fit(shapes: list[np.ndarray], fill: float) -> tuple[list[np.ndarray], float]:
    """Scale shapes to pixels of the canvas, where y points down and the longer side takes the share `fill`.

    Returns the shapes and the factor.
    """
    corners = np.concatenate(shapes)
    low, high = corners.min(axis=0), corners.max(axis=0)
    side = SIZE * DETAIL
    zoom = fill * side / max(high[0] - low[0], high[1] - low[1])
    moved = [(shape - (low + high) / 2) * (zoom, -zoom, zoom) + (side / 2, side / 2, 0) for shape in shapes]
    return [np.round(shape * 64) / 64 for shape in moved], zoom  # rounded, as last bits differ between machines


def _nearness(drawn: tuple[Part, np.ndarray]) -> float:
    part, shape = drawn
    return -math.inf if part.material is SHADOW else float(shape[:, 2].mean())


def _light(rng: np.random.Generator) -> np.ndarray:
    """Choose a direction towards the light: above, to either side, somewhat in front. Here y points down."""
    direction = np.array([rng.uniform(-0.7, 0.7), -1.0, rng.uniform(0.2, 0.9)])
    return direction / np.sqrt((direction**2).sum())


def _ink(material: Material, shade: float) -> tuple[int, ...]:
    ink = [0, 0, 0, round(255 * material.opacity)]
    ink[material.plane] = round(255 * material.bright * min(shade, 1.0))
    return tuple(ink)


def _draw_face(pen: ImageDraw.ImageDraw, shape: np.ndarray, face: Face, light: np.ndarray) -> None:
    (ax, ay, az), (bx, by, bz) = shape[-1] - shape[0], shape[1] - shape[0]
    normal = np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])
    if normal[2] < 0:  # it is seen from behind
        if not face.both_sides:
            return
        normal = -normal
    length = math.sqrt((normal**2).sum()) or 1.0
    shade = 0.55 + 0.5 * max(0.0, (normal * light).sum() / length)
    pen.polygon([(round(x), round(y)) for x, y, _ in shape], fill=_ink(face.material, shade))


LAYERS = ((1.0, 0.0, 0.55), (0.75, 0.22, 0.8), (0.45, 0.42, 1.0))  # share of the radius, shift to the light, shade
THIN = ((1.0, 0.0, 0.75),)  # for limbs thinner than two pixels of the image


def _draw_tube(
    pen: ImageDraw.ImageDraw, shape: np.ndarray, radii: list[float], material: Material, light: np.ndarray
) -> None:
    """Draw a tube several times, each time narrower, brighter and nearer to the light, so that it looks round."""
    for share, push, shade in LAYERS if max(radii) > DETAIL else THIN:
        ink = _ink(material, shade)
        centres = shape[:, :2] + np.outer(radii, push * light[:2])
        balls = [(x, y, r * share) for (x, y), r in zip(centres.tolist(), radii, strict=True)]
        for x, y, r in balls:
            pen.ellipse([round(x - r), round(y - r), round(x + r), round(y + r)], fill=ink)
        for (x0, y0, r0), (x1, y1, r1) in pairwise(balls):
            length = math.hypot(x1 - x0, y1 - y0) or 1.0
            nx, ny = (y1 - y0) / length, (x0 - x1) / length
            quad = ((x0 + nx * r0, y0 + ny * r0), (x1 + nx * r1, y1 + ny * r1), (x1 - nx * r1, y1 - ny * r1),
                    (x0 - nx * r0, y0 - ny * r0))  # fmt: skip
            pen.polygon([(round(x), round(y)) for x, y in quad], fill=ink)
