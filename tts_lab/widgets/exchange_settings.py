"""What the exchange explorer can be set to, what that comes to, and its words.

Promises: settings are checked when they are made; everything is computed from the
shipped grid, by `tts_lab.grid.matched` and `tts_lab.exchange`. Not covered: drawing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tts_lab import exchange, ladder
from tts_lab.exchange import RATIOS, Exchange
from tts_lab.exchange_curves import BinCurve, of_pair
from tts_lab.figures.budget import plain
from tts_lab.figures.exchange_words import (
    Scale,
    beyond,
    bin_names,
    of_scale,
    reading,
    signed,
)
from tts_lab.grid import matched, store
from tts_lab.published import PANELS, Improvement, improvements
from tts_lab.subsets import RULES
from tts_lab.widgets.parts import within

LEAST_R, MOST_R = 0.01, 100.0
LEAST_M, MOST_M = 1.5, 100.0
MOST_BINS = 5
#: what of Snell et al. Fig. 1 is laid over the bars, and what it is called
OVERLAYS = {"none": "none"} | PANELS


@dataclass(frozen=True)
class Settings:
    """Where the exchange explorer stands.

    Parameters
    ----------
    pair : str
        Of `tts_lab.grid.matched.PAIRS`.
    domain : str
    rule : str
        Of `tts_lab.subsets.RULES`.
    r : float
        0.01 to 100.
    m : float
        1.5 to 100.
    bins : int
        1 to 5.
    counted : bool
        Whether the verifier's FLOPs are.
    verifier : str

    Raises
    ------
    ValueError
        For a value out of range; the message quotes it and lists what is accepted.

    Examples
    --------
    >>> Settings("105k and 1.5m", "chains", "majority", 0.79, 1.0, 3, False, "prm-a")
    Traceback (most recent call last):
        ...
    ValueError: m=1.0; accepted is 1.5 to 100
    """

    pair: str
    domain: str
    rule: str
    r: float
    m: float
    bins: int
    counted: bool
    verifier: str

    def __post_init__(self) -> None:
        for name, value, known in (
            ("pair", self.pair, matched.PAIRS),
            ("domain", self.domain, store.LEVELS),
            ("rule", self.rule, RULES),
        ):
            if value not in known:
                raise ValueError(f"{name} {value!r} is unknown; there are {[*known]}")
        within("r", self.r, LEAST_R, MOST_R)
        within("m", self.m, LEAST_M, MOST_M)
        if not isinstance(self.bins, int):
            raise ValueError(f"bins={self.bins!r}; accepted is a whole number")
        within("bins", self.bins, 1, MOST_BINS)

    @property
    def names(self) -> tuple[str, str]:
        """The smaller and the larger model."""
        return matched.PAIRS[self.pair]

    @property
    def judged(self) -> bool:
        """Whether the rule asks the verifier."""
        return self.rule not in ("majority", "coverage")

    def caption(self) -> str:
        """All of it on one line."""
        how = self.rule
        if self.judged:
            out = "counted" if self.counted else "not counted"
            how = f"{self.rule} with {self.verifier}, whose FLOPs are {out}"
        small, large = self.names
        return (
            f"{small} against {large} · {self.domain} · {how} · "
            f"M = {plain(self.m)}, R = {plain(self.r)}"
        )


@dataclass(frozen=True)
class Exchanged:
    """What settings come to.

    Attributes
    ----------
    settings : Settings
    found : tuple of Exchange
        For the ratios of Snell et al. and the R that is set, each bin of them.
    curves : tuple of BinCurve
    """

    settings: Settings
    found: tuple[Exchange, ...]
    curves: tuple[BinCurve, ...]

    @property
    def own(self) -> list[Exchange]:
        """The exchanges at the R that is set."""
        return [one for one in self.found if one.ratio == self.settings.r]

    @property
    def budget(self) -> float:
        """The matched inference, in multiples of one answer."""
        return self.own[0].budget

    def curve(self, one: Exchange) -> BinCurve:
        """The curve of an exchange's bin."""
        return next(curve for curve in self.curves if curve.bin == one.bin)


def exchanged(settings: Settings) -> Exchanged:
    """Compare the two models at matched FLOPs.

    Raises
    ------
    ValueError
        When the grid has no such samples or verifier.
    """
    s = settings
    ratios = sorted({*RATIOS, s.r})
    found = matched.compared(
        s.pair, s.domain, rule=s.rule, ratios=ratios, m=s.m, bins=s.bins,
        counted=s.counted, verifier=s.verifier,
    )  # fmt: skip
    curves = of_pair(
        s.pair, s.domain, rule=s.rule, bins=s.bins, counted=s.counted,
        verifier=s.verifier,
    )  # fmt: skip
    return Exchanged(s, tuple(found), tuple(curves))


