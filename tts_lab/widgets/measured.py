"""What a run measured, on its way to a chart, a figure or a table.

Promises: curve and costs are of the same samples. Not covered: drawing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tts_lab.coverage import Curve, FloatArray
from tts_lab.figures.budget import Budget, plain, spent
from tts_lab.ledger import Ledger
from tts_lab.proposers import Size


@dataclass(frozen=True, eq=False)
class Measured:
    """One run's curve, with what is needed to draw it over any budget.

    Attributes
    ----------
    name, detail : str
        The two lines of its label.
    caption : str
        The settings that the kernel used.
    curve : Curve
    ledgers : list of Ledger
        One per problem, of `curve.n_samples` samples each.
    size : Size
        Of the policy.
    target : int
        Samples per problem that were asked for.
    """

    name: str
    detail: str
    caption: str
    curve: Curve
    ledgers: Sequence[Ledger]
    size: Size
    target: int

    def cost(self, k: Any, budget: Budget) -> FloatArray:
        """Mean cost of k samples of a problem; see `figures.spent`."""
        samples = self.curve.n_samples
        return spent(k, self.ledgers, samples=samples, size=self.size, budget=budget)


def told(every: Sequence[Measured], budget: Budget) -> Budget:
    """The budget that all of them can be drawn over: tokens where FLOPs are unknown.

    An endpoint need not tell how many parameters its model has.
    """
    unknown = any(not one.size.parameters for one in every)
    return "tokens" if budget == "flops" and unknown else budget


def rows(measured: Measured) -> list[str]:
    """The curve as a table: k, coverage, interval, tokens and FLOPs per problem."""
    curve = measured.curve
    even = {int(digit * 10**power) for power in range(8) for digit in (1, 2, 5)}
    even.add(int(curve.k[-1]))
    tokens = measured.cost(curve.k, "tokens")
    flops = measured.cost(curve.k, "flops")
    interval = f"{curve.level:.0%} interval"
    lines = [
        f"{'samples':>8}  {'coverage':>8}  {interval:>14}  {'tokens':>10}  {'FLOPs':>8}"
    ]
    for i, k in enumerate(curve.k.tolist()):
        if k in even:
            between = f"{curve.low[i]:.3f} to {curve.high[i]:.3f}"
            lines.append(
                f"{plain(k):>8}  {curve.mean[i]:>8.3f}  {between:>14}  "
                f"{plain(round(tokens[i])):>10}  "
                + (f"{flops[i]:>8.2e}" if flops[i] else f"{'unknown':>8}")
            )
    return lines
