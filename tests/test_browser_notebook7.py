"""The course in Notebook 7: notebook 00 run from its menu, its widget used."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from browser import (
    TRACEBACK,
    LabServer,
    free_port,
    jupyter_environment,
    lab_options,
    wait_for_kernel,
    write_fresh,
)
from browser_page import PATIENCE, Browser, require_chromium

pytestmark = pytest.mark.browser

WIDGET = ".tts-coverage"
#: Notebook's own, while its settings load: github.com/jupyter/notebook/issues/7862
KNOWN = "Cannot read properties of undefined (reading 'schema')"


def test_the_first_live_curve(repository: Path, artifacts: Path, tmp_path: Path):
    require_chromium()
    root, folder = tmp_path / "root", tmp_path / "jupyter"
    folder.mkdir()
    shutil.copytree(repository / "notebooks", root)
    name = "00_start_here.ipynb"
    cells = write_fresh(nbformat.read(root / name, as_version=4), root / name)
    port, token = free_port(), secrets.token_hex()
    with (
        LabServer(
            [
                *(sys.executable, "-m", "notebook", *lab_options(port, token)),
                f"--ServerApp.root_dir={root}",
            ],
            port=port,
            token=token,
            folder=folder,
            environment=os.environ | jupyter_environment(folder),
            working_directory=root,
        ) as server,
        Browser() as window,
    ):
        server.wait()
        page = window.page
        page.goto(f"{server.url}/notebooks/{name}?token={token}")
        wait_for_kernel(server, page, name)
        page.click("li.lm-MenuBar-item:has-text('Run')")
        page.click("li.lm-Menu-item[data-command='runmenu:run-all']")
        page.wait_for_function(
            """([last, traceback]) => document.querySelector(traceback) ||
                [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')]
                .some((prompt) => prompt.innerText.trim() === `[${last}]:`)""",
            arg=[cells, TRACEBACK],
        )
        assert page.locator(TRACEBACK).all_inner_texts() == []

        page.locator(WIDGET).scroll_into_view_if_needed()
        page.click(f"{WIDGET} button:has-text('Run')")
        page.wait_for_selector(f"{WIDGET} path.tts-curve", timeout=PATIENCE * 1000)
        page.click(f"{WIDGET} button:has-text('Cancel')")
        page.wait_for_selector(f"{WIDGET} .tts-status:has-text('Cancelled')")
        window.screenshot(artifacts / "notebook7.png")
        window.errors = [error for error in window.errors if error != KNOWN]
        window.assert_clean()
        server.shut_down_kernels()
