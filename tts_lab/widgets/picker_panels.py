"""The model picker's texts as HTML: memory, status, what was loaded. All is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from tts_lab.figures.budget import plain
from tts_lab.found import Found
from tts_lab.memory import Memory, device_of, size
from tts_lab.models import Plan, hidden
from tts_lab.widgets.panels import clock
from tts_lab.widgets.runner import Status, status_line

BAR, HEIGHT = 420, 14  # pixels


@dataclass(frozen=True)
class Loaded:
    """A model that was opened.

    Attributes
    ----------
    label : str
        What dropdowns and captions call it: its name and backend.
    model : object
        The proposer or verifier.
    plan : Plan
    test : str
        What it wrote, or scored, when it was tried.
    """

    label: str
    model: Any
    plan: Plan
    test: str = ""


def memory(found: Memory | str | None) -> str:
    """What is needed against what is free: a bar, and the same in words."""
    if found is None:
        return ""
    if isinstance(found, str):
        return f'<div class="tts-memory">{escape(hidden(found))}</div>'
    words = escape(memory_words(found))
    name = " tts-failed" if found.fits is False else ""
    if found.free is None:
        return f'<div class="tts-memory">{words}</div>'
    scale = BAR / max(found.total, found.free, 1)
    weights, cache, free = (
        round(part * scale, 1) for part in (found.weights, found.cache, found.free)
    )
    # a model that is small beside what is free still shows as a line
    weights = max(weights, 2.0)
    return (
        f'<div class="tts-memory{name}">'
        f'<svg class="tts-svg" viewBox="0 0 {BAR + 4} {HEIGHT + 4}" role="img" '
        f'aria-label="{words}"><title>{words}</title>'
        f'<rect class="tts-free" x="2" y="2" width="{free}" height="{HEIGHT}"/>'
        f'<rect class="tts-weights" x="2" y="2" width="{weights}" height="{HEIGHT}"/>'
        f'<rect class="tts-cache" x="{2 + weights}" y="2" width="{cache}" '
        f'height="{HEIGHT}"/>'
        f'<path class="tts-end" d="M{2 + free} 0V{HEIGHT + 4}"/></svg>'
        f"<div>{words}</div></div>"
    )


def memory_words(found: Memory) -> str:
    """The bar in a sentence.

    >>> memory_words(Memory(3_000_000_000, 0, 2_000_000_000))
    'Does not fit: needs about 3.0 GB of weights; 2.0 GB of memory free.'
    """
    lead = {True: "Fits: ", False: "Does not fit: ", None: ""}[found.fits]
    words = found.words()
    return f"{lead}{words if lead else words[:1].upper() + words[1:]}."


def refusal(spec: str, found: Memory, held: Sequence[str]) -> str:
    """Why a model is not loaded, and what can be done."""
    more = f", unload {held[-1]}" if held else ""
    short = size(found.total - (found.free or 0))
    return (
        f"{hidden(spec)!r} {found.words()}, {short} too little: choose a smaller "
        f"model{more}, or tick “Load even if it may not fit”"
    )


def status_words(status: Status, held: Sequence[str]) -> str:
    """How the load is doing, in a sentence.

    >>> status_words(Status(), [])
    'Choose a model and press Load.'
    """
    stays = f"{held[-1]} stays loaded." if held else "Nothing is loaded."
    if status.phase == "running":
        words = status.message or "starting"
        return f"{words} … {clock(status.seconds)}" if status.seconds >= 1 else words
    if status.phase == "stopping":
        return "Stopping …"
    if status.phase == "cancelled":
        return f"Cancelled. {stays}"
    if status.phase == "failed":
        return f"{status.message.rstrip('.')}. {status.hint} {stays}"
    if not held:
        return "Choose a model and press Load."
    if status.message == loaded_words(held[-1]):
        return f"{status.message} in {clock(status.seconds)}."
    return stays


def loaded_words(label: str) -> str:
    """What a load says last."""
    return f"loaded {label}"


def status(state: Status, held: Sequence[str]) -> str:
    """The status line; announced by screen readers when it changes."""
    return status_line(state, hidden(status_words(state, held)))


def facts(loaded: Loaded) -> list[tuple[str, str]]:
    """What is worth knowing of a loaded model: name and value."""
    model, plan = loaded.model, loaded.plan
    some = [("name", str(model.name)), ("backend", plan.backend)]
    parameters = getattr(getattr(model, "size", None), "parameters", 0)
    some.append(("parameters", plain(parameters) if parameters else "not told"))
    device = {"engine": "CPU", "server": hidden(plan.spec)}.get(plan.backend)
    device = device or str(getattr(model, "device", "") or device_of(plan.backend))
    if device.split(":")[0] in ("cpu", "cuda", "mps"):
        device = device.upper()
    some.append(("runs on", device))
    if wrong := getattr(model, "status", ""):  # of several servers
        some.append(("servers", wrong))
    if context := getattr(model, "context", None):
        some.append(("context", f"{plain(context)} tokens"))
    how = getattr(model, "format", None)
    if how is not None:
        chat = "chat template" if how.chat else "no chat template"
        some.append(("prompt format", f"{how.name}, {chat}"))
    if hasattr(model, "propose"):
        end = how.delimiter if how is not None else "\n"
        named = {"\n": "a line break", "\n\n": "a blank line"}
        some.append(("a step ends at", named.get(end, repr(end))))
    if family := getattr(model, "family", None):
        some.append(("family", str(getattr(family, "name", family))))
    if aggregation := getattr(model, "aggregation", None):
        some.append(("aggregation", str(aggregation)))
    return [*some, ("tried", loaded.test)] if loaded.test else some


def card(loaded: Loaded | None) -> str:
    """The loaded model's facts as a list."""
    if loaded is None:
        return ""
    rows = "".join(
        f'<div role="listitem"><span>{escape(name)}:</span> '
        f"{escape(hidden(value))}</div>"
        for name, value in facts(loaded)
    )
    label = escape(f"Loaded: {hidden(loaded.label)}")
    return f'<div class="tts-facts" role="list" aria-label="{label}">{rows}</div>'


def title(role: str) -> str:
    """What the picker is for."""
    return f'<div class="tts-title">Load another {role}</div>'


def machine(found: Sequence[Found] | None) -> str:
    """What was found: processors, backends, and how many models."""
    if found is None:
        return '<div class="tts-under">Looking at this machine …</div>'
    parts = []
    for one in found:
        if one.kind == "device":
            parts.append(", ".join(filter(None, [one.name, one.where, one.note])))
    for one in found:
        if one.kind == "backend" and not one.where:
            parts.append(f"{one.name} is not installed: {one.note}")
    counts = {
        "folder": "model folders here", "hub": "models in the hub's cache",
        "endpoint": "endpoints that answer",
    }  # fmt: skip
    for kind, words in counts.items():
        parts.append(f"{sum(one.kind == kind for one in found)} {words}")
    return f'<div class="tts-under">{escape(hidden(" · ".join(parts)))}</div>'


def label(one: Found) -> str:
    """A model that was found, as an option of a dropdown."""
    return hidden(" · ".join(filter(None, [one.name, one.note])))
