"""What a run cost: tokens, calls and seconds, and the FLOPs formulas of the papers.

Promises: every count is exact and in closed form, whatever the batch sizes; the same
rows cost the same whether they were drawn now or read from a bank (only
`banked_tokens` and `seconds` differ). Not covered: money, and what a backend really
computed (padding, prompts it had to read again).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from tts_lab.proposers import Size

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ledger:
    """The cost of one problem, or by `+` and `sum(..., Ledger())` of several.

    Attributes
    ----------
    prompt_tokens : int
        Uncached prompt tokens: each problem's prompt, paid once per run. Text that a
        strategy wrote itself into a parent is prompt too, paid the first time.
    cached_tokens : int
        Prefix tokens that rows reused: the sum over rows of the length of what they
        go on from, minus `prompt_tokens`.
    generated_tokens : int
        Tokens written by the policy, pruned branches and rollouts included.
    context_tokens : int
        Sum over all prompt and generated tokens of their context length, the token
        itself included: a row that writes G tokens after P adds G*P + G*(G+1)/2.
    verifier_tokens : int
        Tokens the verifier's model read; 0 for a checker that is no model.
    calls : int
        Rows written for Propose requests, that is samples (not batches).
    verifier_calls : int
        Traces scored.
    banked_tokens : int
        The part of `generated_tokens` that came from the bank and took no model time.
    training_tokens : int
        Tokens read in training at test time (`tts_lab.ttt`), each epoch again; 6 N
        FLOPs each, in either formula.
    seconds : float
        Time inside proposer and verifier. A merged call is shared among its problems
        by the tokens they got, a merged verification by their traces.

    Examples
    --------
    >>> ledger = Ledger(prompt_tokens=6, generated_tokens=10, context_tokens=136)
    >>> (ledger + ledger).generated_tokens
    20
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    generated_tokens: int = 0
    context_tokens: int = 0
    verifier_tokens: int = 0
    calls: int = 0
    verifier_calls: int = 0
    banked_tokens: int = 0
    training_tokens: int = 0
    seconds: float = 0.0

    def __add__(self, other: Ledger) -> Ledger:
        if not isinstance(other, Ledger):
            return NotImplemented
        return Ledger(
            *[getattr(self, name) + getattr(other, name) for name in _COLUMNS]
        )

    def flops_brown(self, size: Size, *, verifier_size: Size | None = None) -> float:
        """FLOPs with attention counted and the prompt paid once.

        Parameters
        ----------
        size : Size
            Of the policy.
        verifier_size : Size, optional
            Adds 2 * parameters * `verifier_tokens`; None leaves the verifier out.

        References
        ----------
        Brown et al. (2407.21787v3): 2 * (parameters + 2 * layers * hidden * context)
        per token; summed over tokens, `context` becomes `context_tokens`.

        Examples
        --------
        >>> ledger = Ledger(prompt_tokens=6, generated_tokens=10, context_tokens=136)
        >>> ledger.flops_brown(Size(parameters=1000, layers=2, hidden=8))
        40704.0
        """
        tokens = self.prompt_tokens + self.generated_tokens
        attention = 2 * size.layers * size.hidden * self.context_tokens
        policy = 2 * (size.parameters * tokens + attention)
        other = self._training_flops(size) + self._verifier_flops(verifier_size)
        return float(policy + other)

    def flops_snell(self, size: Size, *, verifier_size: Size | None = None) -> float:
        """FLOPs as 2 N per generated token: no prompt, no attention.

        Parameters
        ----------
        size : Size
            Of the policy.
        verifier_size : Size, optional
            Adds 2 * parameters * `verifier_tokens`; None leaves the verifier out.

        References
        ----------
        Snell et al. (2408.03314) sec. 7: inference costs 2 N D_inference.

        Examples
        --------
        >>> Ledger(generated_tokens=10).flops_snell(Size(1000, layers=2, hidden=8))
        20000.0
        >>> Ledger(training_tokens=10).flops_snell(Size(1000, layers=2, hidden=8))
        60000.0
        """
        policy = 2 * size.parameters * self.generated_tokens
        other = self._training_flops(size) + self._verifier_flops(verifier_size)
        return float(policy + other)

    def _training_flops(self, size: Size) -> int:
        return 6 * size.parameters * self.training_tokens

    def _verifier_flops(self, size: Size | None) -> int:
        return 0 if size is None else 2 * size.parameters * self.verifier_tokens


