"""The recipe of the shipped grid; `tts-lab measure-grid` runs it, part by part.

A part that the folder has is not made again, so a stopped run goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tts_lab import ladder, strategies
from tts_lab.bootstrap import IntArray
from tts_lab.grid import store, tables
from tts_lab.problems import domain as module_of
from tts_lab.race import chooser, finished, options
from tts_lab.run import run
from tts_lab.searches import STRATEGIES
from tts_lab.strategies import revision
from tts_lab.subsets import Pool
from tts_lab.traces import Problem, Trace
from tts_lab.verifiers import Verifier, library
from tts_lab.verifiers.exact import Exact

SEED = 20_241_104
RULES = ("best-of-n", "weighted vote", "majority")

#: policy to (samples of each problem, the verifiers that score them)
POOLS: dict[str, tuple[int, tuple[str, ...]]] = {
    "105k": (256, ("prm-a", "prm-x", "likelihood-380k")),
    "27k-12000000": (256, ("prm-a",)),
    "27k": (64, ("prm-a", "prm-x")),
    "380k": (64, ("prm-a",)),
    "812k": (64, ("prm-a",)),
    "1.5m": (64, ("prm-a", "prm-x")),
    "380k-3000000": (64, ()),
    "1.5m-3000000": (64, ()),
}


@dataclass(frozen=True)
class Searches:
    """Which searches are run with a policy and a verifier."""

    policy: str
    verifier: str
    strategies: tuple[str, ...]
    repeats: tuple[tuple[int, int], ...]  # n, runs
    per_level: dict[str, int]


_MAIN = {"chains": 40, "countdown": 50}
_SHARE = {"chains": 12, "countdown": 15}
SEARCHES = (
    Searches("105k", "prm-a", ("beam search", "DVTS", "REBASE", "lookahead 1"),
             ((4, 2), (16, 1), (64, 1)), _MAIN),
    *(Searches(policy, "prm-a", ("beam search", "DVTS"), ((64, 1),), _SHARE)
      for policy in ("27k", "1.5m", "380k", "812k")),
    *(Searches(policy, "prm-x", ("beam search",), ((64, 1),), _SHARE)
      for policy in ("27k", "105k")),
)  # fmt: skip


#: of revisers: chains and steps of each run
SHAPES = ((64, 2), (16, 8), (4, 64))
#: levels that fit twice into a context, and problems of each
REVISED = {"reviser-380k": {"chains": ((4, 5, 6), 40), "countdown": ((2, 3, 4, 5), 30)}}


def sample(
    policy: str, domain: str, n: int, verifiers: Sequence[str], *, seed: int = SEED,
    some: Sequence[Problem] | None = None,
) -> store.Pools:  # fmt: skip
    """Draw the pools of a policy, and its greedy answers."""
    chosen = store.evaluated(domain) if some is None else list(some)
    proposer = ladder.load(store.policy_folder(policy))
    greedy = run(
        partial(strategies.repeated_sampling, n=1, temperature=0.0), chosen,
        proposer=proposer, verifier=Exact(), seed=seed,
    )  # fmt: skip
    outcomes = run(
        partial(strategies.repeated_sampling, n=n), chosen, proposer=proposer,
        verifier=Exact(), seed=seed,
    )  # fmt: skip
    traces = [[trace for trace, _ in outcome.value] for outcome in outcomes]
    every = [
        Pool.of(own, [score == 1 for _, score in outcome.value])
        for own, outcome in zip(traces, outcomes, strict=True)
    ]
    scores, read = {}, {}
    for name in verifiers:
        judge = library.load(name)
        scores[name] = np.array([verified(judge, own) for own in traces])
        read[name] = np.array([[judge.tokens(t) for t in own] for own in traces])
    return store.Pools(
        policy, domain,
        np.array([pool.answer for pool in every]),
        np.array([pool.right for pool in every]),
        np.array([[trace.tokens for trace in own] for own in traces]),
        scores, read,
        np.array([outcome.value[0][1] == 1 for outcome in greedy]),
        seed,
    )  # fmt: skip


def verified(judge: Verifier, traces: Sequence[Trace]) -> list[float]:
    """The scores of one problem's traces, each different text read once."""
    different = list({(trace.text, trace.finished): trace for trace in traces}.values())
    score = dict(
        zip([(t.text, t.finished) for t in different], judge.verify(different),
            strict=True)
    )  # fmt: skip
    return [float(score[trace.text, trace.finished]) for trace in traces]


