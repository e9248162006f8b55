"""A search tree as SVG, without any script: depth to the right, one row per leaf.

Promises: states are told by shape and word, not by colour alone; every node can be
reached with the Tab key and says its step and score, as it does under the mouse; text
is escaped; no more than `MAX_LEAVES` rows, the rest is counted. Not covered: what the
states mean (`tts_lab.widgets.tree`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

from tts_lab.widgets.tree import WORDS, Node, SearchTree, State

MAX_LEAVES = 64
COLUMN, ROW, LEFT, TOP, RADIUS = 188, 22, 14, 64, 5.5
FIRST = 112  # from the root to its children
CHARACTERS = 19  # of a step beside its node
TIP = 110  # of a node in words; all of it stands in its title


@dataclass(frozen=True)
class Placed:
    """A node, or a count of leaves left out, and where it stands."""

    node: Node | None
    x: float
    y: float
    parent: tuple[float, float] | None
    hidden: int = 0


def layout(tree: SearchTree) -> tuple[list[Placed], int]:
    """Where everything stands, and the number of rows."""
    shown = _shown(tree)
    placed: list[Placed] = []
    rows = 0

    def place(node: Node) -> float:
        nonlocal rows
        x = _x(node.depth)
        heights, children = [], [c for c in node.children if id(c) in shown]
        first = len(placed)
        hidden = _leaves(node) - sum(_leaves(child) for child in children)
        for child in children:
            heights.append(place(child))
        if node.children and hidden:
            heights.append(TOP + rows * ROW)
            placed.append(Placed(None, _x(node.depth + 1), heights[-1], None, hidden))
            rows += 1
        if not heights:
            heights.append(TOP + rows * ROW)
            rows += 1
        y = (heights[0] + heights[-1]) / 2
        for i in range(first, len(placed)):
            one = placed[i]
            if one.parent is None and one.x == _x(node.depth + 1):
                placed[i] = Placed(one.node, one.x, one.y, (x, y), one.hidden)
        placed.append(Placed(node, x, y, None))
        return y

    place(tree.root)
    return placed, rows


def svg(tree: SearchTree) -> str:
    """The tree as HTML: legend, branches, nodes."""
    placed, rows = layout(tree)
    depth = max((p.node.depth for p in placed if p.node), default=0)
    width = max(_x(depth) + 0.9 * COLUMN, 4 * COLUMN)
    height = TOP + max(rows, 1) * ROW
    parts = [_legend()]
    for one in placed:
        if one.parent:
            (x0, y0), bend = one.parent, (one.parent[0] + one.x) / 2
            chosen = one.node is not None and tree.state(one.node) == "chosen"
            name = "tts-branch tts-chosen" if chosen else "tts-branch"
            parts.append(
                f'<path class="{name}" d="M{x0:.0f} {y0:.1f}C{bend:.0f} {y0:.1f} '
                f'{bend:.0f} {one.y:.1f} {one.x:.0f} {one.y:.1f}"/>'
            )
    # parents before children, so that arrow keys go down the tree line by line
    order = {id(node): i for i, node in enumerate(tree.walk())}
    parts += [_more(one) for one in placed if one.node is None]
    nodes = [(order[id(one.node)], one) for one in placed if one.node is not None]
    for _, one in sorted(nodes, key=lambda pair: pair[0]):
        parts.append(_node(tree, one))
    words = f"Search tree: {len(tree) - 1} different lines from {tree.samples} samples."
    best = [node for node in tree.walk() if tree.state(node) == "chosen"]
    if best:
        words += f" Chosen: {best[-1].step}."
    return (
        f'<div class="tts-tree"><svg class="tts-svg" style="width:{width:.0f}px" '
        f'viewBox="0 0 {width:.0f} {height}" role="tree" aria-label="{escape(words)}">'
        f"{''.join(parts)}</svg></div>"
    )


def _x(depth: int) -> float:
    return LEFT + (FIRST + (depth - 1) * COLUMN if depth else 0)


def _node(tree: SearchTree, at: Placed) -> str:
    node = at.node
    if node is None:
        return _more(at)
    state = tree.state(node)
    score = "" if math.isnan(node.score) else f" {node.score:.2g}"
    step = _cut(" ".join(node.step.split()), CHARACTERS)
    times = f" ×{node.count}" if node.count > 1 else ""
    label = escape(step + times)
    words = escape(tree.line(node))
    beside = (
        f'<text x="{at.x + 9:.0f}" y="{at.y - 5:.1f}">{label}'
        f'<tspan class="tts-detail">{score}</tspan></text>'
    )
    said = escape(_cut(tree.line(node), TIP))
    tip = f'<text class="tts-tip" x="{LEFT}" y="36">{said}</text>'
    return (
        f'<g class="tts-node tts-{state}" tabindex="0" role="treeitem" '
        f'aria-level="{node.depth + 1}" aria-label="{words}"><title>{words}</title>'
        f"{shape(state, at.x, at.y)}{beside}{tip}</g>"
    )


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def shape(state: State, x: float, y: float) -> str:
    """The mark of a state."""
    r = RADIUS
    if state == "finished":
        return (
            f'<rect x="{x - r:.1f}" y="{y - r:.1f}" width="{2 * r}" height="{2 * r}"/>'
        )
    if state == "chosen":
        points = []
        for i in range(10):
            angle = math.pi * (i / 5 - 0.5)
            reach = 1.5 * r if i % 2 == 0 else 0.65 * r
            points.append(
                f"{x + reach * math.cos(angle):.1f},{y + reach * math.sin(angle):.1f}"
            )
        return f'<polygon points="{" ".join(points)}"/>'
    if state == "pruned":
        a = 0.7 * r
        return (
            f'<path class="tts-cross" d="M{x - a:.1f} {y - a:.1f}l{2 * a} {2 * a}'
            f'm0 {-2 * a}l{-2 * a} {2 * a}"/>'
        )
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r}"/>'


def _more(at: Placed) -> str:
    return (
        f'<text class="tts-detail" x="{at.x - 4:.0f}" y="{at.y + 4:.1f}">'
        f"… {at.hidden} more</text>"
    )


def _legend() -> str:
    parts, x = [], float(LEFT)
    states: tuple[State, ...] = ("kept", "pruned", "open", "finished", "chosen")
    for state in states:
        word = WORDS[state][0]
        parts.append(
            f'<g class="tts-node tts-{state}" aria-hidden="true">{shape(state, x, 12)}'
            f'<text x="{x + 11:.0f}" y="16">{word}</text></g>'
        )
        x += 34 + 7.2 * len(word)
    return "".join(parts)


def _leaves(node: Node) -> int:
    return sum(map(_leaves, node.children)) or 1


def _shown(tree: SearchTree) -> set[int]:
    """Nodes to draw: the chosen, then those that were kept, then the best scores."""
    rank: dict[State, int] = {
        "root": 0, "chosen": 0, "kept": 1, "finished": 2, "open": 3, "pruned": 4,
    }  # fmt: skip

    def worth(node: Node) -> tuple[int, float]:
        score = -math.inf if math.isnan(node.score) else node.score
        return rank[tree.state(node)], -score

    parents = {id(child): node for node in tree.walk() for child in node.children}
    leaves = [node for node in tree.walk() if not node.children]
    shown: set[int] = {id(tree.root)}
    for leaf in sorted(leaves, key=worth)[:MAX_LEAVES]:
        node: Node | None = leaf
        while node is not None and id(node) not in shown:
            shown.add(id(node))
            node = parents.get(id(node))
    return shown
