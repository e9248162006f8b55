"""The thinking explorer in JupyterLab: keyboard, Think, Cancel."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

pytestmark = pytest.mark.browser

WIDGET = ".tts-thinking"
SENTENCE = f"{WIDGET} .tts-status >> nth=0"
STATUS = f"{WIDGET} .tts-status >> nth=1"
MARKER = f"{WIDGET} .tts-chosen"
ATTEMPTS = f"{WIDGET} .tts-attempt"
SOURCE = """
import sys
sys.path.insert(0, {tests!r})
from test_thinking_explorer import AGAIN, RIGHT, at_random
from tts_lab.proposers.scripted import Scripted
from tts_lab.widgets import ThinkingExplorer
first = lambda prompt, text, row, stream: AGAIN if text else RIGHT
explorer = ThinkingExplorer(
    thoughts={{one: at_random(one, 5) for one in ("chains", "countdown")}},
    policy=Scripted(first, seconds_per_chunk=0.4), typed="4+8", domain="chains",
    waits="all", limit=144,
)
explorer
"""


def test_the_keyboard_moves_the_limit_and_a_thought_is_cancelled(
    open_notebook, artifacts: Path
) -> None:
    from playwright.sync_api import expect

    source = SOURCE.format(tests=str(Path(__file__).resolve().parent))
    cell = nbformat.v4.new_code_cell(source.strip())
    lab = open_notebook(nbformat.v4.new_notebook(cells=[cell]))
    lab.run_all()
    page = lab.page
    page.set_viewport_size({"width": 1280, "height": 1500})
    page.wait_for_selector(f"{WIDGET} svg:has-text('limit 144')")
    before = page.locator(MARKER).get_attribute("cx")
    sentence = page.locator(SENTENCE).inner_text()
    page.locator(f"{WIDGET} .widget-slider:has-text('Limit') .noUi-handle").focus()
    page.keyboard.press("ArrowRight")
    # every point of the line says its limit, so the text alone would not do
    page.wait_for_selector(f"{MARKER}:not([cx='{before}'])")
    assert float(page.locator(MARKER).get_attribute("cx")) > float(before)
    expect(page.locator(f"{WIDGET} svg").first).to_contain_text("limit 160")
    expect(page.locator(SENTENCE)).not_to_have_text(sentence)
    # forced waits, without a mouse
    page.locator(f"{WIDGET} button:has-text('2')").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(f"{WIDGET} svg:has-text('2 waits')")
    page.locator(f"{WIDGET} button:text-is('all')").first.click()
    page.wait_for_selector(f"{WIDGET} svg:has-text('all waits')")
    # a thought grows, and is stopped
    page.locator(f"{WIDGET} button:has-text('Think')").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector(f"{ATTEMPTS} >> nth=1")
    page.click(f"{WIDGET} button:has-text('Cancel')")
    page.wait_for_selector(f"{WIDGET} .tts-status:has-text('Cancelled after')")
    shown = page.locator(ATTEMPTS).count()
    page.wait_for_timeout(900)
    assert page.locator(ATTEMPTS).count() == shown
    # and once more, to its end
    page.locator(f"{WIDGET} button:text-is('1')").first.click()
    page.wait_for_selector(f"{WIDGET} svg:has-text('1 wait')")
    page.click(f"{WIDGET} button:has-text('Think')")
    page.wait_for_selector(f"{WIDGET} .tts-status:has-text('Done in')")
    assert page.locator(ATTEMPTS).count() == 2
    last = page.locator(ATTEMPTS).last.inner_text()
    assert "forced wait" in last and "the answer" in last and "✗ wrong" in last
    assert "though attempt 1 was right" in page.locator(STATUS).inner_text()
    # a problem that is none is quoted where it was typed
    typed = page.locator(f"{WIDGET} .widget-text:has-text('Or your own') input")
    typed.fill("4+")
    typed.press("Enter")
    page.wait_for_selector(f"{WIDGET} .tts-no:has-text(\"'4+' is not a chain\")")
    typed.fill("4+8")
    typed.press("Enter")
    lab.screenshot(artifacts / "thinking_explorer.png")
    # no text of a picture leaves it
    outside = page.evaluate(
        """(widget) => [...document.querySelectorAll(widget + ' .tts-svg text')]
            .filter((text) => {
                const inner = text.getBoundingClientRect();
                const outer = text.closest('svg').getBoundingClientRect();
                return inner.width && (inner.left < outer.left - 1
                    || inner.right > outer.right + 1);
            }).map((text) => text.textContent)""",
        WIDGET,
    )
    assert outside == []
    lab.assert_clean()