def search(
    domain: str, policy: str, verifier: str, strategy: str, n: int, *,
    per_level: int, repeats: int = 1, seed: int = SEED,
    some: Sequence[Problem] | None = None,
) -> store.Cell:  # fmt: skip
    """Run one strategy at one n, several times, and average."""
    chosen = store.evaluated(domain, per_level) if some is None else list(some)
    proposer, judge = ladder.load(store.policy_folder(policy)), library.load(verifier)
    make = STRATEGIES[strategy]
    right = {rule: np.zeros(len(chosen)) for rule in RULES}
    generated, read = np.zeros(len(chosen)), np.zeros(len(chosen))
    for repeat in range(repeats):
        outcomes = run(
            partial(make, **options(make, n)), chosen, proposer=proposer,
            verifier=judge, seed=seed + repeat,
        )  # fmt: skip
        for i, outcome in enumerate(outcomes):
            pairs = finished(outcome.value)
            for rule in RULES:
                choice = chooser(rule)(*pairs)
                check = module_of(domain).check
                right[rule][i] += choice is not None and bool(
                    check(chosen[i], choice.trace.text)
                )
            generated[i] += outcome.ledger.generated_tokens
            read[i] += outcome.ledger.verifier_tokens
    return store.Cell(
        domain, policy, verifier, strategy, n, per_level, repeats, seed,
        {rule: _mean(values, repeats) for rule, values in right.items()},
        _mean(generated, repeats), _mean(read, repeats),
    )  # fmt: skip


def revise(
    reviser: str, domain: str, chains: int, steps: int, rows: IntArray, *,
    verifier: str = "prm-a", seed: int = SEED,
) -> store.Chains:  # fmt: skip
    """Write chains of revisions of some of the grid's problems."""
    every = store.evaluated(domain)
    chosen = [every[i] for i in rows.tolist()]
    outcomes = run(
        partial(revision.revise, n=chains * steps, chains=chains), chosen,
        proposer=ladder.load(store.policy_folder(reviser)), verifier=Exact(), seed=seed,
    )  # fmt: skip
    judge = library.load(verifier)
    answer, right, score, tokens, seen = [], [], [], [], []
    for problem, outcome in zip(chosen, outcomes, strict=True):
        pairs = [p for chain in revision.by_chain(outcome.value, chains) for p in chain]
        traces = [trace for trace, _ in pairs]
        pool = Pool.of(traces, [truth == 1 for _, truth in pairs])
        answer.append(pool.answer)
        right.append(pool.right)
        score.append(verified(judge, traces))
        tokens.append([trace.tokens for trace in traces])
        texts = [trace.text for trace in traces]
        seen.append([
            len(revision.context(problem.prompt, texts[i - i % steps : i]))
            for i in range(len(texts))
        ])  # fmt: skip

    def shaped(values: Sequence[Any]) -> np.ndarray:
        return np.array(values).reshape(len(chosen), chains, steps)

    return store.Chains(
        reviser, domain, verifier, rows, shaped(answer), shaped(right), shaped(score),
        shaped(tokens), shaped(seen), seed,
    )  # fmt: skip


