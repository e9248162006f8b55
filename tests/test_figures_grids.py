"""Pictures of grid tasks: what is drawn is what was given, also without colours."""

from __future__ import annotations

import re
from itertools import combinations
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest

from tts_lab.figures import grids, text
from tts_lab.figures.grids import COLOURS, DIGITS, Strip
from tts_lab.problems import grids as domain
from tts_lab.ttt.examples import pieces
from tts_lab.ttt.frames import Frame, Guess, Plan
from tts_lab.ttt.views import View
from tts_lab.widgets import grid_chart

PLAN = Plan("rotate", 3, permutations=1)
PROBLEM = PLAN.problem()
TRUTH = tuple(map(int, PROBLEM.answer))
OFF = ((TRUTH[0] + 1) % 10, *TRUTH[1:])
FRAME = Frame(
    PLAN, "tiny", 1000, (2.0, 1.0), (80, 80),
    (Guess(0, None), Guess(1, OFF), Guess(2, TRUTH)), (TRUTH, OFF, None, OFF), 700, 68,
)  # fmt: skip
HOSTILE = '<img src=x onerror="alert(1)">&'

# Machado et al. 2009, complete protanopia and deuteranopia, on linear RGB
SEEN_BY = {
    "everyone": np.eye(3),
    "protanopes": np.array([[0.152286, 1.052583, -0.204868],
                            [0.114503, 0.786281, 0.099216],
                            [-0.003882, -0.048116, 1.051998]]),
    "deuteranopes": np.array([[0.367322, 0.860646, -0.227968],
                              [0.280085, 0.672501, 0.047413],
                              [-0.011820, 0.042940, 0.968881]]),
}  # fmt: skip
TO_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375],
                   [0.2126729, 0.7151522, 0.0721750],
                   [0.0193339, 0.1191920, 0.9503041]])  # fmt: skip


def linear(colour: str) -> np.ndarray:
    value = np.array(matplotlib.colors.to_rgb(colour))
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    xyz = TO_XYZ @ np.clip(rgb, 0, 1) / np.array([0.95047, 1, 1.08883])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("who", SEEN_BY)
def test_colours_are_apart(who):
    seen = [lab(SEEN_BY[who] @ linear(colour)) for colour in COLOURS]
    apart = [float(np.linalg.norm(a - b)) for a, b in combinations(seen, 2)]
    assert min(apart) > 15


def test_digits_are_readable_on_their_colours():
    def light(colour: str) -> float:
        return float(TO_XYZ[1] @ linear(colour))

    for colour, digit in zip(COLOURS, DIGITS, strict=True):
        low, high = sorted([light(colour), light(digit)])
        assert (high + 0.05) / (low + 0.05) >= 4.5, colour


def test_the_style_sheet_has_the_same_colours():
    found = re.findall(r"rect\.g([1-9]) \{ fill: (#\w+)", grid_chart_style())
    assert dict(found) == {str(i): c for i, c in enumerate(COLOURS, 1)}
    white = [f"text.g{i}" for i, c in enumerate(DIGITS, 1) if c == "#fff"]
    rule = re.search(r"\.tts-cells text\.g[^{]*\{ fill: #fff; \}", grid_chart_style())
    assert re.findall(r"text\.g\d", rule[0]) == white


def grid_chart_style() -> str:
    from tts_lab.widgets.sheet import STYLE

    return STYLE


def test_a_task_s_strips():
    strips = grids.task_strips(PROBLEM, [("step 4", OFF), ("step 6", None)])
    assert [s.name for s in strips] == [
        *(f"demonstration {i}" for i in (1, 2, 3, 4)), "question", "step 4", "step 6",
    ]  # fmt: skip
    demonstrations, row = domain.parse(PROBLEM.prompt)
    assert [s.rows for s in strips[:5]] == [*demonstrations, (row, TRUTH)]
    assert strips[5].wrong() == [0] and strips[6].wrong() == []
    assert "(cells wrong: 1)" in strips[5].words()
    assert strips[6].words().endswith("-> (no row)")


def test_pieces_are_named_by_what_was_done_to_them():
    demonstrations, _ = domain.parse(PROBLEM.prompt)
    every = pieces(demonstrations, size=20, seed=1)
    strips = grids.piece_strips(every, 6)
    assert len(strips) == 6
    assert strips[0].name == "demonstration 1 left out, shown 2, 3, 4"
    assert strips[1].name == "demonstration 2 left out, shown 1, 3, 4"
    assert strips[0].rows == demonstrations[0]
    for piece in every:
        name = grids.piece_name(piece)
        assert ("reversed" in name) == piece.view.reverse
        done = piece.view.back(piece.pair[1])
        assert done == demonstrations[piece.number][1]
        shown = re.search(r"shown ([\d, ]+)", name)[1].split(", ")
        back = [tuple(map(piece.view.back, pair)) for pair in piece.shown]
        assert back == [demonstrations[int(n) - 1] for n in shown]
        for old, new in re.findall(r"(\d)→(\d)", name):
            assert piece.view.colours[int(old)] == int(new) != int(old)


