"""Sequential revision: attempts that see the attempts before them.

A model that learned to revise (`tts_lab.revise`) gets the problem and its last
attempts, the newest first, each closed by a line with a question mark, then the problem
once more, and writes the next. (Stated again, the problem is as near as in pretraining;
without that, every attempt with a context was weaker than one without, see LOG.md.)
Policies:

- A chain is a sequence of attempts; each sees the last `WINDOW` of its chain, fewer
  when the model's context is too short, the oldest left out first. Chains know nothing
  of each other, so `n` attempts are n / chains revisions of `chains` starts: all
  parallel (chains = n), all sequential (chains = 1), or any mix. Where not even one
  attempt fits, the next is a fresh one.
- Every attempt is kept and returned, the last one is not preferred: revision spoils
  right attempts too, so the choice is made over the whole chain (Snell et al.
  2408.03314, sec. 6.2).
- An attempt that was cut off ends nothing: the next one sees it as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

from tts_lab.strategies.search import Search
from tts_lab.traces import Problem, Propose, Trace, Verify

WINDOW = 4  # attempts that a revision sees
CLOSED = "\n?\n"  # written behind an attempt that is to be revised
ROOM = 255  # characters of problem, context, problem again and attempt
SPARE = 8  # characters by which an attempt may be longer than those before it


def context(
    prompt: str,
    attempts: Sequence[str],
    room: int | None = None,
    *,
    window: int = WINDOW,
) -> str:
    """What stands between the problem and the next attempt: the last ones that fit.

    The newest comes first: so it stands where the next attempt will, right behind the
    problem.

    Parameters
    ----------
    prompt : str
    attempts : sequence of str
    room : int, optional
        Characters that prompt, attempts and the prompt again may have; by default so
        many that an attempt as long as the longest so far fits behind them.
    window : int
        Attempts at most.

    Examples
    --------
    >>> context("47+38\\n", ["#9", "#80"])
    '#80\\n?\\n#9\\n?\\n47+38\\n'
    >>> context("47+38\\n", ["#9", "#80"], room=18)
    '#80\\n?\\n47+38\\n'
    >>> context("47+38\\n", [])
    ''
    """
    if room is None:
        room = ROOM - SPARE - max(map(len, attempts), default=0)
    kept = ""
    for text in reversed(attempts[-window:]):
        if len(text) + len(CLOSED) + len(kept) > room - 2 * len(prompt):
            break
        kept += text + CLOSED
    return kept + prompt if kept else ""


def revise(
    problem: Problem,
    *,
    n: int = 16,
    chains: int = 1,
    temperature: float = 1.0,
) -> Search:
    """Write n attempts in so many chains, each attempt seeing those before it.

    Parameters
    ----------
    problem : Problem
    n : int
        Attempts in all.
    chains : int
        Chains side by side; n / chains attempts in each, the first ones one more
        when it does not come out even.
    temperature : float

    Returns
    -------
    list of (Trace, float)
        All attempts with the verifier's scores: the first of every chain, then the
        second of every chain, and so on (`by_chain` sorts them).

    Raises
    ------
    ValueError
        If a number is less than 1 or there are more chains than attempts.

    References
    ----------
    Snell et al. (2408.03314) sec. 6.

    Examples
    --------
    >>> from functools import partial
    >>> from tts_lab.proposers.scripted import Scripted
    >>> from tts_lab.run import run
    >>> from tts_lab.verifiers.exact import Exact
    >>> table = {"47+38\\n": ["#84"],
    ...          "47+38\\n#84\\n?\\n47+38\\n": ["47+38=85\\n#85"]}
    >>> found = run(partial(revise, n=2), [Problem("chains", "47+38\\n")],
    ...             proposer=Scripted(table), verifier=Exact(), seed=0)[0].value
    >>> [(trace.text, score) for trace, score in found]
    [('#84', 0.0), ('47+38=85\\n#85', 1.0)]
    """
    for name, value in (("n", n), ("chains", chains)):
        if value < 1:
            raise ValueError(f"{name} must be 1 or more, got {value!r}")
    if chains > n:
        raise ValueError(f"chains={chains!r} do not fit into n={n!r} attempts")
    written: list[list[Trace]] = [[] for _ in range(chains)]
    left = n
    while left:
        going = written[: min(chains, left)]
        seen = [
            context(problem.prompt, [trace.text for trace in chain]) for chain in going
        ]
        parents = [Trace(problem, start) for start in seen]
        traces = yield Propose(parents, 1, "end", temperature)
        for chain, trace, start in zip(going, traces, seen, strict=True):
            chain.append(_attempt(trace, start))
        left -= len(going)
    flat = [chain[i] for i in range(len(written[0])) for chain in written
            if i < len(chain)]  # fmt: skip
    scores = yield Verify(flat)
    return list(zip(flat, scores, strict=True))


def by_chain(found: Sequence[tuple[Trace, float]], chains: int) -> list[
    list[tuple[Trace, float]]
]:  # fmt: skip
    """What `revise` returned, chain by chain.

    >>> pairs = [(Trace(Problem("chains", "1+1\\n"), str(i)), 0.0) for i in range(5)]
    >>> [[trace.text for trace, _ in chain] for chain in by_chain(pairs, 2)]
    [['0', '2', '4'], ['1', '3']]
    """
    return [list(found[first::chains]) for first in range(chains)]


def _attempt(trace: Trace, start: str) -> Trace:
    """The trace without the context it was written behind."""
    return Trace(
        trace.problem, trace.text.removeprefix(start), trace.tokens, trace.finished,
        trace.logprob,
    )  # fmt: skip
