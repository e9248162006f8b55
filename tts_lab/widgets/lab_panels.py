"""The strategy lab's texts as HTML: status, cost, answer. Model text is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from tts_lab.figures.budget import plain
from tts_lab.problems import domain
from tts_lab.widgets.runner import Status, status_line

if TYPE_CHECKING:
    from tts_lab.widgets.lab_play import Play


def status_words(status: Status, play: Play | None) -> str:
    """What is going on, in a sentence.

    >>> status_words(Status(), None)
    'Ready. Press Run, or Step to go request by request.'
    """
    if status.phase == "idle":
        return "Ready. Press Run, or Step to go request by request."
    if status.phase == "running":
        if play is not None and play.gate.waiting:
            return "Waiting: press Step for the next request, Run for the rest."
        return f"{status.message or 'starting'} …"
    if status.phase == "stopping":
        return "Stopping …"
    if status.phase == "failed":
        return f"{status.message.rstrip('.')}. {status.hint}"
    samples = 0 if play is None else play.tree.samples
    if status.phase == "cancelled":
        return f"Cancelled after {plain(samples)} samples; the tree is kept."
    return f"Done in {status.seconds:.1f} s: {plain(samples)} samples."


def status(state: Status, play: Play | None) -> str:
    """The status line; announced by screen readers when it changes."""
    return status_line(state, status_words(state, play))


def _costs(play: Play) -> list[tuple[str, str, str]]:
    tree, policy, verifier = play.tree, play.policy_size, play.verifier_size
    sizes = [(policy, tree.tokens), (verifier, tree.read)]
    flops = sum(2.0 * one.parameters * read for one, read in sizes if one is not None)
    told = f"{flops:.2g}".replace("e+0", "e").replace("e+", "e")
    if any(one is not None and not one.parameters for one, _ in sizes):
        told = "unknown"  # an endpoint need not tell its model's size
    return [
        ("samples", plain(tree.samples), ""),
        ("different lines", plain(len(tree) - 1), ""),
        ("written", plain(tree.tokens), "tokens"),
        ("read by the verifier", plain(tree.read), "tokens"),
        (
            "both, 2N a token",
            told,
            "FLOPs",
        ),
    ]


def tiles(play: Play | None) -> str:
    """What the search has cost so far."""
    names = ("samples", "different lines", "written", "read by the verifier",
             "both, 2N a token")  # fmt: skip
    values = [(name, "–", "") for name in names] if play is None else _costs(play)
    boxes = "".join(
        f"<div><span>{name}</span><br><b>{value}</b> {unit}</div>"
        for name, value, unit in values
    )
    return f'<div class="tts-tiles">{boxes}</div>'


def cost_words(play: Play) -> str:
    """The same as text."""
    return ", ".join(" ".join(filter(None, cost)) for cost in _costs(play))


def answer_words(play: Play) -> str:
    """What was chosen, and whether it is right."""
    if play.outcome is None or not play.outcome.complete:
        return "no answer yet"
    if play.choice is None:
        return "no trace was finished: nothing to choose"
    verdict = "right" if play.right else "wrong"
    others = len(play.choice.weights) - 1
    return f"chosen {play.choice.answer}: {verdict} ({others} other answers)"


def answer(play: Play) -> str:
    """The chosen trace, step by step."""
    if play.choice is None:
        return f'<p class="tts-samples">{escape(answer_words(play))}</p>'
    name, mark = ("tts-ok", "✓") if play.right else ("tts-no", "✗")
    trace = play.choice.trace
    render = getattr(domain(trace.problem.domain), "render", None)
    lines = trace.text if render is None else render(trace.problem, trace.text)
    return (
        f'<div class="tts-samples tts-answer"><h4><span class="{name}">{mark}</span> '
        f"{escape(answer_words(play))}</h4><pre>{escape(lines)}</pre></div>"
    )
