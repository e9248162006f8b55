"""Colours as people with a colour-vision deficiency see them, distances, contrast.

The matrices are those of severity 1.0 in Machado, Oliveira and Fernandes, "A
Physiologically-based Model for Simulation of Color Vision Deficiency" (IEEE TVCG
15(6), 2009), for linear sRGB; contrast is WCAG 2.2's; distances are CIE76 in CIELAB,
where 2.3 is just noticeable and 10 is seen at a glance. Tests only.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

Colour = npt.NDArray[np.float64]  # (3,), sRGB from 0 to 1

DEFICIENCIES: dict[str, npt.NDArray[np.float64]] = {
    "none": np.eye(3),
    "protanopia": np.array([
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ]),
    "deuteranopia": np.array([
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ]),
    "tritanopia": np.array([
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ]),
}  # fmt: skip
_TO_XYZ = np.array([
    [0.4124564, 0.3575761, 0.1804375],
    [0.2126729, 0.7151522, 0.0721750],
    [0.0193339, 0.1191920, 0.9503041],
])  # fmt: skip


def parse(text: str) -> Colour:
    """A colour written as #rgb or #rrggbb."""
    found = re.fullmatch(r"#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})", text.strip())
    assert found, text
    digits = found[1] if len(found[1]) == 6 else "".join(2 * one for one in found[1])
    return np.array([int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)])


def over(colour: Colour, paper: Colour, opacity: float) -> Colour:
    """What a colour that lets the paper through looks like."""
    return opacity * colour + (1 - opacity) * paper


def seen(colour: Colour, deficiency: str) -> Colour:
    """A colour as it is seen."""
    linear = DEFICIENCIES[deficiency] @ _linear(colour)
    linear = np.clip(linear, 0, 1)
    return np.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055
    )


def distance(one: Colour, other: Colour, deficiency: str = "none") -> float:
    """Between two colours as they are seen, in CIELAB."""
    a, b = (_lab(seen(colour, deficiency)) for colour in (one, other))
    return float(np.linalg.norm(a - b))


def contrast(one: Colour, other: Colour) -> float:
    """WCAG's ratio, from 1 to 21."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _linear(colour: Colour) -> Colour:
    low = colour / 12.92
    return np.where(colour <= 0.04045, low, ((colour + 0.055) / 1.055) ** 2.4)


def _luminance(colour: Colour) -> float:
    return float(_TO_XYZ[1] @ _linear(colour))


def _lab(colour: Colour) -> Colour:
    ratio = _TO_XYZ @ _linear(colour) / (_TO_XYZ @ np.ones(3))
    small = ratio * 841 / 108 + 4 / 29
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), small)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])
