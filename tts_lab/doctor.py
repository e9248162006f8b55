"""What this machine has for the lab, and what each missing piece would need."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from tts_lab import troubles
from tts_lab.troubles import Finding

_EXTRAS = {
    "torch": ("training and test-time training", "train"),
    "transformers": ("any Hugging Face model", "hf"),
    "peft": ("test-time training of any Hugging Face model", "peft"),
    "vllm": ("fast sampling of large models", "vllm"),
    "httpx": ("served models (OpenAI-compatible endpoints)", "server"),
    "math_verify": ("text problems (GSM8K, MATH, your own)", "text"),
}
_ALLOW = "give yourself the right to write there"
_MOVE = _ALLOW + ", or choose another folder: export {}=/path/to/folder"  # Linux
_PAGE = "docs/troubleshooting.md"


def examine() -> list[Finding]:
    """Look at versions, folders, Jupyter, the engine, rungs and backends."""
    from tts_lab import __version__
    from tts_lab.ladder.cores import cores
    from tts_lab.memory import free

    return [
        Finding("tts-lab", __version__),
        troubles.interpreter(),
        Finding("cores", str(cores())),
        troubles.memory(free()),
        *troubles.packages(),
        *_folders(),
        troubles.kernel(),
        troubles.port(),
        troubles.proxy(),
        *_engine(),
        *(_extra(name) for name in _EXTRAS),
        _gpu(),
    ]


def report(findings: list[Finding]) -> str:
    """The findings as text: trouble is marked, what to do stands below its line.

    >>> print(report([Finding("a", "1"), Finding("bc", "old", "update it", True)]))
       a   1
    !  bc  old
           -> update it
    <BLANKLINE>
    1 problem: see the line marked !
    """
    width = max(len(f.what) for f in findings)
    lines = []
    for finding in findings:
        sign = "!" if finding.trouble else " "
        lines.append(f"{sign}  {finding.what:{width}}  {finding.found}")
        if finding.need:
            lines.append(f"{'':{width + 5}}-> {finding.need}")
    return "\n".join([*lines, "", _verdict(sum(f.trouble for f in findings))])


def _verdict(problems: int) -> str:
    if not problems:
        return "No problem found. If something fails all the same: " + _PAGE
    if problems == 1:
        return "1 problem: see the line marked !"
    return f"{problems} problems: see the lines marked !"


def _folders() -> list[Finding]:
    from tts_lab import scoreboard
    from tts_lab.ladder.compiled import folder

    def cure(variable: str) -> str:
        return _MOVE.format(variable) if sys.platform == "linux" else _ALLOW

    return [
        troubles.writable("cache", folder().parent, cure=cure("XDG_CACHE_HOME")),
        troubles.writable("verdicts", scoreboard.folder(), cure=cure("XDG_DATA_HOME")),
        troubles.writable(
            "this folder",
            Path.cwd(),
            cure="JupyterLab cannot save here: copy the course to a folder of your own",
        ),
        troubles.writable(
            "temporary",
            Path(tempfile.gettempdir()),
            cure="choose another: export TMPDIR=/path/to/folder",
        ),
    ]


def _engine() -> list[Finding]:
    from tts_lab import ladder
    from tts_lab.ladder.compiled import is_cached
    from tts_lab.ladder.rungs import RUNGS, SPECIALISTS

    every = [*RUNGS, *SPECIALISTS]
    rungs = [name for name in every if ladder.path(name).is_dir()]
    missing = sorted(set(every) - set(rungs))
    need = "install tts-lab again: its files are not complete" if missing else ""
    found = [Finding("rungs", ", ".join(rungs) or "none", need, bool(missing))]
    if not is_cached():
        need = "tts-lab warmup (about 20 s, once); else the first cell waits for it"
        return [*found, Finding("engine", "not compiled yet", need)]
    return [*found, Finding("engine", _one_sample())]


def _one_sample() -> str:
    from functools import partial

    from tts_lab import ladder, problems
    from tts_lab.run import run
    from tts_lab.strategies import repeated_sampling
    from tts_lab.verifiers.exact import Exact

    [outcome] = run(
        partial(repeated_sampling, n=64),
        problems.sample("chains", 3, 1, seed=0),
        proposer=ladder.load("27k"),
        verifier=Exact(),
        seed=0,
    )
    tokens, seconds = outcome.ledger.generated_tokens, outcome.ledger.seconds
    return f"compiled; rung 27k wrote {tokens:,} tokens in {seconds:.2f} s"


def _extra(name: str) -> Finding:
    purpose, extra = _EXTRAS[name]
    version = _version(name)
    need = "" if version else f'pip install "tts-lab[{extra}]" for {purpose}'
    return Finding(name, version or "not installed", need)


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