def test_direct_pieces_and_those_without_transformations():
    demonstrations, _ = domain.parse(PROBLEM.prompt)
    alone = pieces(demonstrations, size=8, leave_out=False, transformations=False)
    assert [grids.piece_name(one) for one in alone[:5]] == [
        *(f"demonstration {i} alone" for i in (1, 2, 3, 4)), "demonstration 1 alone",
    ]  # fmt: skip
    plain = pieces(demonstrations, size=12, transformations=False)
    assert not any("colours" in grids.piece_name(one) for one in plain)
    assert {one.view.colours for one in plain} == {View().colours}


def test_answers_carry_the_letters_of_the_vote():
    strips = grids.answer_strips(FRAME)
    names = ["identity", "identity, permuted 1", "reverse", "reverse, permuted 1"]
    assert [s.name for s in strips] == names
    letters = grids.lettered(FRAME)
    assert [s.note for s in strips] == [letters[TRUTH], letters[OFF], "",
                                        letters[OFF]]  # fmt: skip
    assert letters == {OFF: "A", TRUTH: "B"}


@pytest.mark.parametrize(
    "strips",
    [
        grids.task_strips(PROBLEM, [("1st answer", OFF)]),
        grids.piece_strips(PLAN.pieces()),
        grids.guess_strips(FRAME),
        grids.answer_strips(FRAME),
    ],
    ids=["task", "pieces", "guesses", "answers"],
)
def test_both_pictures_show_every_cell(strips: list[Strip]):
    figure = grids.picture(strips, "A title")
    figure.draw_without_rendering()
    assert text(figure).split("\n") == ["A title", *(s.words() for s in strips)]
    (axes,) = figure.axes
    drawn = sorted(t.get_text() for t in axes.texts if t.get_fontsize() == 9)
    cells = [str(c) for s in strips for row in s.rows for c in row or ()]
    crosses = ["✗" for s in strips for _ in s.wrong()]
    assert drawn == sorted(cells + crosses)
    width, height = figure.canvas.get_width_height()
    for one in axes.texts:
        box = one.get_window_extent()
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height
    drawing = svg(grid_chart.strips(strips, "A title"))
    digits = [t.text for t in drawing.iter("text")
              if re.fullmatch(r"g\d", t.get("class"))]  # fmt: skip
    assert sorted(digits) == sorted(cells)
    frames = [r for r in drawing.iter("rect") if r.get("class") == "tts-miss"]
    assert len(frames) == len(crosses)
    lines = [g for g in drawing.iter("g") if g.get("role") == "listitem"]
    assert [g.get("aria-label") for g in lines] == [s.words() for s in strips]
    assert all(g.get("tabindex") == "0" for g in lines)


def svg(html: str) -> ElementTree.Element:
    return ElementTree.fromstring(re.search(r"<svg.*</svg>", html, re.DOTALL)[0])


def test_names_are_escaped():
    html = grid_chart.strips([Strip(HOSTILE, (TRUTH,), note=HOSTILE)], HOSTILE)
    assert "<img" not in html and "&lt;img" in html
    assert grid_chart.strips([], "nothing") == ""


@pytest.mark.parametrize("losses", [(), (2.5,), (2.5, 0.5, 0.25)])
def test_the_loss_falls_from_left_to_right(losses):
    drawing = svg(grid_chart.loss(losses, 8))
    dots = [c for c in drawing.iter("circle")]
    curves = [p for p in drawing.iter("path") if p.get("class") == "tts-curve"]
    assert (len(dots), len(curves)) == (min(len(losses), 1), int(len(losses) > 1))
    said = drawing.get("aria-label")
    if not losses:
        assert said == "Loss of training; nothing is trained yet."
        return
    assert f"{losses[-1]:.3g} at step {len(losses)} of 8" in said
    if curves:
        pairs = [tuple(map(float, p.split())) for p in
                 curves[0].get("d")[1:].split("L")]  # fmt: skip
        x, y = zip(*pairs, strict=True)
        assert list(x) == sorted(x) and list(y) == sorted(y)  # down the page
        assert x[-1] < 380 * 3 / 8 + 44  # three of eight steps
