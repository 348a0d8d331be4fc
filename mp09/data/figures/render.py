"""Renders a random figure of a class: its parts are turned, shaded, drawn with Pillow and scaled down.

A figure is not rendered to an image but to four planes, so that it can be painted in any colours later. The planes tell
how much of the first colour, of the second colour and of white light a pixel shows, and how much it hides of what is
behind.

Parts are painted from back to front in the order of their middles, so a few pixels may be wrong where long parts cross.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

from mp09.data.figures.animals import bird, deer, frog, horse
from mp09.data.figures.primitives import SHADOW, Face, Material, Part, Tube
from mp09.data.figures.vehicles import airplane, automobile, ship, truck

SIZE = 32  # width and height of a figure in pixels
DETAIL = 4  # a figure is rendered this many times larger, and then averaged


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