# in the order of the class; seconds, the last, is the only one not counted in ints
_COLUMNS = tuple(field.name for field in fields(Ledger))


def pretraining_flops(parameters: int, tokens: int) -> float:
    """FLOPs of training a model: 6 N D.

    Parameters
    ----------
    parameters, tokens : int
        N and D, the tokens seen in training.

    Raises
    ------
    ValueError
        If one is negative.

    References
    ----------
    Snell et al. (2408.03314) sec. 7: pretraining costs 6 N D_pretrain.

    Examples
    --------
    >>> pretraining_flops(1_000, 20_000)
    120000000.0
    """
    for name, value in (("parameters", parameters), ("tokens", tokens)):
        if not value >= 0:
            raise ValueError(f"{name} must be 0 or more, got {value!r}")
    return float(6 * parameters * tokens)


class Accounts:
    """The ledgers of many problems while they fill, one array per column.

    The driver adds whole chunks at a time; `ledger(i)` is the page of problem i.
    """

    def __init__(self, problems: int) -> None:
        self._columns: dict[str, Integers] = {
            name: np.zeros(problems, np.int64) for name in _COLUMNS[:-1]
        }
        self.seconds = np.zeros(problems, np.float64)

    def add_prompt(self, problem: Integers, after: Integers, tokens: Integers) -> None:
        """Tokens read for the first time, after so many others; one entry each.

        The first row that needs them reads them, so it did not find them cached.
        """
        self._add("prompt_tokens", problem, tokens)
        self._add("cached_tokens", problem, -tokens)
        self._add("context_tokens", problem, _context(after, tokens))

    def add_rows(
        self, problem: Integers, prefix: Integers, tokens: Integers, *, banked: bool
    ) -> None:
        """Rows that wrote `tokens` after `prefix` tokens; one entry per row."""
        self._add("calls", problem, np.ones_like(problem))
        self._add("cached_tokens", problem, prefix)
        self._add("generated_tokens", problem, tokens)
        self._add("context_tokens", problem, _context(prefix, tokens))
        if banked:
            self._add("banked_tokens", problem, tokens)

    def add_scores(self, problem: Integers, tokens: Integers) -> None:
        """Traces scored, whose verifier read `tokens`; one entry per trace."""
        self._add("verifier_calls", problem, np.ones_like(problem))
        self._add("verifier_tokens", problem, tokens)

    def sampled_tokens(self) -> Integers:
        """Tokens that cost model time so far, per problem."""
        return self._columns["generated_tokens"] - self._columns["banked_tokens"]

    def add_seconds(self, seconds: float, weights: NDArray[np.generic]) -> None:
        """Share the time of a merged call; `weights` has one entry per problem."""
        total = float(weights.sum())
        if total > 0:
            self.seconds += seconds * (weights.astype(np.float64) / total)

    def ledger(self, problem: int) -> Ledger:
        """The page of one problem."""
        counts = [int(column[problem]) for column in self._columns.values()]
        return replace(Ledger(*counts), seconds=float(self.seconds[problem]))

    def _add(self, name: str, problem: Integers, amount: Integers) -> None:
        np.add.at(self._columns[name], problem, amount)


def _context(after: Integers, tokens: Integers) -> Integers:
    # token i of G, after P others, has context P + i: together G*P + G*(G+1)/2
    return tokens * after + tokens * (tokens + 1) // 2
