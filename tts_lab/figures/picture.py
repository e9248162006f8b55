"""What all figures share: the picture with its text twin, and its lines and axes.

Promises: nothing global is changed. Not covered: what is drawn (`curves`, `spreads`).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter
from PIL import Image

from tts_lab.coverage import Curve
from tts_lab.figures.budget import log_ticks, plain
from tts_lab.printable import printable

GREY = "#595959"
ALT = 700  # characters of a picture's alternative text
# Okabe and Ito's hues, darkened until each has a contrast of 4.5 with white and all
# differ also for the colour-blind; no two have both marker and dash in common.
STYLES = (
    ("#005a9c", "o", "-"),
    ("#c44e00", "s", "--"),
    ("#00855f", "^", "-."),
    ("#b94d90", "D", ":"),
    ("#000000", "v", "-"),
    ("#6b4c00", "P", "--"),
    ("#3079ad", "X", "-."),
    ("#005a9c", "s", ":"),
    ("#c44e00", "^", "-"),
    ("#00855f", "D", "--"),
    ("#b94d90", "v", "-."),
    ("#000000", "P", ":"),
    ("#6b4c00", "X", "-"),
    ("#3079ad", "o", "--"),
)


class Picture(Figure):
    """A figure that a notebook shows without pyplot, with rows for its text twin.

    Attributes
    ----------
    rows : list of str
        What is drawn, in words and numbers.
    """

    def __init__(self, *, width: float = 7.2, height: float = 4.2) -> None:
        layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08)
        super().__init__(figsize=(width, height), layout=layout)
        self.rows: list[str] = []

    def draw(self, renderer: RendererBase) -> None:
        """Draw it; a name with dollars in it is a name, and no formula.

        Control characters, which no font has, are spelt out.
        """
        for one in self.findobj(Text):
            one.set_parse_math(False)
            words = one.get_text()
            if not words.isprintable():
                one.set_text(printable(words))
        super().draw(renderer)

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, Any], dict[str, Any]]:
        drawn, small = BytesIO(), BytesIO()
        self.savefig(drawn, format="png", dpi=160, facecolor="white")
        # lines and flat bands: a palette looks the same at a third of the size
        palette = (
            Image.open(drawn).convert("RGB").quantize(192, dither=Image.Dither.NONE)
        )
        palette.save(small, format="png", optimize=True)
        width, height = (round(100 * inches) for inches in self.get_size_inches())
        png = b64encode(small.getvalue()).decode()
        return (
            {"image/png": png, "text/plain": text(self)},
            {"image/png": {"width": width, "height": height, "alt": alt(self)}},
        )


def alt(figure: Picture) -> str:
    """The finding in a few words, for readers who cannot see the picture.

    Parameters
    ----------
    figure : Picture

    Returns
    -------
    str
        Title, the first and the last row of each series, and the caption; cut after
        `ALT` characters, since `text` says all of it.

    Examples
    --------
    >>> from tts_lab.coverage import coverage as measure
    >>> from tts_lab.figures import coverage
    >>> said = alt(coverage({"105k": measure(100, [0, 5, 90], [1, 10, 100])}))
    >>> said.split("; ")[1]
    '105k, by samples per problem: 1: 0.317 [0.000, 0.900] … 100: 0.667 [0.000, 1.000]'
    """
    parts: list[tuple[str, list[str]]] = []
    for row in filter(None, figure.rows):
        if row.startswith(" ") and parts:
            parts[-1][1].append(row.strip())
        else:
            parts.append((row, []))
    said = "; ".join(
        head + (f": {' … '.join(dict.fromkeys([own[0], own[-1]]))}" if own else "")
        for head, own in parts
    )
    return said if len(said) <= ALT else f"{said[: ALT - 1]}…"


def text(figure: Figure) -> str:
    """Say in rows what a figure shows.

    Parameters
    ----------
    figure : Picture or another of matplotlib's figures
        Of another the titles, axes and lines are read, every point of a line.

    Returns
    -------
    str

    Raises
    ------
    TypeError
        For anything else.

    Examples
    --------
    >>> from tts_lab.coverage import coverage as measure
    >>> from tts_lab.figures import coverage
    >>> print(text(coverage({"105k": measure(100, [0, 5, 90], [1, 100])})))
    Coverage
    105k, by samples per problem
      1: 0.317 [0.000, 0.900]
      100: 0.667 [0.000, 1.000]
    3 problems × 100 samples each; band: 95% interval over problems
    """
    if isinstance(figure, Picture):
        return "\n".join(figure.rows)
    if not isinstance(figure, Figure):
        raise TypeError(
            f"a {type(figure).__name__}: accepted is a figure, such as `fig` of "
            "`fig, ax = plt.subplots()`, or in the cell below a figure `_`"
        )
    return "\n".join(row for axes in figure.axes for row in _read(axes))


def _read(axes: Axes) -> list[str]:
    """What matplotlib itself knows of axes: words, and points of lines."""
    along, up = axes.get_xlabel(), axes.get_ylabel()
    rows = [axes.get_title(), f"{up or 'y'}, by {along or 'x'}"]
    for number, line in enumerate(axes.get_lines(), 1):
        name = str(line.get_label())
        rows.append(f"line {number}" if name.startswith("_") else name)
        points = np.asarray(line.get_xydata(), float)
        rows += [f"  {x:.4g}: {y:.4g}" for x, y in points]
    return [row for row in rows if row]


def start(
    title: str, *, columns: int = 1, sharey: bool = False
) -> tuple[Picture, list[Axes]]:
    """A titled picture and its axes, side by side."""
    figure = Picture(width=7.2 if columns == 1 else 9.6)
    figure.suptitle(title, fontsize=13, fontweight="bold")
    figure.rows.append(title)
    grid = figure.subplots(1, columns, sharey=sharey, squeeze=False)
    for axes in grid[0]:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="0.9", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(labelsize=11)
    return figure, list(grid[0])


def line(axes: Axes, name: str, x: npt.ArrayLike, y: npt.ArrayLike, index: int) -> None:
    """Line number `index`, with a marker and dash of its own."""
    colour, marker, dash = STYLES[index % len(STYLES)]
    axes.plot(
        x, y, dash, color=colour, marker=marker, markersize=4.5, linewidth=1.8,
        markevery=max(1, len(np.atleast_1d(x)) // 12), label=name,
    )  # fmt: skip


def curve_line(
    axes: Axes, name: str, x: npt.ArrayLike, curve: Curve, index: int
) -> None:
    """A curve with its interval as a band."""
    line(axes, name, x, curve.mean, index)
    colour = STYLES[index % len(STYLES)][0]
    axes.fill_between(x, curve.low, curve.high, color=colour, alpha=0.18, linewidth=0)


def rows(figure: Picture, name: str, x: npt.ArrayLike, unit: str, curve: Curve) -> None:
    """The text twin of a curve: at most a dozen of its points."""
    at = np.asarray(x, np.float64)
    shown = np.unique(np.linspace(0, at.size - 1, min(at.size, 12)).round())
    figure.rows.append(f"{name}, by {unit}")
    for i in shown.astype(int).tolist():
        interval = f"[{curve.low[i]:.3f}, {curve.high[i]:.3f}]"
        figure.rows.append(f"  {plain(at[i])}: {curve.mean[i]:.3f} {interval}")


def share_axis(axes: Axes, label: str) -> None:
    """The vertical axis of a share, from 0 to 100%."""
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_ylabel(label, fontsize=11)


def log_axis(axes: Axes, label: str, *, which: Literal["x", "y"] = "x") -> None:
    """A log axis with plain numbers."""
    if which == "x":
        axes.set_xscale("log")
        axes.set_xlabel(label, fontsize=11)
        axis: Axis = axes.xaxis
        limits = axes.get_xlim()
    else:
        axes.set_yscale("log")
        axes.set_ylabel(label, fontsize=11)
        axis, limits = axes.yaxis, axes.get_ylim()
    axis.set_major_locator(FixedLocator(log_ticks(*limits)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))


def name_lines(axes: Axes) -> None:
    """Write each line's label at its right end, apart from each other."""
    ends = [
        (float(np.asarray(one.get_ydata())[-1]), np.asarray(one.get_xdata())[-1], one)
        for one in axes.get_lines()
        if not str(one.get_label()).startswith("_")
    ]
    low, high = axes.get_ylim()
    names = [str(one.get_label()).replace(", ", ",\n") for _, _, one in ends]
    gaps = [0.065 * (high - low) * (1 + name.count("\n")) for name in names]
    order = sorted(range(len(ends)), key=lambda i: -ends[i][0])
    heights, free = [0.0] * len(ends), high
    for i in order:  # from the top down, then back up from the floor
        heights[i] = min(ends[i][0], free - gaps[i] / 2)
        free = heights[i] - gaps[i] / 2
    free = low
    for i in reversed(order):
        heights[i] = max(heights[i], free + gaps[i] / 2)
        free = heights[i] + gaps[i] / 2
    for (_, x, one), name, y in zip(ends, names, heights, strict=True):
        axes.annotate(
            name, (x, y), (8, 0), textcoords="offset points", color=one.get_color(),
            fontsize=10.5, va="center", fontweight="bold", annotation_clip=False,
        )  # fmt: skip


def caption(figure: Picture, words: str) -> None:
    """The lines under a picture: n, and what the band is."""
    figure.supxlabel(words, fontsize=9.5, color=GREY)
    figure.rows += words.split("\n")


def counted(curves: Sequence[Curve], what: str = "band") -> str:
    """How many problems and samples are behind some curves."""
    sizes = sorted({(curve.n_problems, curve.n_samples) for curve in curves})
    each = " and ".join(f"{plain(p)} problems × {plain(n)} samples" for p, n in sizes)
    return f"{each} each; {what}: {curves[0].level:.0%} interval over problems"
