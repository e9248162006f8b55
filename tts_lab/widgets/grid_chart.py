"""Rows of cells and the falling loss as SVG strings, without any script.

Promises: what `tts_lab.figures.grids` says of a strip is what is drawn; colours are
those of `static/widgets.css`, so both themes are readable; every line can be reached
with the Tab key and says itself; text is escaped. Not covered: figures to keep.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np

from tts_lab.figures.grids import Strip
from tts_lab.problems.transformations import WIDTH, Row
from tts_lab.widgets.chart import points, text

CELL, ARROW, LETTER = 18, 30, 7
LINE, MARKED, ABOVE = 24, 32, 17  # heights: a line, one with crosses, a name above
LOSS_WIDTH, LOSS_HEIGHT = 380, 232


def strips(every: Sequence[Strip], title: str) -> str:
    """Strips under each other, with a title; nothing for none.

    Parameters
    ----------
    every : sequence of Strip
    title : str
    """
    if not every:
        return ""
    columns = max(len(one.rows) for one in every)
    named = [len(one.name) for one in every if not one.above]
    left = 16 + LETTER * max(named) if named else 2
    checked = 22 * any(one.truth is not None for one in every)
    note = 10 + checked + LETTER * max(len(one.note) for one in every)
    width = left + columns * (WIDTH * CELL + ARROW) - ARROW + note
    parts, y = [], 2
    for one in every:
        drawn, height = _strip(one, left, y)
        parts.append(drawn)
        y += height
    wide = " tts-wide" if width > 620 else ""
    return (
        f'<div class="tts-title">{escape(title)}</div>'
        f'<svg class="tts-svg tts-cells{wide}" style="max-width:{width}px" '
        f'viewBox="0 0 {width} {y}" role="list" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )


def _strip(one: Strip, left: int, y: int) -> tuple[str, int]:
    """One line, and how high it is."""
    words = escape(one.words())
    parts = [f'<g tabindex="0" role="listitem" aria-label="{words}">']
    top = y
    if one.above:
        parts.append(text(left, y + 12, one.name, "tts-detail"))
        y += ABOVE
    else:
        parts.append(text(left - 8, y + 14, one.name, "tts-tick", "end"))
    end, last = left, len(one.rows) - 1
    for column, row in enumerate(one.rows):
        x = left + column * (WIDTH * CELL + ARROW)
        if column:
            parts.append(text(x - ARROW / 2, y + 14, "→", "", "middle"))
        bad = one.wrong() if column == last else []
        parts.append(_row(row, x, y, bad))
        end = x + WIDTH * CELL
    checked = one.truth is not None and one.rows[last] is not None
    right = checked and not one.wrong()
    mark = ("✓ " if right else "✗ ") if checked else ""
    kind = "tts-yes" if right else "tts-bad" if checked else ""
    parts.append(text(end + 8, y + 14, mark + one.note, f"tts-said {kind}"))
    parts.append("</g>")
    return "".join(parts), y - top + (MARKED if one.truth is not None else LINE)


def _row(row: Row | None, x: int, y: int, wrong: Sequence[int]) -> str:
    if row is None:
        return text(x, y + 14, "no row was written", "tts-said tts-bad")
    size = f'y="{y + 0.5}" width="{CELL - 1}" height="{CELL - 1}"'
    lefts = [x + i * CELL for i in range(len(row))]
    boxes = "".join(
        f'<rect class="g{cell}" x="{at + 0.5}" {size}/>'
        for at, cell in zip(lefts, row, strict=True)
    )
    digits = "".join(
        f'<text class="g{cell}" x="{at + CELL / 2}" y="{y + 13.5}">{cell}</text>'
        for at, cell in zip(lefts, row, strict=True)
    )
    frames = "".join(
        f'<rect class="tts-miss" x="{lefts[i] + 0.5}" {size}/>'
        f'<text class="tts-miss" x="{lefts[i] + CELL / 2}" y="{y + 28}">✗</text>'
        for i in wrong
    )
    return boxes + digits + frames


def loss(losses: Sequence[float], steps: int) -> str:
    """The loss of each step so far, on axes for all of them.

    Parameters
    ----------
    losses : sequence of float
        Nats per token.
    steps : int
        That there will be.
    """
    left, right, top, bottom = 44, LOSS_WIDTH - 16, 12, LOSS_HEIGHT - 42
    high = _round_up(max([*losses, 0.1]))
    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = bottom - (bottom - top) * share
        name = "tts-grid" if share else "tts-base"
        parts.append(f'<path class="{name}" d="M{left} {y:.1f}H{right}"/>')
        parts.append(text(left - 7, y + 4, f"{high * share:.3g}", "tts-tick", "end"))
    for step in sorted({0, steps // 4, steps // 2, 3 * steps // 4, steps}):
        x = left + (right - left) * step / max(steps, 1)
        parts.append(text(x, bottom + 17, str(step), "tts-tick", "middle"))
    middle = (left + right) / 2
    parts.append(text(middle, LOSS_HEIGHT - 6, "step of training", "tts-x", "middle"))
    words = "Loss of training; nothing is trained yet."
    if losses:
        along = left + (right - left) * np.arange(1, len(losses) + 1) / max(steps, 1)
        down = bottom - (bottom - top) * np.array(losses) / high
        if len(losses) > 1:
            parts.append(f'<path class="tts-curve" d="{points(along, down)}"/>')
        parts.append(
            f'<circle class="tts-dot" cx="{along[-1]:.1f}" cy="{down[-1]:.1f}" '
            'r="4.5"/>'
        )
        words = (
            f"Loss of training: {losses[0]:.3g} at step 1, {losses[-1]:.3g} at step "
            f"{len(losses)} of {steps}, nats a token."
        )
    return (
        '<div class="tts-title">Loss, nats per token of an output</div>'
        f'<svg class="tts-svg" style="max-width:{LOSS_WIDTH}px" '
        f'viewBox="0 0 {LOSS_WIDTH} {LOSS_HEIGHT}" role="img" '
        f'aria-label="{escape(words)}">{"".join(parts)}</svg>'
    )


def _round_up(value: float) -> float:
    """The next of 1, 2, 4, 6, 8 times a power of ten, for the top of an axis.

    >>> _round_up(0.31), _round_up(1.0), _round_up(8.5)
    (0.4, 1.0, 10.0)
    """
    power = 10.0 ** math.floor(math.log10(value))
    return next(
        round(n * power, 10) for n in (1, 2, 4, 6, 8, 10) if n * power >= 0.9999 * value
    )
