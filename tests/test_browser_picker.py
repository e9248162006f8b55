"""The model picker in the strategy lab in JupyterLab, driven as a learner would."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

pytestmark = [pytest.mark.browser, pytest.mark.hf]

LAB, PICKER = ".tts-lab", ".tts-picker"


def notebook(*sources: str) -> nbformat.NotebookNode:
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    return nbformat.v4.new_notebook(cells=cells)


def overflowing(page) -> list[str]:
    """Controls whose label or content is wider than what it stands in."""
    return page.evaluate(
        """(root) => [...document.querySelectorAll(root + ' .widget-label, ' + root +
        ' button, ' + root + ' .tts-facts > div, ' + root + ' .tts-memory')]
        .filter((one) => one.offsetParent && one.scrollWidth > one.clientWidth + 1)
        .map((one) => one.className + ': ' + one.innerText)""",
        LAB,
    )


def test_another_model_is_loaded_searched_with_and_cancelled(
    open_notebook, artifacts: Path
) -> None:
    lab = open_notebook(
        notebook(
            "from tts_lab.widgets import StrategyLab\n"
            # so many that a run lasts long enough to be seen writing and cancelled
            "explorer = StrategyLab(n=256, width=4, verifier='exact')\nexplorer",
        )
    )
    lab.run_all()
    page = lab.page
    policy = page.locator(f"{LAB} .widget-dropdown:has(label:text-is('Policy')) select")
    policy.select_option("another model…")
    page.wait_for_selector(f"{PICKER} .tts-under:has-text('of memory free')")
    assert page.locator(f"{PICKER} .tts-facts").count() == 0
    found = page.locator(
        f"{PICKER} .widget-dropdown:has(label:text-is('Found here')) select"
    )
    found.select_option("1.5m · 1,484,000 parameters")
    backend = page.locator(
        f"{PICKER} .widget-dropdown:has(label:text-is('Backend')) select"
    )
    backend.select_option("transformers")
    page.wait_for_selector(f"{PICKER} .tts-memory svg[aria-label*='Fits: needs about']")
    page.click(f"{PICKER} button.mod-success")
    page.wait_for_selector(
        f"{PICKER} .tts-status:has-text('✓ loaded')", timeout=180_000
    )
    chosen = policy.evaluate("(one) => one.selectedOptions[0].label")
    assert chosen.replace("\xa0", " ") == "1.5m (transformers)"
    assert "47+38=85" in page.locator(f"{PICKER} .tts-facts").inner_text()
    assert overflowing(page) == []
    lab.screenshot(artifacts / "model_picker.png")

    page.click(f"{LAB} > .widget-hbox button:has-text('Run')")
    page.wait_for_selector(f"{LAB} > * .tts-writing", timeout=60_000)
    page.wait_for_selector(f"{LAB} .tts-status:has-text('✓ Done')", timeout=120_000)
    assert page.locator(f"{LAB} g[role=treeitem]").count() > 4
    assert page.locator(f"{LAB} > * .tts-writing").count() == 0

    page.click(f"{LAB} > .widget-hbox button:has-text('Run')")
    page.click(f"{LAB} > .widget-hbox button:has-text('Cancel')")
    page.wait_for_selector(f"{LAB} .tts-status:has-text('Cancelled')", timeout=30_000)

    policy.select_option("105k")  # the engine's: the picker folds
    page.wait_for_selector(PICKER, state="hidden")
    lab.assert_clean()


def test_a_verifier_and_an_endpoint_by_keyboard(open_notebook, artifacts: Path) -> None:
    lab = open_notebook(
        notebook(
            "from tts_lab.widgets import StrategyLab\n"
            "explorer = StrategyLab(n=16, domain='chains', level=2)\nexplorer",
        )
    )
    lab.run_all()
    page = lab.page
    page.locator(
        f"{LAB} .widget-dropdown:has(label:text-is('Verifier')) select"
    ).focus()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    page.wait_for_selector(f"{PICKER} .tts-under:has-text('of memory free')")
    page.locator(f"{PICKER} button:has-text('Endpoint URL')").press("Enter")
    typed = page.locator(
        f"{PICKER} .widget-text:has(label:text-is('Or type it')) input"
    )
    typed.fill("http://127.0.0.1:9/v1")
    typed.press("Tab")
    page.wait_for_selector(f"{PICKER} .tts-memory:has-text('nothing is loaded')")
    assert overflowing(page) == []
    page.locator(f"{PICKER} button.mod-success").press("Enter")
    failed = f"{PICKER} .tts-status.tts-failed:has-text('127.0.0.1:9')"
    page.wait_for_selector(failed, timeout=60_000)
    assert "Nothing is loaded." in page.locator(failed).inner_text()
    lab.screenshot(artifacts / "model_picker_failed.png")
    page.locator(f"{PICKER} button:has-text('Of the package')").press("Enter")
    page.locator(f"{PICKER} button.mod-success").press("Enter")
    page.wait_for_selector(f"{PICKER} .tts-status:has-text('✓ loaded exact')")
    page.click(f"{LAB} > .widget-hbox button:has-text('Run')")
    page.wait_for_selector(f"{LAB} .tts-status:has-text('✓ Done')", timeout=120_000)
    lab.assert_clean()
