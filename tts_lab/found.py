"""What is on this machine: models, served endpoints, backends, processors.

Promises: looks only, loads nothing, imports no framework, sends no key, and ends within
seconds: folders are searched two levels deep and a bounded number of them, endpoints
are given a second to answer. Not covered: what the hub has.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal
from urllib.request import Request, urlopen

from tts_lab import hub, ladder, memory
from tts_lab.ladder.rungs import EVERY
from tts_lab.printable import printable
from tts_lab.problems import DOMAINS
from tts_lab.proposers import checkpoints

Kind = Literal["name", "rung", "folder", "hub", "endpoint", "backend", "device"]
Role = Literal["policy", "verifier"]

MAX_FOLDERS = 500  # that a search looks into
ENDPOINT_SECONDS = 1.0
LOCAL = "http://localhost:8000/v1"

#: backend -> what must be importable, and the extra that brings it
BACKENDS: dict[str, tuple[tuple[str, ...], str]] = {
    "engine": ((), ""),
    "transformers": (("transformers", "torch"), "hf"),
    "vllm": (("vllm",), "vllm"),
    "server": (("httpx",), "server"),
}
#: ends of the architectures that score, beside those that write
_SCORES = ("TokenClassification", "SequenceClassification", "RewardModel")


@dataclass(frozen=True, slots=True)
class Found:
    """Something that is here.

    Attributes
    ----------
    kind : str
        "name" (a verifier of the package), "rung", "folder", "hub", "endpoint": what
        `tts_lab.models` opens by its `name`; or "backend", "device".
    name : str
    where : str
        Where it is; of a backend its version, empty when it is not installed.
    note : str
        What it is; of a missing backend the line that installs it.
    """

    kind: Kind
    name: str
    where: str = ""
    note: str = ""


def found(role: Role = "policy", *, folder: Path | None = None) -> list[Found]:
    """Everything that can be chosen as a policy or verifier, and what it can run on.

    Parameters
    ----------
    role : str
        "policy" for models that write, "verifier" for those that score.
    folder : Path, optional
        Where to look for models; default the working directory.

    >>> next(one for one in found() if one.kind == "rung")
    Found(kind='rung', name='27k', where='in the package', note='27,296 parameters')
    """
    with ThreadPoolExecutor(4, thread_name_prefix="tts-lab-found") as pool:
        endpoints = [pool.submit(endpoint, url) for url in urls()]
        here = rungs() if role == "policy" else verifiers()
        here += folders(folder or Path.cwd(), role)
        here += [
            Found("hub", name, "hub cache", note)
            for name, path in hub.cached().items()
            if (note := _described(path, role))
        ]
        here += [one for one in (later.result() for later in endpoints) if one]
    return [*here, *backends(), *devices()]


def rungs() -> list[Found]:
    """The policies of the package."""
    return [
        Found("rung", name, "in the package", f"{rung.parameters:,} parameters")
        for name, rung in EVERY.items()
        if ladder.path(name).is_dir()
    ]


def verifiers() -> list[Found]:
    """The verifiers of the package."""
    from tts_lab.verifiers import library

    every = dict.fromkeys(name for domain in DOMAINS for name in library.names(domain))
    return [Found("name", name, "in the package") for name in every]


def backends() -> list[Found]:
    """Every backend, its version or the pip line that brings it."""
    return [
        Found("backend", name, _version(name), missing(name))
        for name in BACKENDS
        if name != "engine"
    ]


def missing(backend: str) -> str:
    """The pip line of a backend that is not installed; empty for one that is.

    >>> missing("engine")
    ''
    """
    packages, extra = BACKENDS[backend]
    specs = [find_spec(name) for name in packages]
    # a folder that happens to have the name is a module without a file
    absent = [spec for spec in specs if spec is None or spec.origin is None]
    return f'pip install "tts-lab[{extra}]"' if absent else ""


def devices() -> list[Found]:
    """Processors that a model could run on, without asking torch."""
    some = [Found("device", "CUDA", name, note) for name, note in _nvidia()]
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        some.append(Found("device", "MPS", "Apple GPU"))
    free = memory.free()
    note = "" if free is None else f"{memory.size(free)} of memory free"
    return [*some, Found("device", "CPU", f"{os.cpu_count()} cores", note)]


def urls() -> list[str]:
    """Endpoints worth asking: OPENAI_BASE_URL, and vLLM's usual place."""
    given = os.environ.get("OPENAI_BASE_URL", "").strip()
    return list(dict.fromkeys([*filter(None, [given]), LOCAL]))


def endpoint(url: str, seconds: float = ENDPOINT_SECONDS) -> Found | None:
    """An endpoint and the models it serves; None if it does not answer as one."""
    request = Request(f"{url.rstrip('/')}/models", headers={"User-Agent": "tts-lab"})
    try:
        with urlopen(request, timeout=seconds) as answer:
            listed = json.loads(answer.read(1_000_000))
        names = [printable(one["id"])[:80] for one in listed["data"]]
    except (OSError, HTTPException) as error:
        code = getattr(error, "code", None)
        note = "answers, and wants a key (OPENAI_API_KEY)"
        return Found("endpoint", url, "served", note) if code in (401, 403) else None
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    return Found("endpoint", url, "served", shown or "no model")


def folders(root: Path, role: Role = "policy") -> list[Found]:
    """Model folders in a folder, two levels deep; paths are relative to it."""
    some = []
    for path in _walk(root):
        note = _described(path, role)
        if note:
            relative = path.relative_to(root)
            some.append(Found("folder", f"./{relative.as_posix()}", str(root), note))
    return some


def _walk(root: Path, depth: int = 2) -> Iterator[Path]:
    """Folders with a config and safetensors, breadth first."""
    level, seen = [root], 0
    for _ in range(depth):
        deeper: list[Path] = []
        for folder in level:
            try:
                entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            except OSError:
                continue
            for entry in entries:
                if entry.name.startswith((".", "__")) or not entry.is_dir():
                    continue
                seen += 1
                if seen > MAX_FOLDERS:
                    return
                path = Path(entry.path)
                if hub.is_whole(path):
                    yield path
                else:
                    deeper.append(path)
        level = deeper


def _described(folder: Path, role: Role) -> str:
    """Architecture and size of a model of that role; empty for another."""
    try:
        config: dict[str, Any] = checkpoints.config_of(folder)
        architecture = str((config.get("architectures") or ["?"])[0])
        writes = architecture.endswith("ForCausalLM")
        scores = writes or any(end in architecture for end in _SCORES)
        if not (writes if role == "policy" else scores):
            return ""
        weights = sum(file.stat().st_size for file in checkpoints.weight_files(folder))
    except (OSError, ValueError, TypeError, LookupError):
        return ""
    return f"{architecture}, {memory.size(weights)}"


def _version(name: str) -> str:
    if missing(name):
        return ""
    package = BACKENDS[name][0][0]
    try:
        return version(package)
    except PackageNotFoundError:  # vLLM's CPU build has another name
        return "installed"


def _nvidia() -> list[tuple[str, str]]:
    """Name and free memory of each NVIDIA GPU, by the driver's own tool."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    query = ["--query-gpu=name,memory.free", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(
            [tool, *query], capture_output=True, text=True, timeout=5, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    some = []
    for line in told.splitlines():
        name, _, free = line.rpartition(",")
        if free.strip().isdigit():
            mib = int(free) * 2**20
            some.append((name.strip(), f"{memory.size(mib)} of memory free"))
    return some
