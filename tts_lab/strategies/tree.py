"""Monte-Carlo tree search over steps, guided by a verifier.

A node is a trace so far. Its value is the mean score of the finished traces below it,
so what looked good and led nowhere is left again: that is what beam search cannot do.
Policies as in `tts_lab.strategies.search`; a subtree whose traces are all finished is
not visited again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from tts_lab.strategies.sampling import Scored
from tts_lab.strategies.search import MAX_STEPS, Search, best, check, unique
from tts_lab.traces import Problem, Propose, Trace, Verify


@dataclass(slots=True)
class _Node:
    trace: Trace
    prior: float = 0.0  # the verifier's score
    visits: int = 0
    total: float = 0.0
    closed: bool = False
    children: list[_Node] = field(default_factory=list)

    def worth(self, visits: int, exploration: float) -> float:
        """PUCT: the mean value, the prior where it was never visited, and a bonus."""
        mean = self.total / self.visits if self.visits else self.prior
        return mean + exploration * math.sqrt(visits) / (1 + self.visits)


def mcts(
    problem: Problem,
    *,
    n: int = 16,
    width: int = 4,
    exploration: float = 0.3,
    max_steps: int = MAX_STEPS,
    temperature: float = 1.0,
) -> Search:
    """Monte-Carlo tree search: n times select, expand, simulate, back up.

    Parameters
    ----------
    problem : Problem
    n : int
        Simulations: each finishes one trace.
    width : int
        Children of a node.
    exploration : float
        Weight of the bonus for nodes that were seldom visited.
    max_steps : int
        Depth at which nodes are not expanded any more.
    temperature : float

    Returns
    -------
    list of (Trace, float)
        At most n different finished traces with the verifier's scores, best first.

    Raises
    ------
    ValueError
        If a number is less than 1 or exploration is negative.

    References
    ----------
    Kocsis and Szepesvari (2006); the bonus is that of Silver et al. (2017) with equal
    priors. Brown et al. (2407.21787) and the test-time training papers use it as the
    search that looks back.
    """
    check(n, 1, max_steps)
    if width < 1 or exploration < 0:
        raise ValueError(
            f"width={width!r}, exploration={exploration!r}; accepted are 1 or more, "
            "and 0 or more"
        )
    root = _Node(Trace(problem))
    finished: dict[str, Scored] = {}
    for _ in range(n):
        path = [root]
        while path[-1].children:
            visits = path[-1].visits
            options = [node for node in path[-1].children if not node.closed]
            path.append(max(options, key=lambda c: c.worth(visits, exploration)))
        if len(path) <= max_steps:
            steps = yield Propose([path[-1].trace], width, "step", temperature)
            steps = unique(steps)
            priors = yield Verify(steps)
            path[-1].children = [
                _Node(trace, prior) for trace, prior in zip(steps, priors, strict=True)
            ]
            path.append(max(path[-1].children, key=lambda child: child.prior))
        leaf = path[-1]
        [end] = yield Propose([leaf.trace], 1, "end", temperature)
        [score] = yield Verify([end])
        if end.finished:
            finished[end.text] = (end, score)
        leaf.closed = leaf.trace.finished or len(path) > max_steps
        for node in reversed(path):
            node.visits += 1
            node.total += score
            node.closed |= bool(node.children) and all(
                child.closed for child in node.children
            )
        if root.closed:
            break
    return best(list(finished.values()), n)
