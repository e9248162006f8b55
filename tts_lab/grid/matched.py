"""The grid's smaller models beside models 14 times larger, at matched FLOPs.

Both models of a pair saw the same number of pretraining tokens, so `tts_lab.exchange`
applies as it stands: the larger answers once, greedily; the smaller spends what it
saved. Not covered: the formulas (`tts_lab.exchange`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tts_lab.bootstrap import FloatArray
from tts_lab.exchange import RATIOS, Exchange, compare
from tts_lab.grid import options, store, tables

#: the smaller and the larger of each pair, pretrained on 12 million tokens each
PAIRS: dict[str, tuple[str, str]] = {
    "27k and 380k": ("27k-12000000", "380k"),
    "105k and 1.5m": ("105k", "1.5m"),
}
VERIFIER = "prm-a"


def times_larger(pair: str) -> float:
    """M: parameters of the larger model by those of the smaller.

    >>> round(times_larger("105k and 1.5m"), 1)
    14.2
    """
    small, large = _checked(pair)
    return store.parameters(large) / store.parameters(small)


def spent(
    policy: str, domain: str, rule: str, *, verifier: str = VERIFIER,
    counted: bool = False,
) -> dict[float, FloatArray]:  # fmt: skip
    """Per problem, how often a rule is right, by what it spends.

    Parameters
    ----------
    policy, domain : str
    rule : str
        Of `tts_lab.subsets.RULES`; "coverage" is a verifier that is never wrong.
    verifier : str
        For the rules that need one.
    counted : bool
        Whether the verifier's FLOPs are.

    Returns
    -------
    dict of float to (P,) float array
        By multiples of the inference of one answer.

    Examples
    --------
    >>> list(spent("105k", "countdown", "coverage"))[-1]
    256.0
    """
    table, pool = tables.pools(policy, domain), store.pools(policy, domain)
    name = "" if rule in ("majority", "coverage") else verifier
    if (rule, name) not in table:
        raise ValueError(
            f"{policy} on {domain} has no {(rule, name)!r}; there are {list(table)}"
        )
    one = pool.cost(1, "flops").mean()
    with_verifier = pool.cost(1, "flops", name or None, counted=counted).mean()
    return {
        float(n * with_verifier / one): table[rule, name][:, j]
        for j, n in enumerate(tables.powers(pool.n))
    }


def compared(
    pair: str, domain: str, *, rule: str = "weighted vote", ratios: Sequence[float] =
    RATIOS, m: float | None = None, bins: int = 3, counted: bool = False,
    verifier: str = VERIFIER, seed: int = 0,
) -> list[Exchange]:  # fmt: skip
    """Who wins at matched FLOPs, by ratio and difficulty for the smaller model.

    Parameters
    ----------
    pair : str
        Of `PAIRS`.
    domain, rule, verifier : str
    ratios : sequence of float
        R: inference tokens for each pretraining token.
    m : float, optional
        Another M than that of the pair's parameters.
    bins : int
        Quantiles of the smaller model's share of right samples, easiest first.
    counted : bool
        Whether the verifier's FLOPs are.
    seed : int

    Examples
    --------
    >>> found = compared("105k and 1.5m", "countdown", rule="coverage", ratios=[0.16])
    >>> [one.bin for one in found]
    [0, 1, 2]
    """
    small, large = _checked(pair)
    difficulty = options.difficulty(domain, policy=small, bins=bins)
    return compare(
        spent(small, domain, rule, verifier=verifier, counted=counted),
        store.pools(large, domain).greedy.astype(np.float64), difficulty.bin,
        m=times_larger(pair) if m is None else m, ratios=ratios, seed=seed,
    )  # fmt: skip


def _checked(pair: str) -> tuple[str, str]:
    if pair not in PAIRS:
        raise ValueError(f"pair {pair!r} is unknown; there are {list(PAIRS)}")
    return PAIRS[pair]
