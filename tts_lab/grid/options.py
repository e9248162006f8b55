"""The grid as options of `tts_lab.allocate`: each with its accuracy and its cost.

Promises: every option of a family is about the same problems in the same order; costs
are those measured, in the unit asked for, the verifier counted in or out. Not covered:
choosing (`tts_lab.allocate`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from tts_lab.allocate import Option
from tts_lab.bootstrap import FloatArray, IntArray
from tts_lab.difficulty import Difficulty, quantiles, thresholds
from tts_lab.grid import store, tables
from tts_lab.grid.store import FOLDER, Cost

POLICY, VERIFIER, REVISER = "105k", "prm-a", "reviser-380k"
RULES = ("best-of-n", "weighted vote")
Binning = Literal["quantiles", "thresholds"]


def sampling(
    domain: str,
    *,
    policy: str = POLICY,
    verifiers: Sequence[str] = (VERIFIER,),
    rules: Sequence[str] = (*RULES, "majority"),
    of: Cost = "flops",
    counted: bool = True,
    rows: IntArray | None = None,
    folder: Path = FOLDER,
) -> list[Option]:
    """Repeated sampling at 1, 2, 4, ... samples, with each rule and verifier.

    Parameters
    ----------
    domain, policy : str
    verifiers : sequence of str
        Those that score the samples; a majority needs none.
    rules : sequence of str
        Of `tts_lab.subsets.RULES`.
    of : str
        The unit of cost: "samples", "tokens" or "flops".
    counted : bool
        Whether the verifier's tokens and FLOPs are.
    rows : int array, optional
        Some of the problems; all by default.
    folder : Path
        Of another grid than the shipped one.

    Returns
    -------
    list of Option

    Examples
    --------
    >>> [one.name for one in sampling("chains", rules=["majority"])][:3]
    ['majority, n = 1', 'majority, n = 2', 'majority, n = 4']
    """
    pool = store.pools(policy, domain, folder=folder)
    table = tables.pools(policy, domain, folder=folder)
    found = []
    for (rule, verifier), accuracy in table.items():
        if rule not in rules or (verifier and verifier not in verifiers):
            continue
        for j, n in enumerate(tables.powers(pool.n)):
            name = f"{rule}, n = {n}" + _with(verifier, verifiers)
            cost = pool.cost(n, of, verifier or None, counted=counted)
            found.append(_option(name, accuracy[:, j], cost, rows))
    return found


def searching(
    domain: str,
    *,
    policy: str = POLICY,
    verifiers: Sequence[str] = (VERIFIER,),
    strategies: Sequence[str] | None = None,
    rules: Sequence[str] = RULES,
    of: Cost = "flops",
    counted: bool = True,
    rows: IntArray | None = None,
    folder: Path = FOLDER,
) -> list[Option]:
    """The searches that were run, each with each rule; see `sampling`.

    A search that was run on a share of the problems is left out unless `rows` are
    among that share.
    """
    found = []
    total = len(store.pools(policy, domain, folder=folder).right)
    each = total // len(store.LEVELS[domain])
    for cell in store.cells(domain, folder=folder).values():
        if cell.policy != policy or cell.verifier not in verifiers:
            continue
        if strategies is not None and cell.strategy not in strategies:
            continue
        mine = store.rows(domain, cell.per_level, each)
        wanted = np.arange(total) if rows is None else rows
        if not np.isin(wanted, mine).all():
            continue
        place = np.searchsorted(mine, wanted)
        cost = cell.cost(of, counted=counted)
        for rule in rules:
            voted = "" if rule == "best-of-n" else f", {rule}"
            name = f"{cell.strategy}, n = {cell.n}{voted}" + _with(
                cell.verifier, verifiers
            )
            found.append(_option(name, np.array(cell.right[rule]), cost, place))
    return found


def revising(
    domain: str,
    *,
    reviser: str = REVISER,
    rules: Sequence[str] = ("hierarchical", "majority"),
    of: Cost = "flops",
    counted: bool = True,
    folder: Path = FOLDER,
) -> list[Option]:
    """Revisions at every mix of chains and steps, with each rule.

    The FLOPs count what a revision reads of earlier attempts.
    """
    shapes = store.chains(reviser, domain, folder=folder)
    table = tables.chains(reviser, domain, folder=folder)
    found = []
    for (rule, chains, steps), accuracy in table.items():
        if rule not in rules:
            continue
        name = f"{chains} x {steps} revisions, {rule}"
        paid = counted and rule != "majority"
        cost = revision_cost(shapes, chains, steps, of, counted=paid)
        found.append(_option(name, accuracy, cost, None))
    return found


def revision_cost(
    shapes: Sequence[store.Chains], chains: int, steps: int, of: Cost, *, counted: bool
) -> FloatArray:
    """Per problem, of so many chains of so many attempts."""
    whole = max((s for s in shapes if s.chains >= chains and s.steps >= steps),
                key=lambda one: one.chains)  # fmt: skip
    if of == "samples":
        return np.full(len(whole.right), float(chains * steps))
    written: FloatArray = whole.tokens[:, :, :steps].sum(axis=2).mean(axis=1) * chains
    context: FloatArray = whole.seen[:, :, :steps].sum(axis=2).mean(axis=1) * chains
    read = written if counted else np.zeros(len(written))
    if of == "tokens":
        return written + context + read
    return store.flops(whole.reviser, written + context, whole.verifier, read)


def difficulty(
    domain: str,
    *,
    policy: str = POLICY,
    kind: Literal["oracle", "predicted"] = "oracle",
    binning: Binning = "quantiles",
    bins: int = 5,
    samples: int | None = None,
    verifier: str = VERIFIER,
    rows: IntArray | None = None,
    folder: Path = FOLDER,
) -> Difficulty:
    """Bins from the policy's pool: of what is right, or of what a verifier says.

    Parameters
    ----------
    kind : str
        "oracle" takes the share of samples that are right; "predicted" the mean score
        of a verifier, no answers.
    binning : str
        "quantiles", or "thresholds" at 50% and 10%.
    bins : int
        Of quantiles.
    samples : int, optional
        The first so many of the pool; all by default.

    Raises
    ------
    ValueError
        If there are not so many samples, or for another kind or binning.

    Examples
    --------
    >>> difficulty("chains", bins=2).bin.shape
    (250,)
    """
    pool = store.pools(policy, domain, folder=folder)
    count = pool.n if samples is None else samples
    if not 1 <= count <= pool.n:
        raise ValueError(f"samples is {samples!r}; accepted is 1 to {pool.n}")
    if kind not in ("oracle", "predicted"):
        raise ValueError(f"kind is {kind!r}; accepted are 'oracle' and 'predicted'")
    table = pool.right if kind == "oracle" else pool.scores[verifier]
    value = table[:, :count].mean(axis=1)
    if rows is not None:
        value = value[rows]
    if binning == "thresholds":
        return thresholds(value, kind=kind, samples=count)
    if binning != "quantiles":
        raise ValueError(
            f"binning is {binning!r}; accepted are 'quantiles' and 'thresholds'"
        )
    return quantiles(value, bins=bins, kind=kind, samples=count)


def estimate_cost(
    domain: str, samples: int, of: Cost, *, policy: str = POLICY,
    verifier: str | None = VERIFIER, folder: Path = FOLDER,
) -> float:  # fmt: skip
    """What so many samples for finding out the difficulty cost, per problem."""
    pool = store.pools(policy, domain, folder=folder)
    return float(pool.cost(samples, of, verifier).mean())


def _with(verifier: str, verifiers: Sequence[str]) -> str:
    return f", {verifier}" if verifier and len(verifiers) > 1 else ""


def _option(
    name: str, right: FloatArray, cost: FloatArray, rows: IntArray | None
) -> Option:
    if rows is None:
        return Option.of(name, right, cost)
    return Option.of(name, right[rows], cost[rows])
