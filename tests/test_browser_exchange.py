"""The exchange explorer in JupyterLab, moved by keyboard and mouse."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

pytestmark = pytest.mark.browser

WIDGET = ".tts-exchange-widget"
STAR = f"{WIDGET} .tts-star:not(.tts-others)"


def test_the_sliders_move_the_stars(open_notebook, artifacts: Path) -> None:
    source = (
        "from tts_lab.widgets import ExchangeExplorer\n"
        "explorer = ExchangeExplorer(r=1)\nexplorer"
    )
    cell = nbformat.v4.new_code_cell(source)
    lab = open_notebook(nbformat.v4.new_notebook(cells=[cell]))
    lab.run_all()
    page = lab.page
    page.set_viewport_size({"width": 1300, "height": 1250})
    page.wait_for_selector(f"{WIDGET} .tts-status:has-text('R = 1:')")
    stars, bars = page.locator(STAR), page.locator(f"{WIDGET} .tts-bar")
    assert (stars.count(), bars.count()) == (3, 12)
    assert page.locator(f"{WIDGET} .tts-unresolved").count() == 6

    def star() -> str:
        return stars.first.locator("polygon").get_attribute("points")

    # by keyboard: a step of the R slider moves star and words
    before = star()
    page.locator(f"{WIDGET} .widget-slider:has-text('R') .noUi-handle").first.focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector(f"{WIDGET} .tts-status:has-text('R = 0.891:')")
    moved = star()
    assert moved != before
    # the M slider moves the budget and says whose answers stay
    page.locator(f"{WIDGET} .widget-slider:has-text('M') .noUi-handle").first.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(f"{WIDGET} .tts-status:has-text('Only the budget moves')")
    assert star() != moved
    page.click(f'{WIDGET} button:has-text("Pair\'s M")')
    page.wait_for_selector(
        f"{WIDGET} .tts-status:not(:has-text('Only the budget moves'))"
    )
    assert star() == moved
    # a ratio of the paper: one group of bars less
    page.click(f"{WIDGET} button:has-text('R = 22')")
    page.wait_for_selector(f"{WIDGET} .tts-status:has-text('R = 22:')")
    assert bars.count() == 9
    lab.screenshot(artifacts / "exchange_explorer.png")
    # a bar says its numbers when it has the focus; an arrow key goes to the next one
    bars.first.focus()
    page.keyboard.press("ArrowRight")
    focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert focused == bars.nth(1).get_attribute("aria-label")
    assert "1.5m" in focused
    # nothing is cut off: no text of a picture leaves it
    outside = page.evaluate(
        """(widget) => [...document.querySelectorAll(widget + ' .tts-svg text')]
            .filter((text) => {
                const inner = text.getBoundingClientRect();
                const outer = text.closest('svg').getBoundingClientRect();
                return inner.width && (inner.left < outer.left - 1
                    || inner.right > outer.right + 1 || inner.top < outer.top - 1
                    || inner.bottom > outer.bottom + 1);
            }).map((text) => text.textContent)""",
        WIDGET,
    )
    assert outside == []
    lab.assert_clean()
