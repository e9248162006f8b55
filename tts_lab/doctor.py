"""What this machine has for the lab, and what each missing piece would need."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path

from tts_lab import troubles
from tts_lab.ladder.cores import cores
from tts_lab.memory import free
from tts_lab.troubles import Finding, pip

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
    looks: dict[str, Callable[[], Finding | list[Finding]]] = {
        "tts-lab": _ourselves,
        "Python": troubles.interpreter,
        "memory": lambda: troubles.memory(free()),
        "packages": troubles.packages,
        "cache": _cache,
        "verdicts": _verdicts,
        "this folder": _here,
        "temporary": _temporary,
        "kernel": troubles.kernel,
        "port": troubles.port,
        "proxy": troubles.proxy,
        "rungs": _rungs,
        "engine": _engine,
        **{name: partial(_extra, name) for name in _EXTRAS},
        "GPU": _gpu,
    }
    found: list[Finding] = []
    for what, look in looks.items():
        try:
            seen = look()
        except Exception as error:  # the others are looked at all the same
            words = f"cannot be looked at: {type(error).__name__}: {error}"
            seen = Finding(what, words, f"see {_PAGE}", trouble=True)
        found += [seen] if isinstance(seen, Finding) else seen
    return found


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


def _ourselves() -> list[Finding]:
    from tts_lab import __version__

    return [Finding("tts-lab", __version__), Finding("cores", str(cores()))]


def _cache() -> Finding:
    from tts_lab.ladder.compiled import folder

    cure = _move("XDG_CACHE_HOME")
    return troubles.writable("cache", folder().parent, cure=cure)


def _verdicts() -> Finding:
    from tts_lab import scoreboard

    cure = _move("XDG_DATA_HOME")
    return troubles.writable("verdicts", scoreboard.folder(), cure=cure)


def _here() -> Finding:
    cure = "JupyterLab cannot save here: copy the course to a folder of your own"
    return troubles.writable("this folder", Path.cwd(), cure=cure)


def _temporary() -> Finding:
    cure = "choose another: export TMPDIR=/path/to/folder"
    try:
        chosen = tempfile.gettempdir()
    except FileNotFoundError:
        return Finding("temporary", "no folder can be written", cure, trouble=True)
    return troubles.writable("temporary", Path(chosen), cure=cure)


def _move(variable: str) -> str:
    return _MOVE.format(variable) if sys.platform == "linux" else _ALLOW


def _rungs() -> Finding:
    from tts_lab import ladder
    from tts_lab.ladder.rungs import RUNGS, SPECIALISTS

    every = [*RUNGS, *SPECIALISTS]
    there = [name for name in every if ladder.path(name).is_dir()]
    complete = len(there) == len(every)
    need = "" if complete else "install tts-lab again: its files are not complete"
    return Finding("rungs", ", ".join(there) or "none", need, trouble=not complete)


def _engine() -> Finding:
    from tts_lab.ladder.compiled import can_keep, is_cached

    if not can_keep():
        need = "see cache: until it can be written every start compiles for 20 s"
        return Finding("engine", "compiled at every start", need)
    if not is_cached():
        need = "tts-lab warmup (about 20 s, once); else the first cell waits for it"
        return Finding("engine", "not compiled yet", need)
    return Finding("engine", _one_sample())


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
    need = "" if version else f'{pip()} "tts-lab[{extra}]" for {purpose}'
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
