"""Searches with a known fault each, which the checks of exercise 5 compare with.

Promises: without a fault, `faulty` is the package's beam search (a test compares);
each fault changes one thing.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from tts_lab.strategies.sampling import Scored
from tts_lab.traces import Problem, Propose, Trace, Verify

Search = Generator[Propose | Verify, Any, Any]

#: what goes wrong in a beam search, and what the learner is told
BEAM = {
    "keeps n": "all candidates are kept; only the n // width best are, or the tree "
    "grows without end",
    "keeps width": "`width` candidates are kept, each continued n // width times; it "
    "is the other way round: keep n // width, continue each `width` times",
    "keeps one": "only the best one is kept; a beam keeps the n // width best",
    "keeps n less": "one candidate too few is kept: `[: n // width]` are n // width",
    "keeps the worst": "the candidates with the lowest scores are kept: sort by "
    "descending score",
    "keeps the first": "the candidates seen first are kept, whatever they score: sort "
    "them by score",
    "starts with width": "the first round writes `width` candidates; it is n, for "
    "there is only one parent",
    "scores parents": "the parents are scored, not their children: verify what "
    "`Propose` came back with",
    "finished stay": "finished traces stay among the candidates and take the place of "
    "unfinished ones: take them out, and keep them aside",
    "finished are lost": "finished traces are dropped and never returned: keep them "
    "aside with their scores",
    "only the last": "only what finished in the last round is returned: collect over "
    "all rounds, with `+=`",
    "stops at the first": "it ends with the first finished trace; the best may finish "
    "later: go on until n have finished or nothing unfinished is left",
    "never enough": "it goes on after n traces have finished: then the search is over",
    "more than n": "more than n traces are returned: return the n best of them",
    "the first n": "the n that finished first are returned, not the n best: sort by "
    "score before you cut",
    "as they came": "the result is not sorted: best first",
    "worst first": "the worst comes first: sort by descending score",
    "with unfinished": "unfinished traces are returned as well; they have no answer",
    "one round more": "there is one round too many: at most `max_steps`",
    "one round less": "there is one round too few: `max_steps` of them",
}

#: what goes wrong in a lookahead search
AHEAD = {
    "ignored": "the rollouts are written and then ignored: the candidates are scored "
    "as they stand. Score where their rollouts end",
    "none": "there are no rollouts: this is beam search",
    "candidates": "the rollouts are taken for the candidates: they only lend their "
    "score, the search goes on from the candidates themselves",
    "one step more": "the rollouts are one step too long: the candidate itself is not "
    "one of the `lookahead` steps",
    "one step less": "the rollouts are one step too short: `lookahead` steps come "
    "after the candidate",
    "one step": "the rollouts have one step, whatever `lookahead` is",
    "again": "every step of the rollouts begins at the candidates again: go on from "
    "where the last one ended, `ends = yield Propose(ends, ...)`",
    "sampled": "the rollouts are sampled; ask for them with temperature 0.0, or the "
    "score of a candidate is a matter of luck",
    "to the end": "the rollouts are written to the end; `lookahead` steps were asked",
    "the better": "the candidates are scored as well; only the end of a rollout counts",
    "finishing": "rollouts that finish are returned; they are thrown away, only "
    "finished candidates are kept",
}


def faulty(
    problem: Problem,
    *,
    n: int,
    width: int,
    max_steps: int,
    lookahead: int = 0,
    fault: str = "",
) -> Search:
    """Beam search with lookahead, and one fault."""
    finished: list[Scored] = []
    ranked: list[Scored] = []
    parents = [Trace(problem)]
    samples = width if fault == "starts with width" else n
    rounds = max_steps + (fault == "one round more") - (fault == "one round less")
    for _ in range(rounds):
        children = yield Propose(parents, samples, "step")
        ends = yield from _rollouts(children, lookahead, fault)
        scores = yield from _scores(parents, children, ends, fault)
        if fault == "candidates":
            children = ends
        ranked = list(zip(children, scores, strict=True))
        if fault != "keeps the first":
            sign = 1 if fault == "keeps the worst" else -1
            ranked.sort(key=lambda pair: sign * pair[1])
        done = [pair for pair in ranked if pair[0].finished]
        if fault == "finishing":
            rolled = zip(ends, scores, strict=True)
            done = [pair for pair in rolled if pair[0].finished]
        finished = done if fault == "only the last" else finished + done
        going = [trace for trace, _ in ranked if not trace.finished]
        if fault == "finished stay":
            going = [trace for trace, _ in ranked] if going else []
        enough = 1 if fault == "stops at the first" else n
        if not going or (len(finished) >= enough and fault != "never enough"):
            break
        parents, samples = _kept(going, n, width, fault)
    return _result(finished, ranked, n, fault)


def _rollouts(children: list[Trace], steps: int, fault: str) -> Search:
    if fault == "none":
        return children
    if fault == "to the end":
        return (yield Propose(children, 1, "end", 0.0)) if steps else children
    if fault == "one step":
        steps = min(steps, 1)
    steps += (fault == "one step more") - (fault == "one step less")
    ends = children
    for _ in range(steps):
        begin = children if fault == "again" else ends
        ends = yield Propose(begin, 1, "step", float(fault == "sampled"))
    return ends


def _scores(
    parents: list[Trace], children: list[Trace], ends: list[Trace], fault: str
) -> Search:
    if fault == "scores parents":
        scores = yield Verify(parents)
        times = len(children) // len(parents)
        return [score for score in scores for _ in range(times)]
    if fault == "the better" and ends is not children:
        own = yield Verify(children)
        far = yield Verify(ends)
        return [max(pair) for pair in zip(own, far, strict=True)]
    return (yield Verify(children if fault == "ignored" else ends))


def _kept(
    going: list[Trace], n: int, width: int, fault: str
) -> tuple[list[Trace], int]:
    if fault == "keeps width":
        return going[:width], n // width
    keep = {"keeps n": n, "keeps one": 1, "keeps n less": max(1, n // width - 1)}
    return going[: keep.get(fault, n // width)], width


def _result(finished: list[Scored], ranked: list[Scored], n: int, fault: str) -> Any:
    if fault == "finished are lost":
        return [pair for pair in ranked if not pair[0].finished]
    if fault == "as they came":
        return finished[:n]
    if fault == "the first n":
        return sorted(finished[:n], key=lambda pair: -pair[1])
    if fault == "with unfinished":
        finished = finished + [pair for pair in ranked if not pair[0].finished]
    if fault == "worst first":
        return sorted(finished, key=lambda pair: pair[1])[:n]
    best = sorted(finished, key=lambda pair: -pair[1])
    return best if fault == "more than n" else best[:n]
