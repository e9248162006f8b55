"""All FLOPs behind an accuracy: pretraining, inference, and the verifier's part.

Liu et al. (2502.06703, FLOPs table) add pretraining (6ND) and inference and leave the
verifier out; here it can be counted, what it reads and what it took to train.
"""

from __future__ import annotations

from dataclasses import dataclass

from tts_lab.grid import store, tables
from tts_lab.ladder.rungs import rung
from tts_lab.ledger import pretraining_flops
from tts_lab.prm.recipes import RECIPES


@dataclass(frozen=True)
class Bill:
    """FLOPs for all problems of a domain together.

    Attributes
    ----------
    policy : str
    n : int
        Samples of each problem; 1 is one greedy answer, without a verifier.
    accuracy : float
    pretraining : float
        Of the policy, 6ND.
    inference : float
        Of the policy, 2N per token.
    reading, verifier_training : float
        Of the verifier: 2N per token read; and of the rung it grows on, 6ND (fitting
        its head and writing its training traces are not in it).
    """

    policy: str
    n: int
    accuracy: float
    pretraining: float
    inference: float
    reading: float
    verifier_training: float

    @property
    def without(self) -> float:
        """As published: the policy's own."""
        return self.pretraining + self.inference

    @property
    def whole(self) -> float:
        """With the verifier's."""
        return self.without + self.reading + self.verifier_training


def bill(
    policy: str, domain: str, *, n: int = 1, verifier: str = "prm-a",
    rule: str = "weighted vote",
) -> Bill:  # fmt: skip
    """What a policy's accuracy on the grid's problems took.

    Parameters
    ----------
    policy : str
        A rung.
    domain : str
    n : int
        1 for one greedy answer, or another power of two that the grid has.
    verifier : str
        A learned one (see `tts_lab.prm.recipes`).
    rule : str

    Raises
    ------
    ValueError
        If the grid has no such n, or for another verifier.

    Examples
    --------
    >>> one = bill("105k", "chains", n=64)
    >>> one.whole > one.without > one.pretraining
    True
    """
    if verifier not in RECIPES:
        raise ValueError(f"verifier is {verifier!r}; accepted are {list(RECIPES)}")
    pool = store.pools(policy, domain)
    powers = tables.powers(pool.n)
    if n not in powers:
        raise ValueError(f"n is {n!r}; {policy} on {domain} has {powers}")
    count = len(pool.right)
    shape = rung(policy)
    pretraining = pretraining_flops(shape.parameters, shape.checkpoints[-1])
    inference = float(pool.cost(n, "flops").sum())
    if n == 1:
        return Bill(
            policy, 1, float(pool.greedy.mean()), pretraining, inference, 0.0, 0.0
        )
    table = tables.pools(policy, domain)[rule, verifier]
    whole = float(pool.cost(n, "flops", verifier).sum())
    trunk = rung(RECIPES[verifier].trunk)
    return Bill(
        policy, n, float(table[:count, powers.index(n)].mean()), pretraining,
        inference, whole - inference,
        pretraining_flops(trunk.parameters, trunk.checkpoints[-1]),
    )  # fmt: skip
