"""`import tts_lab` stays light: no framework, no notebook machinery, no figures."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

# Dependencies whose import the package may cause, and what they bring along.
ALLOWED = {
    "llvmlite",
    "numba",
    "numpy",
    "platformdirs",
    "safetensors",
    "scipy",
    "tts_lab",
}
FORBIDDEN = {
    "IPython",
    "anywidget",
    "httpx",
    "ipykernel",
    "ipywidgets",
    "matplotlib",
    "peft",
    "ray",
    "tokenizers",
    "torch",
    "transformers",
    "vllm",
}
PROBE = """
import json, sys
before = set(sys.modules)
import tts_lab
new = set(sys.modules) - before
print(json.dumps(sorted({name.partition(".")[0] for name in new})))
"""


@pytest.fixture(scope="module")
def imported() -> set[str]:
    """Top-level names of the modules that a fresh `import tts_lab` loads."""
    answer = subprocess.run(
        [sys.executable, "-c", PROBE], check=True, capture_output=True, text=True
    )
    assert answer.stderr == ""
    return set(json.loads(answer.stdout))


def test_no_framework_is_imported(imported):
    assert imported & FORBIDDEN == set()
    assert [name for name in imported if name.startswith("jupyter")] == []


def test_only_known_dependencies_are_imported(imported):
    third_party = {
        name
        for name in imported - set(sys.stdlib_module_names)
        if not name.startswith(("_cython", "cython_runtime"))
    }
    assert third_party <= ALLOWED


def test_the_engine_starts_without_scipy_and_leaves_numba_whole():
    """numba would import scipy.linalg to look for a BLAS that nobody uses here."""
    code = """
import sys
import numpy as np
from tts_lab.ladder import compiled
compiled.ensure()
assert "scipy.linalg" not in sys.modules
from numba import njit
dot = njit(lambda a, b: np.dot(a, b))
assert dot(np.eye(3), np.ones((3, 3))).sum() == 9
assert "scipy.linalg" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
