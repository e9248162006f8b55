"""Fixtures that all tests share."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import nbformat
import pytest
from browser import LabNotebook, LabServer, write_fresh
from browser_page import require_chromium
from hypothesis import settings
from sweeping import PLAN, UNITS
from vllm_server import start

import tts_lab

settings.register_profile("patient", deadline=None)  # tests do not time
settings.load_profile("patient")

# A suite that a shell runs in the background would hand on that Ctrl+C is ignored.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

REPOSITORY = Path(__file__).resolve().parent.parent

OpenNotebook = Callable[[Path | nbformat.NotebookNode], LabNotebook]
ServeModel = Callable[..., str]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture
def tools(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the modules in `.ci` importable."""
    monkeypatch.syspath_prepend(repository / ".ci")


@pytest.fixture(scope="session")
def artifacts() -> Path:
    """The folder for what a run leaves to look at: screenshots, measurements."""
    folder = REPOSITORY / "artifacts"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def lab_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    """A JupyterLab of this environment over an empty folder, one for all tests."""
    require_chromium()
    folder = tmp_path_factory.mktemp("jupyter")
    root = tmp_path_factory.mktemp("root")
    with LabServer.serve(root, folder) as server:
        server.root = root
        server.wait()
        yield server


@pytest.fixture
def open_notebook(
    lab_server: LabServer, request: pytest.FixtureRequest
) -> Iterator[OpenNotebook]:
    """Open a copy of a notebook file, or a notebook just made, in the browser.

    The copy has no outputs, so what is seen after `run_all` is of this run. Other
    files of its folder are copied too. Everything is closed after the test.
    """
    name = request.node.name.translate({ord(c): "_" for c in "[]/ "})
    with ExitStack() as stack:
        stack.callback(lab_server.shut_down_kernels)

        def open_one(source: Path | nbformat.NotebookNode) -> LabNotebook:
            folder = lab_server.root / name
            if isinstance(source, Path):
                shutil.copytree(
                    source.parent,
                    folder,
                    dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns(".ipynb_checkpoints"),
                )
                path = folder / source.name
                notebook = nbformat.read(source, as_version=4)
            else:
                path, notebook = folder / "made.ipynb", source
            cells = write_fresh(notebook, path)
            relative = path.relative_to(lab_server.root).as_posix()
            return stack.enter_context(
                LabNotebook(lab_server, relative, code_cells=cells)
            )

        yield open_one


@pytest.fixture(scope="session")
def vllm_server(artifacts: Path) -> Iterator[ServeModel]:
    """Serve a model folder with a real vLLM: `vllm_server(folder) -> url`.

    `pooling=True` serves `/pooling` of a token classification model; strings after
    the folder are further options of the server. Asked for the same again, it is the
    same server; all end with the session, and leave their logs in `artifacts`. The
    model's name there is `folder.name`; the url is without `/v1`.
    """
    running: dict[tuple[str, ...], str] = {}
    with ExitStack() as stack:

        def serve(folder: str | Path, *options: str, pooling: bool = False) -> str:
            folder = Path(folder)
            key = (str(folder), str(pooling), *options)
            if key not in running:
                log = artifacts / f"vllm-{len(running)}-{folder.name}.log"
                one = start(folder, log, *options, pooling=pooling)
                running[key] = stack.enter_context(one)
            return running[key]

        yield serve


@pytest.fixture(scope="session")
def whole_sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `sweeping.PLAN`, swept in this process; to be read only."""
    out = tmp_path_factory.mktemp("sweep") / "whole"
    swept = tts_lab.sweep(PLAN, out, workers=1)
    assert swept.complete and swept.done == swept.units == UNITS
    return out