def overlay(settings: Settings, scale: Scale, panel: str) -> Sequence[Improvement]:
    """The published values that fit what is shown: relative, of three bins."""
    fits = panel != "none" and scale == "relative" and settings.bins == 3
    return improvements(panel) if fits else ()


def multiplier_words(settings: Settings) -> str:
    """The matched inference, as a sentence with its formula."""
    s, (small, large) = settings, settings.names
    k = exchange.multiplier(s.m, s.r)
    return (
        f"At R = {plain(s.r)}, pretraining included, {large} answering once costs the "
        f"FLOPs of {small} with {plain(k)} times the inference of one answer: "
        f"M + 3 (M − 1) / R = {plain(s.m)} + 3 × {plain(s.m - 1)} / {plain(s.r)}."
    )


def training_words(settings: Settings) -> str:
    """What the same FLOPs are worth in pretraining, as a sentence."""
    s, small = settings, settings.names[0]
    times = exchange.longer_training(s.m, s.r)
    seen = tokens(small)
    return (
        f"Spent on longer pretraining instead, they pay for {plain(times)} times the "
        f"training tokens of {small}: {plain(seen / 1e6)} million become "
        f"{plain(round(times * seen / 1e6))} million."
    )


def tokens(policy: str) -> int:
    """What a policy was pretrained on.

    >>> tokens("105k"), tokens("27k-12000000")
    (12000000, 12000000)
    """
    base, _, count = policy.rpartition("-")
    if base and count.isdecimal():
        return int(count)
    return ladder.checkpoints(policy)[-1]


def winners(result: Exchanged) -> str:
    """Who wins at the R that is set, in a sentence."""
    small, large = result.settings.names
    names = bin_names(len(result.curves))
    said: dict[str, list[str]] = {}
    for one, name in zip(result.own, names, strict=True):
        who = "it cannot be told"
        if one.low > 0:
            who = f"{small} wins"
        elif one.high < 0:
            who = f"{large} wins"
        said.setdefault(who, []).append(name.partition(" (")[0])
    parts = [f"{who} on {_listed(bins)}" for who, bins in said.items()]
    return f"R = {plain(result.settings.r)}: {'; '.join(parts)}."


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def warnings(result: Exchanged) -> list[str]:
    """What has to be known before the bars are believed."""
    s, (small, large) = result.settings, result.settings.names
    own = result.own[0]
    first, last = result.curves[0].budget[[0, -1]].tolist()
    lines = []
    if own.budget > last and beyond(own, result.curves[0]):
        lines.append(
            f"The matched budget, {plain(own.budget)} times, lies beyond the "
            f"{plain(last)} times that were measured: the last measured value is "
            "used, and its star is hollow."
        )
    elif own.budget < first:
        lines.append(
            f"The matched budget, {plain(own.budget)} times, does not pay for one "
            f"answer and its verifier, {plain(first)} times: the accuracy of one "
            "answer is used, and its star is hollow."
        )
    actual = matched.times_larger(s.pair)
    if abs(s.m - actual) > 0.005 * actual:
        lines.append(
            f"M is set to {plain(s.m)}; the larger answers stay those of {large}, "
            f"{plain(actual)} times {small}. Only the budget moves."
        )
    return lines


def rows(
    result: Exchanged, scale: Scale, published: Sequence[Improvement]
) -> list[str]:
    """Every bar in words, a line each."""
    small, large = result.settings.names
    names = bin_names(len(result.curves))
    known = {(one.ratio, one.bin): one for one in published}
    lines = []
    for i, one in enumerate(result.found):
        if i % len(names) == 0:
            lines.append(f"R = {plain(one.ratio)}, {plain(one.budget)} x inference")
        value, low, high = (signed(v, scale) for v in of_scale(one, scale))
        line = (
            f"  {names[i % len(names)]}, {one.problems} problems: {small} "
            f"{one.small:.1%}, {large} {one.large:.1%}, {scale} difference {value} "
            f"[{low}, {high}]"
        )
        if beyond(one, result.curve(one)):
            line += ", budget not measured"
        mine = known.get((one.ratio, one.bin))
        lines.append(line + (f"; published {reading(mine)}" if mine else ""))
    return lines
