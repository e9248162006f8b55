"""Run, cancel and run again at random: no thread, memory or earlier result is left."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import pkgutil
from pathlib import Path

import pytest
from sequence_cases import CASES
from sequences import SEQUENCES, played

from tts_lab import widgets
from tts_lab.widgets import adaptation
from tts_lab.widgets.running import Running


def with_a_run() -> set[type]:
    """Every class that is a `Running`, or makes a `Runner`, in the whole package."""
    found: set[type] = set()
    for one in pkgutil.iter_modules(widgets.__path__, "tts_lab.widgets."):
        module = importlib.import_module(one.name)
        making = {
            node.name
            for node in ast.parse(inspect.getsource(module)).body
            if isinstance(node, ast.ClassDef)
            and any(
                isinstance(call, ast.Call) and ast.unparse(call.func) == "Runner"
                for call in ast.walk(node)
            )
        }
        for name, value in vars(module).items():
            if not inspect.isclass(value) or value.__module__ != module.__name__:
                continue
            if name in making or issubclass(value, Running):
                found.add(value)
    return found - {Running}


def test_no_widget_is_missing():
    assert with_a_run() == set(CASES)


@pytest.mark.parametrize("kind", CASES, ids=lambda kind: kind.__name__)
def test_sequences(kind, monkeypatch, artifacts: Path, capfd: pytest.CaptureFixture):
    monkeypatch.setattr(adaptation, "PAUSE", 0.002)
    report = played(CASES[kind], SEQUENCES)
    path = artifacts / "sequences.json"
    told = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(told | {kind.__name__: report}, indent=1) + "\n")
    assert report["threads after"] == report["threads before"]
    assert report["grown"] == {}
    assert capfd.readouterr() == ("", "")
