"""What this machine has for the lab, and what each missing piece would need."""

from __future__ import annotations

import importlib.util
import platform
import sys
from importlib import metadata
from typing import NamedTuple


class Finding(NamedTuple):
    """One line of the report: `need` is empty when nothing is missing."""

    what: str
    found: str
    need: str = ""


_CORE = ("numpy", "scipy", "numba", "safetensors", "matplotlib", "ipywidgets")
_EXTRAS = {
    "jupyterlab": ("the notebooks", "lab"),
    "torch": ("training and test-time training", "train"),
    "transformers": ("any Hugging Face model", "hf"),
    "peft": ("test-time training of any Hugging Face model", "peft"),
    "vllm": ("fast sampling of large models", "vllm"),
    "httpx": ("served models (OpenAI-compatible endpoints)", "server"),
    "math_verify": ("text problems (GSM8K, MATH, your own)", "text"),
}


def examine() -> list[Finding]:
    """Look at versions, cores, the engine's machine code, rungs and backends."""
    from tts_lab import __version__, ladder
    from tts_lab.ladder.compiled import folder, is_cached
    from tts_lab.ladder.cores import cores
    from tts_lab.ladder.rungs import RUNGS, SPECIALISTS

    found = [
        Finding("tts-lab", __version__),
        Finding("Python", f"{platform.python_version()} ({sys.platform})"),
        Finding("cores", str(cores())),
    ]
    for name in _CORE:
        version = _version(name)
        need = "" if version else "pip install tts-lab"
        found.append(Finding(name, version or "missing", need))
    found.append(
        Finding("engine", f"compiled, in {_home(folder())}")
        if is_cached()
        else Finding("engine", "not compiled yet", "tts-lab warmup (about 20 s, once)")
    )
    every = [*RUNGS, *SPECIALISTS]
    rungs = [name for name in every if ladder.path(name).is_dir()]
    missing = sorted(set(every) - set(rungs))
    need = f"tts-lab train {' '.join(missing)}" if missing else ""
    found.append(Finding("rungs", ", ".join(rungs) or "none", need))
    for name, (purpose, extra) in _EXTRAS.items():
        version = _version(name)
        need = "" if version else f'pip install "tts-lab[{extra}]" for {purpose}'
        found.append(Finding(name, version or "not installed", need))
    found.append(_gpu())
    return found


def report(findings: list[Finding]) -> str:
    """The findings as text, one a line."""
    width = max(len(f.what) for f in findings)
    return "\n".join(
        f"{f.what:{width}}  {f.found}" + (f"  ->  {f.need}" if f.need else "")
        for f in findings
    )


def _home(path: object) -> str:
    from pathlib import Path

    text, home = str(path), str(Path.home())
    return "~" + text.removeprefix(home) if text.startswith(home) else text


def _version(name: str) -> str | None:
    if importlib.util.find_spec(name) is None:
        return None
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:  # vllm's CPU build has another name
        return "installed"


def _gpu() -> Finding:
    if importlib.util.find_spec("torch") is None:
        return Finding("GPU", "not looked for (needs torch)")
    import torch

    if torch.cuda.is_available():
        return Finding("GPU", torch.cuda.get_device_name())
    if torch.backends.mps.is_available():
        return Finding("GPU", "Apple MPS")
    return Finding("GPU", "none")
