"""Notebook 00 as a newcomer meets it: run all, press Run, watch, Cancel."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

TILE = ".tts-coverage .tts-tiles div:first-child b"
CURVE = ".tts-coverage path.tts-curve"
STATUS = ".tts-coverage .tts-status"


def test_the_first_live_curve(open_notebook, repository: Path, artifacts: Path) -> None:
    lab = open_notebook(repository / "notebooks" / "00_start_here.ipynb")
    lab.run_all(seconds=120)
    page = lab.page
    lab.scroll_to(".tts-coverage")
    assert "Ready" in page.locator(STATUS).inner_text()

    page.click(".tts-coverage button:has-text('Run')")
    page.wait_for_selector(CURVE, timeout=60_000)
    counts, curves = set(), set()
    deadline = time.monotonic() + 60
    while len(counts) < 6 or len(curves) < 6:
        counts.add(page.locator(TILE).inner_text())
        curves.add(page.locator(CURVE).last.get_attribute("d"))
        assert time.monotonic() < deadline, (counts, len(curves))
        page.wait_for_timeout(50)
    lab.screenshot(artifacts / "first_live_curve.png")

    began = time.monotonic()
    page.click(".tts-coverage button:has-text('Cancel')")
    page.wait_for_selector(f"{STATUS}:has-text('Cancelled')", timeout=10_000)
    took = time.monotonic() - began
    (artifacts / "cancel_seconds.txt").write_text(f"{took:.3f}\n")
    assert took < 1

    still = page.locator(TILE).inner_text()
    page.wait_for_timeout(500)
    assert page.locator(TILE).inner_text() == still
    lab.screenshot(artifacts / "first_live_curve_cancelled.png")
    lab.assert_clean()
