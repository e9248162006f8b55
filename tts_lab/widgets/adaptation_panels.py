"""The texts of the test-time training widget as HTML: status, costs, votes, verdict."""

from __future__ import annotations

from html import escape

from tts_lab.figures.budget import plain
from tts_lab.figures.grids import Strip, lettered
from tts_lab.ttt.frames import Frame
from tts_lab.ttt.watch import PIP
from tts_lab.widgets.runner import Status, status_line


def status_words(state: Status, frame: Frame | None, *, recorded: bool = False) -> str:
    """What is going on, in a sentence.

    >>> status_words(Status(), None)
    'Ready. Press Run: an adapter is trained on this task, on this machine.'
    """
    if state.phase == "idle" and recorded:
        return "Ready. Press Play to see the recorded run."
    if state.phase == "idle":
        return "Ready. Press Run: an adapter is trained on this task, on this machine."
    if state.phase == "running":
        return f"{state.message or 'starting'} …"
    if state.phase == "stopping":
        return "Stopping …"
    if state.phase == "failed":
        return f"{state.message.rstrip('.')}. {state.hint}"
    steps = 0 if frame is None else len(frame.losses)
    if state.phase == "cancelled":
        kept = "" if recorded else "; the policy is what it was"
        return f"Cancelled after {steps} steps{kept}."
    if recorded:
        return f"Done: {steps} recorded steps played. {verdict(frame)}"
    return f"Done in {state.seconds:.1f} s: {steps} steps trained. {verdict(frame)}"


def status(state: Status, frame: Frame | None, *, recorded: bool = False) -> str:
    """The status line; announced by screen readers when it changes."""
    return status_line(state, status_words(state, frame, recorded=recorded))


def source(frame: Frame | None, *, torch: bool) -> str:
    """That a run is recorded, and how to run it here."""
    who = "" if frame is None else f" of {escape(frame.policy)}"
    way = "" if torch else f" To train on this machine: <code>{escape(PIP)}</code>"
    lead = "" if torch else "torch is not installed. "
    return (
        f'<div class="tts-recorded"><b>Recorded run{who}.</b> {lead}Nothing is trained '
        f"here: its seconds are those of the machine that recorded it.{way}</div>"
    )


def _costs(frame: Frame | None) -> list[tuple[str, str, str]]:
    if frame is None:
        names = ("step", "cells wrong now", "trained on", "training, 6N",
                 "answering, 2N", "time")  # fmt: skip
        return [(name, "–", "") for name in names]
    wrong, before = "–", ""
    if frame.guesses:
        counts = [_wrong(frame, i) for i in (0, -1)]
        wrong, before = counts[1], f"untrained: {counts[0]}"
    answering = "–"
    if frame.complete:
        answering = _flops(frame.answering_flops)
    seconds = f"{frame.training_seconds:.1f} s"
    told = "training"
    if frame.complete:
        told = f"+ {frame.answering_seconds:.1f} s answering"
    return [
        ("step", str(len(frame.losses)), f"of {frame.plan.steps}"),
        ("cells wrong now", wrong, before),
        ("trained on", plain(sum(frame.read)), "tokens"),
        ("training, 6N", _flops(frame.training_flops), "FLOPs"),
        ("answering, 2N", answering, "FLOPs"),
        ("time", seconds, told),
    ]


def tiles(frame: Frame | None) -> str:
    """What it has cost so far, and how wrong the answer is."""
    boxes = "".join(
        f"<div><span>{name}</span><br><b>{value}</b> {unit}</div>"
        for name, value, unit in _costs(frame)
    )
    return f'<div class="tts-tiles">{boxes}</div>'


def cost_words(frame: Frame) -> str:
    """The same as text."""
    return ", ".join(f"{name}: {value} {unit}".strip()
                     for name, value, unit in _costs(frame))  # fmt: skip


def verdict(frame: Frame | None) -> str:
    """Whether one of the two answers is right."""
    place = None if frame is None else frame.place()
    if frame is None or place is None:
        return "No vote yet."
    number = len(frame.votes().answers)
    if not frame.plan.vote:
        return f"The one answer is {'right' if place else 'wrong'}."
    if place == 1:
        return "pass@2: solved, by the first answer."
    if place == 2:
        return "pass@2: solved, by the second answer."
    given = "no answer was given" if not number else "neither answer is right"
    return f"pass@2: not solved, {given}."


def votes(frame: Frame | None) -> str:
    """Both stages of the vote as a table, and the verdict."""
    if frame is None or not frame.complete:
        return ""
    found = frame.votes()
    names = list(found.each)
    letters = lettered(frame)
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    rows = []
    for row, letter in letters.items():
        first = "".join(f"<td>{found.each[name].get(row, 0)}</td>" for name in names)
        place = found.answers.index(row) + 1 if row in found.answers else 0
        said = {1: "1st", 2: "2nd"}.get(place, "")
        right = row == frame.truth
        mark = '<td class="tts-ok">✓ right</td>' if right else (
            '<td class="tts-no">✗ wrong</td>')  # fmt: skip
        rows.append(
            f'<tr{" class=tts-won" if place else ""}><th scope="row">{letter}</th>'
            f"{first}<td>{found.elected.get(row, 0)}</td><td>{said}</td>{mark}</tr>"
        )
    solved = bool(frame.place())
    name, sign = ("tts-ok", "✓") if solved else ("tts-no", "✗")
    return (
        '<div class="tts-title">The vote in two stages</div>'
        '<table class="tts-votes"><thead><tr><th scope="col">answer</th>'
        f'{head}<th scope="col">together</th><th scope="col">place</th>'
        '<th scope="col">checker</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
        '<div class="tts-under">First each transformation elects its three most '
        "frequent answers, then all elected ones vote.</div>"
        f'<div class="tts-verdict"><span class="{name}">{sign}</span> '
        f"{escape(verdict(frame))}</div>"
    )


def vote_words(frame: Frame) -> list[str]:
    """The same in rows."""
    found = frame.votes()
    lines = []
    for row, letter in lettered(frame).items():
        each = ", ".join(f"{name} {n.get(row, 0)}" for name, n in found.each.items())
        lines.append(
            f"{letter} {Strip('', (row,), frame.truth).words()[2:]}: {each}, together "
            f"{found.elected.get(row, 0)}"
        )
    return [*lines, verdict(frame)]


def _wrong(frame: Frame, index: int) -> str:
    row = frame.guesses[index].row
    if row is None:
        return "no row"
    return str(len(Strip("", (row,), frame.truth).wrong()))


def _flops(value: float) -> str:
    return f"{value:.2g}".replace("e+0", "e").replace("e+", "e")
