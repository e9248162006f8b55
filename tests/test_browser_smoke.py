"""The browser harness on a notebook of two cells: live widget, thread, Cancel."""

from __future__ import annotations

import sys
import time

import nbformat
import pytest
from browser_page import foreign

pytestmark = pytest.mark.browser

SETUP = """
import sys, threading
import ipywidgets as widgets

view = widgets.HTML("0 steps")
cancel = widgets.Button(description="Cancel")
view.add_class("view")
cancel.add_class("cancel")
stop = threading.Event()
cancel.on_click(lambda _: stop.set())

def work():
    steps = 0
    while not stop.wait(0.05):
        steps += 1
        view.value = f"{steps} steps"
    view.value = f"stopped after {steps} steps"

threading.Thread(target=work, daemon=True).start()
widgets.VBox([view, cancel])
"""


def notebook(*sources: str) -> nbformat.NotebookNode:
    cells = [nbformat.v4.new_code_cell(source.strip()) for source in sources]
    return nbformat.v4.new_notebook(
        cells=cells,
        metadata={
            "kernelspec": {
                "display_name": "Python 3",
                "language": "python",
                "name": "python3",
            }
        },
    )


def test_a_thread_moves_a_widget_and_cancel_stops_it(open_notebook, artifacts):
    lab = open_notebook(notebook(SETUP, "", "print(view.value)"))
    lab.run_all()
    seen = lab.texts(".view", count=6)
    assert all("steps" in text for text in seen)

    began = time.monotonic()
    lab.page.click(".cancel")
    lab.page.wait_for_selector(".view:has-text('stopped')", timeout=5_000)
    assert time.monotonic() - began < 1

    final = lab.page.locator(".view").inner_text()
    lab.page.wait_for_timeout(500)
    assert lab.page.locator(".view").inner_text() == final
    lab.screenshot(artifacts / "browser_smoke.png")
    lab.assert_clean()


def test_the_kernel_is_of_the_environment_that_runs_the_tests(open_notebook):
    lab = open_notebook(notebook("import sys; print(sys.prefix)"))
    lab.run_all()
    printed = lab.page.locator(".jp-OutputArea-output").inner_text()
    assert printed.strip() == sys.prefix


def test_tracebacks_and_requests_to_elsewhere_are_seen(open_notebook):
    lab = open_notebook(
        notebook(
            "from IPython.display import HTML",
            "HTML('<img src=\"http://example.invalid/x.png\">')",
            "1 / 0",
        )
    )
    lab.run_all(failing=True)
    assert "ZeroDivisionError" in lab.tracebacks()[0]
    lab.page.wait_for_timeout(500)
    assert set(foreign(lab.urls)) == {"http://example.invalid/x.png"}
    assert any("ERR_" in text for text in lab.errors)
    with pytest.raises(AssertionError):
        lab.assert_clean()
