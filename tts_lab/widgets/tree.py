"""A search as a tree, built from the events of a run.

Promises: every trace that was written is in the tree, one node per different text so
far; sampling the same line again raises its count. Not covered: what it looks like
(`tts_lab.widgets.tree_chart`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tts_lab.traces import Event, Problem, Sampled, Scored, Trace

State = Literal["root", "chosen", "finished", "kept", "open", "pruned"]
#: what a state is called, and its mark in text
WORDS: dict[State, tuple[str, str]] = {
    "root": ("problem", ""),
    "chosen": ("chosen", "★"),
    "finished": ("finished", "■"),
    "kept": ("kept", "●"),
    "open": ("not decided", "○"),
    "pruned": ("pruned", "×"),
}


@dataclass(slots=True)
class Node:
    """One line of a trace, after the lines of its parents.

    Attributes
    ----------
    text : str
        The trace up to here.
    step : str
        Its last line; the prompt for the root.
    depth : int
    finished : bool
        The model ended the trace here.
    score : float
        The verifier's last; NaN before it has one.
    count : int
        How often it was sampled.
    children : list of Node
    """

    text: str
    step: str
    depth: int
    finished: bool = False
    score: float = math.nan
    count: int = 0
    children: list[Node] = field(default_factory=list)


class SearchTree:
    """The tree of one problem; hand it the events of the run.

    Parameters
    ----------
    problem : Problem

    Attributes
    ----------
    root : Node
    samples, tokens, read : int
        Rows written, their tokens, and tokens that the verifier read.

    Examples
    --------
    >>> problem = Problem("chains", "3+4\\n", 1)
    >>> right = Trace(problem, "3+4=7\\n#7", 9, True)
    >>> tree = SearchTree(problem)
    >>> tree.on_event(Sampled(0, [right, Trace(problem, "3+4=8\\n", 6)], tokens=15))
    >>> tree.on_event(Scored(0, [right], [0.9]))
    >>> print(tree.text())
    3+4
      ● 3+4=7
        ■ #7 · finished, score 0.9
      ○ 3+4=8 · not decided
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.root = Node("", problem.prompt.strip(), 0)
        self.samples = self.tokens = self.read = 0
        self._nodes: dict[tuple[str, bool], Node] = {("", False): self.root}
        self._fresh: set[int] = set()  # ids of the nodes of the last round
        self._chosen: str | None = None
        self._round_over = True

    def __len__(self) -> int:
        return len(self._nodes)

    def on_event(self, event: Event) -> None:
        """Grow by what was sampled, or note what it scored."""
        if isinstance(event, Sampled):
            if self._round_over:
                self._fresh, self._round_over = set(), False
            self.samples += len(event.traces)
            self.tokens += event.tokens
            for trace in event.traces:
                node = self._add(trace)
                node.count += 1
                self._fresh.add(id(node))
        elif isinstance(event, Scored):
            self._round_over = True
            self.read += event.tokens
            for trace, score in zip(event.traces, event.scores, strict=True):
                self._add(trace).score = score

    def choose(self, trace: Trace | None) -> None:
        """Mark the trace that was chosen in the end; None for none."""
        self._chosen = None if trace is None else trace.text

    def state(self, node: Node) -> State:
        """What has become of a node."""
        if node is self.root:
            return "root"
        if self._chosen is not None and self._chosen.startswith(node.text):
            return "chosen"
        if node.finished:
            return "finished"
        if node.children:
            return "kept"
        return "open" if id(node) in self._fresh else "pruned"

    def walk(self, node: Node | None = None) -> Iterator[Node]:
        """All nodes, parents before children, siblings as first seen."""
        stack = [self.root if node is None else node]
        while stack:
            one = stack.pop()
            yield one
            stack += reversed(one.children)

    def text(self) -> str:
        """The tree in words: a line per node, indented by depth."""
        return "\n".join("  " * node.depth + self.line(node) for node in self.walk())

    def line(self, node: Node) -> str:
        """One node in words."""
        state = self.state(node)
        word, mark = WORDS[state]
        if node is self.root:
            return node.step.replace("\n", " ")
        notes = [] if state == "kept" else [word]
        if not math.isnan(node.score):
            notes.append(f"score {node.score:.2g}")
        if node.count > 1:
            notes.append(f"sampled {node.count} times")
        step = node.step.replace("\n", " ") or "(empty line)"
        return f"{mark} {step}" + (f" · {', '.join(notes)}" if notes else "")

    def _add(self, trace: Trace) -> Node:
        """The trace's node; those on the way to it are made when they are missing."""
        node = self._nodes.get((trace.text, trace.finished))
        if node is not None:
            return node
        node = self.root
        steps: Sequence[str] = [step.text for step in trace.steps]
        ends = _ends(trace)
        for depth, (step, end) in enumerate(zip(steps, ends, strict=True), 1):
            last = depth == len(steps)
            key = (trace.text[:end], trace.finished and last)
            if key not in self._nodes:
                child = Node(key[0], step, depth, key[1])
                node.children.append(child)
                self._nodes[key] = child
            node = self._nodes[key]
        return node


def _ends(trace: Trace) -> list[int]:
    """Where each step ends in the trace's text, its delimiter included.

    >>> text = "So\\n\\n\\n2.\\n\\nEnd"
    >>> _ends(Trace(Problem("text", "1+1?", delimiter="\\n\\n"), text))
    [4, 9, 12]
    """
    delimiter, text = trace.problem.delimiter, trace.text
    ends, begin = [], 0
    while begin < len(text):
        at = text.find(delimiter, begin)
        end = len(text) if at < 0 else at + len(delimiter)
        part = text[begin : end if at < 0 else at]
        if delimiter == "\n" or part.strip():  # as `Trace.steps` has them
            ends.append(end)
        begin = end
    return ends
