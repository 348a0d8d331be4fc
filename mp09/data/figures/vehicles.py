"""Builds random vehicles out of parts: airplanes, automobiles, trucks and ships."""

import numpy as np

from mp09.data.figures.primitives import (
    BLACK,
    FIRST,
    FIRST_DARK,
    GLASS,
    SECOND,
    SECOND_DARK,
    WHITE,
    Face,
    Part,
    Tube,
    box,
    lamps,
    plate,
    prism,
    shadow,
    wheels,
)


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
