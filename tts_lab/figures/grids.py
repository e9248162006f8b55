"""Grid tasks as rows of coloured cells: the task, training examples, answers.

A picture is a list of `Strip`s. `task_strips`, `piece_strips`, `guess_strips` and
`answer_strips` make them; `picture` draws them with matplotlib, for notebooks;
`tts_lab.widgets.grid_chart` draws the same ones as SVG. Promises: every cell carries
its digit, a wrong cell its cross and its frame, so that no colour says anything alone;
colours are apart also for the colour-blind (Okabe and Ito's, and Tol's indigo and
wine). Not covered: what was answered (`tts_lab.ttt`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from tts_lab.figures.picture import GREY, Picture
from tts_lab.problems import grids
from tts_lab.problems.transformations import WIDTH, Row
from tts_lab.traces import Problem
from tts_lab.ttt.examples import Piece
from tts_lab.ttt.frames import Frame
from tts_lab.ttt.views import IDENTITY, SAME, View

#: of cells 1 to 9; the background, 0, is paper
COLOURS = (
    "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442",
    "#332288", "#882255",
)  # fmt: skip
#: of their digits
DIGITS = ("#fff", "#000", "#000", "#000", "#000", "#000", "#000", "#fff", "#fff")
WRONG = "#b84a00"
INCH = 0.21  # a cell
GAP = 2  # cells between input and output
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Strip:
    """One line of a picture.

    Attributes
    ----------
    name : str
    rows : tuple of (Row or None)
        An input and an output, or one row; None for text that is no row.
    truth : Row or None
        What the last row is compared with; None for no comparison.
    note : str
        Written at the end of the line.
    above : bool
        The name stands above the rows instead of before them.
    """

    name: str
    rows: tuple[Row | None, ...]
    truth: Row | None = None
    note: str = ""
    above: bool = False

    def wrong(self) -> list[int]:
        """The cells of the last row that are not right.

        >>> Strip("", ((1, 2, 3),), truth=(1, 0, 3)).wrong()
        [1]
        """
        last = self.rows[-1]
        if self.truth is None or last is None:
            return []
        return [i for i, pair in enumerate(zip(last, self.truth, strict=True))
                if pair[0] != pair[1]]  # fmt: skip

    def words(self) -> str:
        """The line in words, `.` for background.

        >>> Strip("step 4", ((1, 2, 0),), truth=(1, 0, 0)).words()
        'step 4: 12. (cells wrong: 2)'
        """
        drawn = " -> ".join(map(_drawn, self.rows))
        said = ""
        if self.truth is not None and self.rows[-1] is not None:
            places = ", ".join(str(i + 1) for i in self.wrong())
            said = f" (cells wrong: {places})" if places else " (right)"
        note = f" · {self.note}" if self.note else ""
        return f"{self.name}: {drawn}{said}{note}"


def task_strips(
    problem: Problem, now: Sequence[tuple[str, Row | None]] = ()
) -> list[Strip]:
    """A task: demonstrations, the question with its answer, and what a model says.

    Parameters
    ----------
    problem : Problem
        Of the grids domain, with its answer.
    now : sequence of (name, Row or None)
        Answers to compare with the right one.
    """
    demonstrations, row = grids.parse(problem.prompt)
    truth = None if problem.answer is None else tuple(map(int, problem.answer))
    found = [
        Strip(f"demonstration {i + 1}", pair) for i, pair in enumerate(demonstrations)
    ]
    found.append(Strip("question", (row,) if truth is None else (row, truth)))
    for name, answer in now:
        found.append(Strip(name, (row, answer), truth))
    return found


def piece_strips(pieces: Sequence[Piece], most: int = 6) -> list[Strip]:
    """Some training examples: as the task stands, then seen from other sides.

    Of each the row to do and its answer are drawn; its name says what was left out,
    what is shown beside it, and the view.
    """
    plain = [one for one in pieces if one.view == IDENTITY][:2]
    others = [one for one in pieces if one.view != IDENTITY][: most - len(plain)]
    return [Strip(piece_name(one), one.pair, above=True) for one in [*plain, *others]]


def piece_name(piece: Piece) -> str:
    """What a training example is.

    >>> pair = ((1, 1), (2, 2))
    >>> view = View(reverse=True, colours=(0, 2, 1, *range(3, 10)), order=(1, 0))
    >>> piece_name(Piece(0, view, (1, 2), (pair, pair), pair))
    'demonstration 1 left out, shown 3, 2; reversed; colours 2→1, 1→2'
    """
    number = piece.number + 1
    order = [piece.others[i] + 1 for i in piece.view.order or range(len(piece.others))]
    lead = f"demonstration {number} alone"
    if order:
        lead = f"demonstration {number} left out, shown {', '.join(map(str, order))}"
    return "; ".join([lead, *_changes(piece.view, [*piece.pair[0], *piece.pair[1]])])


def guess_strips(frame: Frame) -> list[Strip]:
    """The answer before training and every few steps since, against the right one."""
    found = [Strip("right", (frame.truth,))]
    for guess in frame.guesses:
        name = f"step {guess.step}" if guess.step else "untrained"
        found.append(Strip(name, (guess.row,), frame.truth, _count(guess.row, frame)))
    return found


def answer_strips(frame: Frame) -> list[Strip]:
    """The answers from all sides, turned back, each with the letter of the vote."""
    letters = lettered(frame)
    names: dict[str, int] = {}
    found = []
    for view, row in zip(frame.plan.sides(), frame.answers, strict=False):
        number = names[view.name] = names.get(view.name, -1) + 1
        name = view.name + (f", permuted {number}" if number else "")
        letter = "" if row is None else letters[row]
        found.append(Strip(name, (row,), frame.truth, letter))
    return found


def lettered(frame: Frame) -> dict[Row, str]:
    """A letter for each different answer, the most voted first."""
    votes = frame.votes()
    every = dict.fromkeys(
        [*votes.elected, *(r for r in frame.answers if r is not None)]
    )
    return {row: LETTERS[i] if i < 26 else f"A{i}" for i, row in enumerate(every)}


def picture(strips: Sequence[Strip], title: str = "") -> Picture:
    """Strips as a figure for a notebook; `tts_lab.figures.text` says it in rows.

    Parameters
    ----------
    strips : sequence of Strip
    title : str

    Examples
    --------
    >>> from tts_lab.figures import text
    >>> print(text(picture([Strip("one", ((1, 0), (0, 1)))], "A row")))
    A row
    one: 1. -> .1
    """
    columns = max((len(strip.rows) for strip in strips), default=1)
    named = [len(strip.name) for strip in strips if not strip.above]
    left = 0.6 + 0.52 * max(named, default=0)  # cells
    right = 1.8 + 0.5 * max((len(strip.note) for strip in strips), default=0)
    width = left + columns * (WIDTH + GAP) - GAP + right
    height = sum(_height(strip) for strip in strips) + 0.4
    figure = Picture(width=width * INCH, height=(height + 1.8) * INCH)
    figure.rows += [title, *(strip.words() for strip in strips)]
    figure.suptitle(title, fontsize=12, fontweight="bold")
    axes = figure.subplots()
    axes.set(xlim=(0, width), ylim=(height, -0.4), aspect="equal")
    axes.axis("off")
    y = 0.0
    for strip in strips:
        _draw(axes, strip, left, y)
        y += _height(strip)
    return figure


def _height(strip: Strip) -> float:
    return 1.35 + 0.55 * (strip.truth is not None) + 0.9 * strip.above


def _draw(axes: Axes, strip: Strip, left: float, y: float) -> None:
    """One line, its name and its note."""
    text = partial(axes.text, fontsize=9.5, va="center")
    if strip.above:
        text(left, y + 0.4, strip.name)
        y += 0.9
    else:
        text(left - 0.5, y + 0.5, strip.name, ha="right")
    wrong = strip.wrong()
    last = len(strip.rows) - 1
    for column, row in enumerate(strip.rows):
        x = left + column * (WIDTH + GAP)
        if column:
            text(x - GAP / 2, y + 0.5, "→", ha="center")
        if row is None:
            text(x, y + 0.5, "no row was written", color=WRONG)
        for i, cell in enumerate(row or ()):
            _cell(axes, x + i, y, cell, wrong=column == last and i in wrong)
    checked = strip.truth is not None and strip.rows[last] is not None
    mark = ("✗ " if wrong else "✓ ") if checked else ""
    end = left + last * (WIDTH + GAP) + WIDTH
    text(end + 0.4, y + 0.5, mark + strip.note, color=WRONG if wrong else GREY)


def _cell(axes: Axes, x: float, y: float, cell: int, *, wrong: bool) -> None:
    face = COLOURS[cell - 1] if cell else "#ffffff"
    ink = DIGITS[cell - 1] if cell else "#767676"
    edge, line = (WRONG, 2.0) if wrong else ("#c4c4c4", 0.6)
    box = Rectangle(
        (x + 0.04, y + 0.04), 0.92, 0.92, facecolor=face, edgecolor=edge,
        linewidth=line, zorder=3 if wrong else 2,
    )  # fmt: skip
    axes.add_patch(box)
    text = partial(axes.text, x + 0.5, fontsize=9, va="center", ha="center", zorder=4)
    text(y=y + 0.53, s=str(cell), color=ink)
    if wrong:
        text(y=y + 1.32, s="✗", color=WRONG)


def _changes(view: View, cells: Sequence[int]) -> list[str]:
    """What a view does, as far as these cells show it."""
    found = ["reversed"] if view.reverse else []
    if view.colours != SAME:
        moved = [
            f"{old}→{cell}"
            for cell in dict.fromkeys(cells)
            if cell and (old := view.colours.index(cell)) != cell
        ]
        found.append(f"colours {', '.join(moved) or 'of others'}")
    return found


def _count(row: Row | None, frame: Frame) -> str:
    if row is None:
        return ""
    wrong = len(Strip("", (row,), frame.truth).wrong())
    return f"{wrong} wrong" if wrong else "right"


def _drawn(row: Row | None) -> str:
    return "(no row)" if row is None else "".join(str(cell or ".") for cell in row)
