"""Run, cancel and run again at random: no thread, memory or earlier result is left."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import pkgutil
from pathlib import Path

import pytest
from sequence_cases import CASES, trained
from sequences import SEQUENCES, Case, played

from tts_lab import widgets
from tts_lab.widgets import adaptation
from tts_lab.widgets.running import Running

THREADS = 16  # at a time: two of each runner, those of a load, a survey, the engine


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
    check(kind.__name__, CASES[kind], artifacts)
    assert capfd.readouterr() == ("", "")


@pytest.mark.hf
def test_sequences_of_training(artifacts: Path, capfd: pytest.CaptureFixture):
    check("Adaptation, trained", trained(), artifacts)
    assert capfd.readouterr() == ("", "")


def check(name: str, case: Case, artifacts: Path) -> None:
    report = played(case, SEQUENCES)
    path = artifacts / "sequences.json"
    told = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(told | {name: report}, indent=1) + "\n")
    assert report["threads after"] == report["threads before"]
    assert report["threads at most"] <= report["threads before"] + THREADS
    assert report["grown"] == {}
