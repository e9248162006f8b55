"""`setup()`, the first line of every notebook, wherever it may run."""

from __future__ import annotations

import os
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from types import ModuleType, SimpleNamespace

import nbformat
import pytest
from nbclient import NotebookClient

from tts_lab import notebook

# What google.colab.output does, on a real publisher of a real kernel: a hook that names
# the manager in the metadata of widgets that are displayed.
FAKE_COLAB = """
import sys
from types import ModuleType

from IPython import get_ipython

VIEW = "application/vnd.jupyter.widget-view+json"
calls = []
def hook(message):
    content = message.get("content", {})
    if VIEW in content.get("data", {}):
        manager = {"colab": {"custom_widget_manager": {"url": "colab:8"}}}
        content.setdefault("metadata", {})[VIEW] = manager
    return message
def enable_custom_widget_manager():
    if not calls:
        get_ipython().display_pub.register_hook(hook)
    calls.append("enabled")
colab, output = ModuleType("google.colab"), ModuleType("google.colab.output")
output.enable_custom_widget_manager = enable_custom_widget_manager
colab.output = output
sys.modules |= {"google.colab": colab, "google.colab.output": output}
"""
SETUP = "from tts_lab.notebook import setup\nsetup()"
WIDGET = "import ipywidgets\nipywidgets.HTML('seven')"
VIEW = "application/vnd.jupyter.widget-view+json"


def run(*sources: str) -> list[nbformat.NotebookNode]:
    """The cells of a notebook after a real kernel has run them."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    made = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(made, kernel_name="python3", timeout=120).execute()
    return list(made.cells)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What `setup` says, on a machine where the engine is compiled."""
    said: list[str] = []
    monkeypatch.setattr(notebook, "_show", said.append)
    monkeypatch.setattr(notebook, "_engine_is_compiled", lambda: True)
    return said


def versions(monkeypatch: pytest.MonkeyPatch, **given: str | None) -> None:
    real = notebook._installed
    monkeypatch.setattr(notebook, "_installed", lambda n: given.get(n, real(n)))


def test_in_a_notebook_where_all_is_well_it_says_nothing() -> None:
    compiled = "from tts_lab import notebook\nnotebook._engine_is_compiled = lambda: 1"
    cells = run(compiled, SETUP, SETUP, WIDGET)
    assert [cell.outputs for cell in cells[:3]] == [[], [], []]
    [output] = cells[3].outputs
    assert output.output_type == "execute_result" and VIEW in output.data
    assert output.metadata == {}


def test_in_colab_every_widget_names_the_manager_for_ipywidgets_8() -> None:
    cells = run(FAKE_COLAB, SETUP, SETUP, WIDGET, "display(ipywidgets.HTML())", "calls")
    for cell in cells[1:3]:  # twice the same, and nothing fails
        [said] = cell.outputs
        assert said.data["text/plain"].startswith("tts_lab: ")
    assert cells[1].outputs == cells[2].outputs
    for cell in cells[3:5]:
        [output] = cell.outputs
        assert VIEW in output.data and "text/plain" in output.data
        manager = output.metadata[VIEW]["colab"]["custom_widget_manager"]
        assert manager == {"url": "colab:8"}
    assert cells[5].outputs[0].data["text/plain"] == "['enabled', 'enabled']"


def test_a_colab_without_such_a_manager_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, shown: list[str]
) -> None:
    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    monkeypatch.setattr(notebook, "_shell", lambda: SimpleNamespace())
    assert notebook.in_colab()
    notebook.setup()
    assert len(shown) == 1 and "core" in shown[0]


def test_outside_of_colab_with_all_installed(shown: list[str]) -> None:
    notebook.setup()
    notebook.setup()
    assert shown == []


def test_old_ipywidgets_are_named_with_the_line_that_cures(
    monkeypatch: pytest.MonkeyPatch, shown: list[str]
) -> None:
    versions(monkeypatch, ipywidgets="7.7.1")
    notebook.setup()
    assert "8.1.9 or later, here is 7.7.1" in shown[0]
    assert '%pip install -q "ipywidgets>=8.1.9"' in shown[0]


def test_an_old_module_that_is_still_loaded_wants_a_restart(
    monkeypatch: pytest.MonkeyPatch, shown: list[str]
) -> None:
    versions(monkeypatch, ipywidgets="8.1.9")
    old = SimpleNamespace(__version__="7.7.1")
    monkeypatch.setitem(sys.modules, "ipywidgets", old)
    notebook.setup()
    assert "8.1.9 is installed, but 7.7.1 is loaded: restart" in shown[0]


def test_the_kernel_that_drops_messages(
    monkeypatch: pytest.MonkeyPatch, shown: list[str]
) -> None:
    versions(monkeypatch, ipykernel="7.0.0")
    notebook.setup()
    assert "ipykernel 7.0.0 drops messages" in shown[0]


def test_an_engine_that_is_not_compiled_is_announced(
    monkeypatch: pytest.MonkeyPatch, shown: list[str]
) -> None:
    monkeypatch.setattr(notebook, "_engine_is_compiled", lambda: False)
    notebook.setup()
    assert "not compiled yet" in shown[0] and "once on this machine" in shown[0]
    monkeypatch.setattr("tts_lab.ladder.compiled.folder", lambda: Path(os.devnull, "x"))
    notebook.setup()
    assert "at every start" in shown[1] and "tts-lab doctor" in shown[1]


def test_colab_is_left_alone_while_an_old_module_is_loaded(
    monkeypatch: pytest.MonkeyPatch, shown: list[str]
) -> None:
    """Its widgets have no `_repr_mimebundle_` that could be published."""
    output = ModuleType("google.colab.output")
    output.enable_custom_widget_manager = lambda: None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    monkeypatch.setitem(sys.modules, "google.colab.output", output)
    monkeypatch.setattr("ipywidgets.__version__", "7.7.1")
    monkeypatch.setattr(notebook, "_shell", lambda: SimpleNamespace())
    notebook.setup()  # would fail on the formatter that this shell lacks
    assert "7.7.1 is loaded: restart" in shown[0]


def test_the_bound_is_that_of_the_package(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    assert (
        f"ipywidgets>={'.'.join(map(str, notebook.IPYWIDGETS))}"
        in (project["dependencies"])
    )
    broken = f"!={notebook.BROKEN_KERNEL}"
    lab = project["optional-dependencies"]["lab"]
    assert any(one.startswith("ipykernel") and broken in one for one in lab)
    assert metadata.version("ipywidgets")


def test_a_gpu_is_found_in_the_driver_or_by_its_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(notebook, "_NVIDIA", tmp_path / "gpus")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert notebook.gpu() is None and "no GPU" in notebook.runtime()
    if os.name == "posix":
        command = tmp_path / "nvidia-smi"
        command.write_text("#!/bin/sh\necho 'GPU 0: Tesla T4 (UUID: GPU-1)'\n")
        command.chmod(0o755)
        assert notebook.gpu() == "Tesla T4"
        command.write_text("#!/bin/sh\nexit 9\n")
        assert notebook.gpu() is None
    about = tmp_path / "gpus" / "0000:00:04.0" / "information"
    about.parent.mkdir(parents=True)
    about.write_text("Model: \t\t NVIDIA L4\nIRQ:   \t\t 10\n")
    assert notebook.gpu() == "NVIDIA L4"
    assert "GPU NVIDIA L4" in notebook.runtime()
