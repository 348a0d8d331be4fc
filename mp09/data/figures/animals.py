"""Builds random animals out of parts: birds, frogs, deer and horses."""

import numpy as np

from mp09.data.figures.primitives import (
    BLACK,
    FIRST,
    FIRST_DARK,
    GLASS,
    HORN,
    SECOND,
    WHITE,
    Face,
    Material,
    Part,
    Point,
    Tube,
    shadow,
)


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
