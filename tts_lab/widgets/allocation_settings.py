"""What the allocation explorer is set to, and what a source of options is.

Promises: settings are checked against what the source offers; the message of a refusal
quotes the value and lists what there is. Not covered: the sources
(`tts_lab.widgets.allocation_source`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tts_lab.allocate import Option
from tts_lab.difficulty import Difficulty
from tts_lab.figures.budget import BUDGETS, Budget
from tts_lab.widgets.parts import within

MAX_BINS = 10
AS_GIVEN = "as given"


@dataclass(frozen=True)
class Settings:
    """What the explorer is set to; what of it there is, the source says.

    Attributes
    ----------
    family : str
        Of options: "search" or "revisions".
    domain : str
    unit : str
        Of budgets: "samples", "tokens" or "flops".
    binning : str
        "quantiles" or "thresholds".
    bins : int
        Of quantiles.
    samples : int
        From which the difficulty is estimated.
    charged : bool
        Whether they are taken off the budget.
    verifiers : tuple of str
        Those that an option may use; the first one predicts the difficulty.
    counted : bool
        Whether their tokens and FLOPs are counted.
    """

    family: str
    domain: str
    unit: Budget
    binning: str
    bins: int
    samples: int
    charged: bool
    verifiers: tuple[str, ...]
    counted: bool

    def caption(self) -> str:
        """All of it on one line."""
        bins = f"{self.bins} equal bins" if self.binning == "quantiles" else "bins "
        if self.binning != "quantiles":
            bins += "at 50% and 10%" if self.binning == "thresholds" else self.binning
        estimate = f"estimated from {self.samples} samples, " if self.samples else ""
        parts = [
            f"{self.family} on {self.domain}",
            BUDGETS[self.unit],
            f"{bins}, {estimate}{'charged' if self.charged else 'not charged'}",
        ]
        if self.verifiers:
            counted = "counted" if self.counted else "not counted"
            parts.append(f"{' and '.join(self.verifiers)}, cost {counted}")
        return " · ".join(parts)


@dataclass(frozen=True)
class Offer:
    """What can be chosen of each setting, for a family and a domain."""

    families: tuple[str, ...]
    domains: tuple[str, ...]
    units: tuple[Budget, ...]
    kinds: tuple[str, ...]
    binnings: tuple[str, ...]
    samples: tuple[int, ...]
    verifiers: tuple[str, ...]


@dataclass(frozen=True)
class Study:
    """What there is to choose from with some settings.

    Attributes
    ----------
    options : tuple of Option
    difficulty : dict of kind to Difficulty
        "oracle", "predicted", or one of them.
    estimate : dict of kind to float
        What estimating it costs per problem, in the unit of the options.
    baselines : dict of name to tuple of Option
        Of each the options at several budgets.
    about : str
        Whose samples these are.
    """

    options: tuple[Option, ...]
    difficulty: Mapping[str, Difficulty]
    estimate: Mapping[str, float]
    baselines: Mapping[str, tuple[Option, ...]]
    about: str


class Source(Protocol):
    """What the explorer needs; see `allocation_source.Grid`, `Given`."""

    def offer(self, family: str, domain: str) -> Offer: ...
    def study(self, settings: Settings) -> Study: ...


def checked(settings: Settings, source: Source) -> Settings:
    """The settings, if there is such a study.

    Raises
    ------
    ValueError
        That quotes what is not there and lists what is.
    """
    first = source.offer("", "")
    among("family", settings.family, first.families)
    among("domain", settings.domain, first.domains)
    there = source.offer(settings.family, settings.domain)
    among("unit", settings.unit, there.units)
    among("binning", settings.binning, there.binnings)
    among("samples", settings.samples, there.samples)
    within("bins", settings.bins, 1, MAX_BINS)
    unknown = [name for name in settings.verifiers if name not in there.verifiers]
    if unknown or bool(settings.verifiers) != bool(there.verifiers):
        raise ValueError(
            f"verifiers={list(settings.verifiers)}; accepted are one or more of "
            f"{list(there.verifiers)}"
        )
    return settings


def among(name: str, value: object, accepted: Sequence[object]) -> None:
    """Refuse what is not accepted."""
    if value not in accepted:
        raise ValueError(f"{name}={value!r}; accepted are {list(accepted)}")
