"""Opening any model by what a person would type: rung, folder, hub id or URL.

`found` says what is on this machine, `needs` what a model would take of its memory;
`open_policy` and `open_verifier` give the proposer or verifier, ready for use.
Promises: errors quote what was typed and say what to do; a cancel returns at once;
nothing heavy is imported before it is needed. Not covered: whether a model is any good.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from threading import Event

from tts_lab import formats, hub, memory, opening
from tts_lab.found import BACKENDS, Found, Role, found, missing
from tts_lab.hub import Cancelled
from tts_lab.hub import snapshot as in_cache
from tts_lab.ladder import model_folder
from tts_lab.ladder.rungs import EVERY
from tts_lab.memory import Memory, device_of, needs
from tts_lab.opening import Plan, SpecKind
from tts_lab.proposers import Proposer, checkpoints
from tts_lab.verifiers import Verifier

__all__ = [
    "Cancelled",
    "Found",
    "Memory",
    "Plan",
    "close",
    "found",
    "hidden",
    "in_cache",
    "kind",
    "memory_of",
    "needs",
    "open_policy",
    "open_verifier",
    "plan",
]  # fmt: skip

Say = Callable[[str], object]
# each with an end in sight, so that no text takes long
_USER = re.compile(r"(\w{1,20}://)[^\s'\"<>]{0,500}@")
_QUERY = re.compile(r"([?&#])([^\s=&?#]{1,64})=[^\s&#'\"]+")
_SECRET = re.compile("key|token|secret|password|auth|sig", re.IGNORECASE)


def plan(
    spec: str | Path, role: Role = "policy", *, backend: str | None = None
) -> Plan:
    """What a spec is, and the backend for it.

    Parameters
    ----------
    spec : str or path
        A rung or verifier of the package, a folder, a hub id (owner/name), or the URL
        of an OpenAI-compatible endpoint; of several that serve the same, with commas
        between them.
    role : str
        "policy" or "verifier".
    backend : str, optional
        Default: the built-in engine for the ladder's family, "server" for URLs, else
        vLLM where it is installed and there is a CUDA device, else transformers.

    Raises
    ------
    ValueError
        For a spec that is nothing of this, or a backend that cannot run it.
    ImportError
        For a backend that is not installed; the message has the pip line.

    Examples
    --------
    >>> plan("105k").backend, plan("http://localhost:8000/v1").backend
    ('engine', 'server')
    """
    text = str(spec).strip()
    what = kind(text, role)
    family = what == "name" or (
        what in ("rung", "folder") and _is_ladder(checkpoints.locate(text), role)
    )
    if backend is None:
        backend = "engine" if family else "server" if what == "endpoint" else None
    if backend is None:
        fast = not missing("vllm") and device_of("vllm") == "cuda"
        backend = "vllm" if fast else "transformers"
    if backend not in BACKENDS:
        raise ValueError(f"backend {backend!r} is unknown; there are {list(BACKENDS)}")
    _fitting(text, what, backend, family=family)
    if line := missing(backend):
        raise ImportError(f"backend {backend!r} is not installed here: {line}")
    return Plan(text, what, backend)


def memory_of(plan: Plan, *, device: str | None = None) -> Memory | None:
    """What a plan needs of this machine's memory; None where that is nothing.

    A hub model that is not in the cache is looked up on the hub.
    """
    if plan.kind in ("name", "endpoint"):
        return None
    if plan.backend == "engine":  # float32; its cache is a few rows of 256 tokens
        return needs(checkpoints.locate(plan.spec), "float32", rows=24)
    if device is None:
        device = device_of(plan.backend)
    folder = hub.snapshot(plan.spec) if plan.kind == "hub" else None
    if plan.kind == "hub" and folder is None:
        there = hub.remote(plan.spec)
        return memory.reckon(there.config, there.weights, device=device)
    return needs(folder or checkpoints.locate(plan.spec), device=device)


def open_policy(
    spec: str | Path,
    *,
    backend: str | None = None,
    format: str | None = None,
    served: str | None = None,
    tokenizer: str | None = None,
    say: Say = lambda message: None,
    cancel: Event | None = None,
) -> Proposer:
    """A proposer for a rung, folder, hub id or endpoint.

    Parameters
    ----------
    spec, backend
        See `plan`.
    format : str, optional
        One of `tts_lab.formats.names()`; default the one of the model's family.
    served : str, optional
        Of an endpoint: the model's name there; needed when it serves several.
    tokenizer : str, optional
        Of an endpoint: folder or hub id of its model, where the server does not
        tokenise.
    say : callable
        Told what is going on, a few words at a time.
    cancel : threading.Event, optional
        Once set, `Cancelled` is raised soon. A load that cannot be interrupted ends
        in the background and is thrown away.

    Raises
    ------
    Cancelled
    ValueError, ImportError
        As of `plan`, and for a model that the backend refuses.

    Examples
    --------
    >>> open_policy("105k").size.parameters
    104768
    """
    way = plan(spec, backend=backend)
    if format is not None and format not in formats.FORMATS:
        raise ValueError(f"format {format!r} is unknown; there are {formats.names()}")
    if way.backend == "engine" and format not in (None, "plain"):
        raise ValueError(
            f"format {format!r}: the built-in engine's models read plain prompts; "
            "accepted is None or 'plain', or another backend"
        )
    made: Proposer = opening.made(
        lambda: opening.policy(way, format, served, tokenizer),
        way, name=hidden(way.spec), say=say, cancel=cancel,
    )  # fmt: skip
    return made


def open_verifier(
    spec: str | Path,
    *,
    backend: str | None = None,
    family: str | None = None,
    served: str | None = None,
    tokenizer: str | None = None,
    say: Say = lambda message: None,
    cancel: Event | None = None,
) -> Verifier:
    """A verifier of the package by name, or a process reward model.

    Parameters
    ----------
    spec, backend
        See `plan`. A URL is an endpoint that serves the reward model.
    family : str, optional
        Whose markers and scoring rule; default by the model's name and architecture.
    served, tokenizer, say, cancel
        As of `open_policy`; the tokenizer's default is what the endpoint was started
        with.

    Raises
    ------
    Cancelled
    ValueError, ImportError
        As of `plan`, and for a model that scores no steps.

    Examples
    --------
    >>> open_verifier("exact").name
    'exact'
    """
    way = plan(spec, "verifier", backend=backend)
    made: Verifier = opening.made(
        lambda: opening.verifier(way, family, served, tokenizer),
        way, name=hidden(way.spec), say=say, cancel=cancel,
    )  # fmt: skip
    return made


def close(model: object) -> None:
    """Give back what a model holds, if it can."""
    if callable(end := getattr(model, "close", None)):
        end()


def hidden(text: str) -> str:
    """A text without keys: those of the environment, and passwords in URLs.

    >>> hidden("http://me:secret@host/v1"), hidden("http://host/v1?api_key=secret")
    ('http://•••@host/v1', 'http://host/v1?api_key=•••')
    """
    for name, value in os.environ.items():
        if name.upper().endswith(("_KEY", "_TOKEN", "_SECRET")) and len(value) >= 8:
            text = text.replace(value, "•••")
    return _QUERY.sub(
        lambda one: f"{one[1]}{one[2]}=•••" if _SECRET.search(one[2]) else one[0],
        _USER.sub(r"\1•••@", text),
    )


def kind(text: str, role: Role = "policy") -> SpecKind:
    """What a spec is; see `Plan.kind`.

    Raises
    ------
    ValueError
        If it is nothing that can be opened.

    >>> kind("105k"), kind("owner/name")
    ('rung', 'hub')
    """
    if not text:
        raise ValueError(
            "no model is named; accepted are a rung, the path of a Hugging Face "
            "folder, owner/name, or the URL of an endpoint"
        )
    if role == "verifier":
        from tts_lab.verifiers import library

        if text in (*library.names(), *library.names("programs")):
            return "name"
    elif text in EVERY:
        return "rung"
    if re.match(r"https?://", text):
        return "endpoint"
    if Path(text).expanduser().is_dir():
        return "folder"
    if re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", text):
        return "hub"
    first = list(EVERY)
    if role == "verifier":
        first = library.names()
    raise ValueError(
        f"{hidden(text)!r} is nothing that can be opened; accepted are {first}, the "
        "path of a Hugging Face folder, owner/name on the hub, or a URL that begins "
        "with http"
    )


def _is_ladder(folder: Path, role: Role) -> bool:
    architecture = model_folder.POLICY if role == "policy" else model_folder.VERIFIER
    return model_folder.is_of_family(folder, architecture)


def _fitting(text: str, what: SpecKind, backend: str, *, family: bool) -> None:
    """Refuse a backend that cannot run such a thing."""
    wrong = ""
    if what == "name" and backend != "engine":
        wrong = "a verifier of the package runs on the engine"
    elif what == "endpoint" and backend != "server":
        wrong = "a URL is for backend 'server'"
    elif what != "endpoint" and backend == "server":
        wrong = "backend 'server' wants the URL of an endpoint"
    elif backend == "engine" and not family:
        wrong = (
            "the built-in engine runs models of the ladder's family only; accepted "
            "for others are 'transformers' and 'vllm'"
        )
    if wrong:
        raise ValueError(f"{hidden(text)!r} with backend {backend!r}: {wrong}")