def _measure_revisions(folder: Path, say: Callable[[str], object]) -> None:
    for reviser, share in REVISED.items():
        for domain, (levels, per_level) in share.items():
            rows = store.rows(domain, per_level, some=levels)
            for chains, steps in SHAPES:
                name = f"chains-{reviser}-{domain}-{chains}.npz"
                if (folder / name).exists():
                    continue
                made = revise(reviser, domain, chains, steps, rows)
                store.write_chains(made, folder=folder)
                first, last = made.right[:, :, 0].mean(), made.right[:, :, -1].mean()
                say(f"{reviser} on {domain}, {chains} x {steps}: {first:.3f} at the "
                    f"first attempt, {last:.3f} at the last")  # fmt: skip
            table = f"table-chains-{reviser}-{domain}"
            if not (folder / f"{table}.npz").exists():
                shapes = store.chains(reviser, domain, folder=folder)
                tables.write(table, tables.of_chains(shapes), folder=folder)


def measure(
    folder: Path = store.FOLDER, *, say: Callable[[str], object] = print
) -> None:
    """Make what the folder lacks of the grid."""
    for policy, (n, verifiers) in POOLS.items():
        for domain in store.LEVELS:
            if not (folder / f"pools-{policy}-{domain}.npz").exists():
                made = sample(policy, domain, n, verifiers)
                store.write_pools(made, folder=folder)
                say(f"{policy} on {domain}: pass@1 {made.right.mean():.3f}, "
                    f"greedy {made.greedy.mean():.3f}")  # fmt: skip
            table = f"table-pools-{policy}-{domain}"
            if not (folder / f"{table}.npz").exists():
                made = store.pools(policy, domain, folder=folder)
                tables.write(table, tables.of_pools(made), folder=folder)
    _measure_revisions(folder, say)
    for part in SEARCHES:
        for domain, per_level in part.per_level.items():
            there = folder / f"searches-{domain}.json"
            cells = store.cells(domain, folder=folder) if there.exists() else {}
            for n, repeats in part.repeats:
                for name in part.strategies:
                    key = (domain, part.policy, part.verifier, name, n)
                    if key in cells:
                        continue
                    cells[key] = search(*key, per_level=per_level, repeats=repeats)
                    store.write_cells(domain, cells.values(), folder=folder)
                    share = np.mean(cells[key].right["best-of-n"])
                    say(f"{' '.join(map(str, key))}: {share:.3f}")


def live(
    domain: str, folder: Path, *, per_level: int = 8, n: int = 64, policy: str = "105k",
    verifier: str = "prm-a", names: Sequence[str] = ("beam search", "DVTS"),
    budgets: Sequence[int] = (4, 16), seed: int = 0,
    say: Callable[[str], object] = print,
) -> None:  # fmt: skip
    """Run a smaller grid now, into a folder that `tts_lab.grid.options` reads.

    Parameters
    ----------
    domain : str
    folder : Path
    per_level : int
        Problems of each level.
    n : int
        Samples of each in the pool.
    policy, verifier : str
    names : sequence of str
        Searches, at each of `budgets`.
    budgets : sequence of int
    seed : int
    say : callable
        Gets a line after each part.
    """
    some = store.evaluated(domain, per_level)
    made = sample(policy, domain, n, (verifier,), seed=seed, some=some)
    store.write_pools(made, folder=folder)
    table = f"table-pools-{policy}-{domain}"
    tables.write(table, tables.of_pools(made), folder=folder)
    say(f"{len(some)} problems x {n} samples: pass@1 {made.right.mean():.3f}")
    cells = []
    for name in names:
        for budget in budgets:
            cells.append(search(
                domain, policy, verifier, name, budget, per_level=per_level, seed=seed,
            ))  # fmt: skip
            store.write_cells(domain, cells, folder=folder)
            share = np.mean(cells[-1].right["best-of-n"])
            say(f"{name}, n = {budget}: {share:.3f}")


def _mean(total: np.ndarray, repeats: int) -> tuple[float, ...]:
    return tuple(int(v) if v % 1 == 0 else round(v, 4)
                 for v in (total / repeats).tolist())  # fmt: skip
