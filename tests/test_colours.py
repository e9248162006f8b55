"""The colours of widgets and figures: told apart by the colour-blind, and readable."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pytest
from colour_vision import DEFICIENCIES, contrast, distance, over, parse, seen
from matplotlib.colors import to_rgb

from tts_lab import figures
from tts_lab.allocate import Option, best_of
from tts_lab.coverage import coverage
from tts_lab.figures import grids
from tts_lab.figures.picture import ALT, GREY, STYLES, alt
from tts_lab.think.compared import Point
from tts_lab.widgets.sheet import STYLE

# what JupyterLab's themes have for text, paper and raised boxes
THEMES = {
    "light": ("#212121", "#ffffff", "#eeeeee"),
    "dark": ("#dfdfdf", "#111111", "#424242"),
}
APART = 9  # 10 is seen at a glance; marks and dashes differ as well
DARK = ':is([data-jp-theme-light="false"], .theme-dark, .vscode-dark) '


def of_sheet(name: str, theme: str) -> dict[str, np.ndarray]:
    """The colours `--tts-line` of the classes of a name, by class."""
    found = re.findall(
        rf"^(:is.*?\) )?\.tts-widget \.({name}\d) \{{ --tts-line: (.*?); \}}$",
        STYLE,
        re.MULTILINE,
    )
    ink = THEMES[theme][0]
    values = {}
    for dark, one, value in found:  # a dark theme overrides, and comes later
        if not dark or theme == "dark":
            values[one] = parse(ink if value == "var(--tts-ink)" else value)
    return values


def variables(theme: str) -> dict[str, np.ndarray]:
    """The named colours of all widgets."""
    light, dark = (
        dict(re.findall(r"--tts-(\w+): (#\w+)", block))
        for block in (
            re.search(r"^\.tts-widget \{.*?^\}", STYLE, re.DOTALL | re.MULTILINE)[0],
            re.search(
                rf"^{re.escape(DARK)}\.tts-widget \{{.*?^\}}",
                STYLE,
                re.DOTALL | re.MULTILINE,
            )[0],
        )
    )
    some = light if theme == "light" else light | dark
    return {name: parse(value) for name, value in some.items()}


def closest(colours: dict[str, np.ndarray]) -> tuple[float, str]:
    """The smallest distance between two of them, and whose and by whom it is seen."""
    return min(
        (distance(colours[a], colours[b], who), f"{a} and {b}, {who}")
        for a, b in combinations(colours, 2)
        for who in DEFICIENCIES
    )


def test_the_simulation_is_the_published_one():
    # grey stays grey; red and green of equal lightness become alike to a deuteranope
    for who in DEFICIENCIES:
        np.testing.assert_allclose(seen(parse("#808080"), who), 128 / 255, atol=2e-3)
    red, green = parse("#d55e00"), parse("#8a8a00")
    assert distance(red, green) > 3 * distance(red, green, "deuteranopia")
    assert contrast(parse("#000"), parse("#fff")) == pytest.approx(21)
    assert contrast(parse("#767676"), parse("#ffffff")) == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(("name", "many"), [("tts-race", 4), ("tts-kind", 7)])
def test_series_of_widgets_are_apart_and_readable(theme, name, many):
    colours, paper = of_sheet(name, theme), parse(THEMES[theme][1])
    assert len(colours) == many
    assert closest(colours)[0] >= APART, closest(colours)
    for one, colour in colours.items():
        assert contrast(colour, paper) >= 4.5, one  # names are written in them


@pytest.mark.parametrize("theme", THEMES)
def test_the_two_models_and_right_and_wrong_are_apart(theme):
    ink, paper, raised = map(parse, THEMES[theme])
    rule = re.search(
        rf"^{re.escape(DARK) if theme == 'dark' else ''}\.tts-exchange-widget "
        r"\{ --tts-small: (#\w+); --tts-large: (#\w+); \}",
        STYLE,
        re.MULTILINE,
    )
    small, large = parse(rule[1]), parse(rule[2])
    assert closest({"small": small, "large": large})[0] >= 20
    assert min(contrast(one, paper) for one in (small, large)) >= 3
    named = variables(theme)
    assert closest({one: named[one] for one in ("right", "wrong")})[0] >= 20
    for one in ("right", "wrong"):
        assert contrast(named[one], paper) >= 4.5, one
        assert contrast(named[one], raised) >= 4.5, one
    assert contrast(named["line"], paper) >= 3
    faint = over(ink, paper, 0.78)
    assert contrast(faint, paper) >= 4.5
    assert contrast(faint, raised) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
def test_codes_can_be_read_in_the_cells_of_the_map(theme):
    ink, paper, _ = map(parse, THEMES[theme])
    opacity = float(re.search(r"\.tts-cell \{.*fill-opacity: ([\d.]+)", STYLE)[1])
    for one, colour in of_sheet("tts-kind", theme).items():
        assert contrast(ink, over(colour, paper, opacity)) >= 4.5, one


def test_digits_can_be_read_in_the_cells_of_rows():
    for cell, digit in zip(grids.COLOURS, grids.DIGITS, strict=True):
        assert contrast(parse(cell), parse(digit)) >= 4.5, cell


def test_lines_of_figures_are_apart_and_readable():
    white = parse("#ffffff")
    colours = {colour: parse(colour) for colour, _, _ in STYLES}
    assert closest(colours)[0] >= APART, closest(colours)
    assert min(contrast(colour, white) for colour in colours.values()) >= 4.5
    assert contrast(np.array(to_rgb(GREY)), white) >= 4.5
    assert len({(marker, dash) for _, marker, dash in STYLES}) == len(STYLES)


def test_widgets_and_figures_have_one_palette():
    drawn_in = [colour for colour, _, _ in STYLES]
    kinds = list(of_sheet("tts-kind", "light").values())
    for i, colour in enumerate(kinds):
        if i != 4:  # ink: black on paper
            np.testing.assert_array_equal(colour, parse(drawn_in[i]))


NAMES = [f"series {i}" for i in range(9)]


MADE = {
    "coverage": lambda: figures.coverage(
        dict.fromkeys(NAMES, coverage(100, [0, 5, 40, 90], [1, 10, 100]))
    ),
    "shares": lambda: figures.shares(
        dict.fromkeys(NAMES, np.eye(4, 3)), [1, 2, 4], label="attempt", title="Shares"
    ),
    "distinct": lambda: figures.distinct([1, 2, 4], dict.fromkeys(NAMES, np.eye(4, 3))),
    "race": lambda: figures.race(_points()),
    "token_scaling": lambda: figures.token_scaling(
        _points(), {"theirs": [(500, 0.6), (900, 0.7)]}
    ),
    "allocation_curves": lambda: figures.allocation_curves(
        dict.fromkeys(NAMES, best_of(_votes(), [1, 4])), budget="samples"
    ),
    "bin_stability": lambda: figures.bin_stability(
        [1, 4], dict.fromkeys(NAMES, (0.4, 0.7)), bins=5, problems=50
    ),
}


def _points() -> list[Point]:
    some = np.array([0, 1, 1, 0])
    return [Point(name, n, some, n * np.ones(4), np.ones(4))
            for name in NAMES for n in (40, 80)]  # fmt: skip


def _votes() -> list[Option]:
    return [Option.of(f"majority, n = {n}", [1, n > 1], n) for n in (1, 4)]


@pytest.mark.parametrize("name", MADE)
def test_no_two_of_nine_lines_share_dash_and_marker(name):
    figure = MADE[name]()
    for axes in figure.axes:
        lines = [
            (line.get_linestyle(), line.get_marker())
            for line in axes.get_lines()
            if line.get_linestyle() != "None"
            and line.get_marker() != "None"
            and len(line.get_xdata()) > 1
        ]
        assert len(lines) >= len(NAMES)
        assert len(set(lines)) == len(lines), lines
    # and what a reader hears of it has its title and its numbers
    said = alt(figure)
    assert said.startswith(figure.rows[0])
    assert re.search(r"\d\.\d", said)
    assert len(said) <= ALT


def test_a_figure_in_a_notebook_carries_its_finding():
    figure = MADE["bin_stability"]()
    bundle, metadata = figure._repr_mimebundle_()
    assert metadata["image/png"]["alt"] == alt(figure)
    assert bundle["text/plain"] == figures.text(figure)
