"""Notebook 12 from top to bottom on other backends than the one it is rendered with."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "12_your_own_model.ipynb"
SECONDS = 300


def executed(monkeypatch: pytest.MonkeyPatch, **settings: str) -> str:
    """What the notebook prints with these settings."""
    nbclient = pytest.importorskip("nbclient")
    for name, value in settings.items():
        monkeypatch.setenv(f"TTS_LAB_{name}", value)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=SECONDS, kernel_name="python3",
        resources={"metadata": {"path": str(NOTEBOOK.parent)}},
    )  # fmt: skip
    client.execute()
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    assert {out.output_type for out in outputs} <= {
        "stream", "display_data", "execute_result",
    }  # fmt: skip
    return "".join(out.text for out in outputs if out.output_type == "stream")


def greedy(printed: str) -> str:
    """The three greedy traces, which are the same on every backend."""
    return printed.split("Size(")[2].partition("\n")[2].partition("768 samples")[0]


def stored() -> str:
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    outputs = [out for cell in cells for out in cell.get("outputs", [])]
    return "".join(out.text for out in outputs if out.output_type == "stream")


@pytest.mark.hf
def test_through_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers")
    printed = executed(monkeypatch, BACKEND="transformers")
    assert "105k (Transformers)" in printed
    assert greedy(printed) == greedy(stored())


@pytest.mark.vllm
def test_through_a_live_server(monkeypatch: pytest.MonkeyPatch, vllm_server) -> None:
    from tts_lab import ladder

    url = vllm_server(ladder.path("105k"))
    printed = executed(monkeypatch, POLICY=f"{url}/v1")
    assert "(Server)" in printed
    assert greedy(printed) == greedy(stored())
