"""Trying a model that was just opened: a few tokens written, or a trace scored."""

from __future__ import annotations

from threading import Event
from typing import Any

from tts_lab import models
from tts_lab.found import Role
from tts_lab.proposers import Job
from tts_lab.traces import Problem, Trace

PROMPT = "47+38\n"  # every tokenizer has these characters
TOKENS = 16


def trial(model: Any, cancel: Event) -> str:
    """What a model makes of a sum; raises what the model raises.

    >>> from tts_lab import ladder
    >>> trial(ladder.load("105k"), Event())
    '47+38 → 47+38=85 #85'
    """
    lead = PROMPT.strip()
    if not hasattr(model, "propose"):
        accepted = getattr(getattr(model, "family", None), "accepts", ("\n",))
        wrote = f"47+38=85{accepted[0]}#85"
        problem = Problem("chains", PROMPT, 1, delimiter=accepted[0])
        [score] = model.verify([Trace(problem, wrote, len(wrote) + 1, True)])
        return f"{lead} → {' '.join(wrote.split())}: scored {score:.2g}"
    end = getattr(getattr(model, "format", None), "delimiter", "\n")
    job = Job(
        PROMPT, "", stream=0, rows=range(1), temperature=0.0, max_tokens=TOKENS,
        delimiter=end,
    )  # fmt: skip
    written = [
        text for samples in model.propose([job], cancel=cancel) for text in samples.text
    ]
    if not written and not cancel.is_set():
        raise ValueError(f"{model.name!r} wrote nothing when it was tried")
    return f"{lead} → {' '.join(' '.join(written).split())}"


def kind_of(spec: str, role: Role) -> str:
    """The kind of a spec; of one that is nothing the most likely one.

    >>> kind_of("no/such/folder", "policy"), kind_of("owner/name", "policy")
    ('folder', 'hub')
    """
    try:
        return models.kind(spec, role)
    except ValueError:
        return "folder"


def families() -> list[str]:
    """The families of public reward models."""
    from tts_lab.verifiers.prm_families import FAMILIES

    return list(FAMILIES)
