"""JupyterLab in headless Chromium, for tests.

`LabServer` is a real JupyterLab on a free port with every Jupyter folder in a
temporary place, `LabNotebook` one notebook opened in it. Neither touches the user's
settings, and notebooks are opened as copies because JupyterLab saves by itself.

What this does not cover: other browsers, and kernels other than the `python3` of the
environment that runs the server.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import nbformat
import pytest
from browser_page import PATIENCE, Browser

IDLE = ".jp-Notebook-ExecutionIndicator[data-status='idle']"
TRACEBACK = (
    ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error'], "
    ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr']"
)
#: no news popup; all cells in the page, also those out of sight; no kernel dialog
LAB_SETTINGS = {
    "apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
    "notebook-extension/tracker": {
        "windowingMode": "none",
        "autoStartDefaultKernel": True,
    },
}


def free_port() -> int:
    """A TCP port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def jupyter_environment(folder: Path) -> dict[str, str]:
    """Environment variables that keep everything Jupyter writes inside `folder`."""
    names = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    variables = {f"JUPYTER_{name}": str(folder / name.lower()) for name in names}
    variables["JUPYTERLAB_SETTINGS_DIR"] = str(folder / "settings")
    variables["JUPYTERLAB_WORKSPACES_DIR"] = str(folder / "workspaces")
    variables["IPYTHONDIR"] = str(folder / "ipython")
    for name, values in LAB_SETTINGS.items():
        path = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    return variables


def lab_options(port: int, token: str) -> list[str]:
    """Command-line options of a JupyterLab for one test: no browser, no surprises."""
    options = [
        "--no-browser",
        "--ip=127.0.0.1",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}",
        "--ServerApp.password=",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-root")
    return options


class LabServer:
    """A JupyterLab process started by `command`, stopped on leaving the context."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        port: int,
        token: str,
        folder: Path,
        environment: Mapping[str, str],
        working_directory: Path,
    ) -> None:
        self.url, self.token = f"http://127.0.0.1:{port}", token
        self.log = folder / "lab.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=working_directory,
                env=dict(environment),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @classmethod
    def serve(cls, root: Path, folder: Path, **variables: str) -> Self:
        """JupyterLab of this environment over `root`; its files live in `folder`."""
        port, token = free_port(), secrets.token_hex()
        return cls(
            [
                *(sys.executable, "-m", "jupyterlab", *lab_options(port, token)),
                f"--ServerApp.root_dir={root}",
            ],
            port=port,
            token=token,
            folder=folder,
            environment=os.environ | jupyter_environment(folder) | variables,
            working_directory=root,
        )

    def wait(self, seconds: float = PATIENCE) -> None:
        """Return once the server answers; fail with its log if it does not."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self.request("GET", "api/status")
            except OSError:  # URLError and timeouts are among them
                time.sleep(0.1)
            else:
                return
        tail = self.log.read_text(errors="replace")[-4000:]
        pytest.fail(f"JupyterLab did not answer within {seconds} s:\n{tail}")

    def request(self, method: str, path: str) -> bytes:
        """One call of the server's REST interface."""
        request = urllib.request.Request(
            f"{self.url}/{path}",
            headers={"Authorization": f"token {self.token}"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return bytes(answer.read())

    def shut_down_kernels(self) -> None:
        """End every running kernel of this server."""
        for session in json.loads(self.request("GET", "api/sessions")):
            self.request("DELETE", f"api/sessions/{session['id']}")

    def stop(self, seconds: float = 20) -> int:
        """Ask the server to end, insist after `seconds`; the exit status."""
        self.process.terminate()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self.process.poll() is None:
            self.stop()


def wait_for_kernel(
    server: LabServer, page: Any, path: str, *, seconds: float = PATIENCE
) -> None:
    """Until a notebook's page has one; before, the Run menu would ask which."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for session in json.loads(server.request("GET", "api/sessions")):
            if session["path"] == path and session["kernel"]["connections"]:
                page.wait_for_selector(IDLE, timeout=seconds * 1000)
                return
        page.wait_for_timeout(50)
    pytest.fail(f"{path} has no kernel after {seconds} s")


class LabNotebook(Browser):
    """One notebook in one browser window; leave the context to close the browser."""

    def __init__(self, server: LabServer, path: str, *, code_cells: int) -> None:
        super().__init__()
        self.server, self.path, self.code_cells = server, path, code_cells

    def __enter__(self) -> Self:
        super().__enter__()
        workspace = re.sub(r"\W", "-", self.path)  # a workspace reopens its tabs
        try:
            self.page.goto(
                f"{self.server.url}/lab/workspaces/{workspace}/tree/"
                f"{quote(self.path)}?token={self.server.token}"
            )
            wait_for_kernel(self.server, self.page, self.path)
        except BaseException:
            self.__exit__()
            raise
        return self

    def run_all(self, *, seconds: float = PATIENCE, failing: bool = False) -> None:
        """Run every cell from the Run menu and wait until the last one is done.

        A cell that fails is an error of the test, unless it is a `failing` notebook.
        """
        self.page.click("li.lm-MenuBar-item:has-text('Run')")
        self.page.click("li.lm-Menu-item[data-command='runmenu:run-all']")
        # JupyterLab keeps only cells near the window in the page, and Run All goes to
        # the last one; a cell that fails ends the run before that.
        self.page.wait_for_function(
            """([last, traceback]) => document.querySelector(traceback) ||
                [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')]
                .some((prompt) => prompt.innerText.trim() === `[${last}]:`)""",
            arg=[self.code_cells, TRACEBACK],
            timeout=seconds * 1000,
        )
        assert failing or not self.tracebacks(), self.tracebacks()
        self.page.wait_for_selector(IDLE, timeout=seconds * 1000)

    def scroll_to(self, selector: str, *, seconds: float = PATIENCE) -> None:
        """Turn the wheel upwards from the last cell until the element is there."""
        self.page.locator(".jp-WindowedPanel-outer").first.hover()
        deadline = time.monotonic() + seconds
        while not self.page.locator(selector).count():
            assert time.monotonic() < deadline, f"{selector} did not appear"
            self.page.mouse.wheel(0, -300)
            self.page.wait_for_timeout(50)
        self.page.locator(selector).first.scroll_into_view_if_needed()

    def texts(self, selector: str, *, count: int, seconds: float = 30) -> list[str]:
        """The next `count` different texts that an element shows, in order."""
        seen: list[str] = []
        deadline, element = time.monotonic() + seconds, self.page.locator(selector)
        while len(seen) < count:
            text = element.inner_text()
            if not seen or text != seen[-1]:
                seen.append(text)
            assert time.monotonic() < deadline, f"{selector} only showed {seen}"
            self.page.wait_for_timeout(20)
        return seen

    def tracebacks(self) -> list[str]:
        """What cells wrote as errors or to stderr."""
        return self.page.locator(TRACEBACK).all_inner_texts()

    def assert_clean(self) -> None:
        """No traceback, no console error, and no request left this machine."""
        assert not self.tracebacks(), self.tracebacks()
        super().assert_clean()


def write_fresh(notebook: nbformat.NotebookNode, path: Path) -> int:
    """Save a notebook without its outputs; how many cells running it will number."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in cells:
        cell.outputs, cell.execution_count = [], None
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return sum(bool(cell.source.strip()) for cell in cells)
