"""Where the allocation explorer's options come from: the shipped grid, or your own.

Promises: all options, baselines and bins of a study are about the same problems in the
same order, with costs in one unit. Not covered: choosing (`tts_lab.allocate`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tts_lab import difficulty as binned
from tts_lab.allocate import Option
from tts_lab.bootstrap import IntArray
from tts_lab.difficulty import Difficulty
from tts_lab.figures.budget import BUDGETS, Budget
from tts_lab.grid import options as measured
from tts_lab.grid import store, tables
from tts_lab.widgets.allocation_settings import (
    AS_GIVEN,
    Offer,
    Settings,
    Study,
    among,
)


class Grid:
    """The shipped grid (`tts_lab.grid`) as a source.

    Parameters
    ----------
    policy : str
        Whose samples and searches are chosen from.
    reviser : str
        Whose revisions; the policy that it was made from says how hard a problem is.

    Searches were run on a share of the problems; all options of a study are about the
    problems that the searches of its policy and all its verifiers share.
    """

    def __init__(
        self, policy: str = measured.POLICY, reviser: str = measured.REVISER
    ) -> None:
        self.policy, self.reviser = policy, reviser
        self._base = reviser.removeprefix("reviser-")

    def offer(self, family: str, domain: str) -> Offer:
        families, domains = ("search", "revisions"), tuple(store.LEVELS)
        verifiers: tuple[str, ...] = ()
        samples: tuple[int, ...] = ()
        if family in families and domain in domains:
            pool = store.pools(self._policy(family), domain)
            samples = tuple(tables.powers(pool.n))
            verifiers = tuple(pool.scores)
            if family == "revisions":
                verifiers = (store.chains(self.reviser, domain)[0].verifier,)
        return Offer(
            families, domains, ("samples", "tokens", "flops"), ("oracle", "predicted"),
            ("quantiles", "thresholds"), samples, verifiers,
        )  # fmt: skip

    def study(self, settings: Settings) -> Study:
        s = settings
        policy = self._policy(s.family)
        if s.family == "search":
            rows = self._rows(s)
            options, baselines = self._searching(s, rows)
            about = f"{policy} on {s.domain}"
        else:
            options, baselines = self._revising(s)
            rows = store.chains(self.reviser, s.domain)[0].rows
            about = f"{self.reviser} on {s.domain}"
        first = s.verifiers[0]
        estimate = {
            kind: measured.estimate_cost(s.domain, s.samples, s.unit, policy=policy,
                                         verifier=verifier)
            for kind, verifier in (("oracle", None),
                                   ("predicted", first if s.counted else None))
        }  # fmt: skip
        shared: dict[str, Any] = {
            "policy": policy, "binning": s.binning, "bins": s.bins,
            "samples": s.samples, "verifier": first, "rows": rows,
        }  # fmt: skip
        bins = {
            "oracle": measured.difficulty(s.domain, kind="oracle", **shared),
            "predicted": measured.difficulty(s.domain, kind="predicted", **shared),
        }
        words = f"{about}, {len(rows)} problems, {len(options)} options"
        return Study(tuple(options), bins, estimate, baselines, words)

    def _policy(self, family: str) -> str:
        return self.policy if family == "search" else self._base

    def _rows(self, s: Settings) -> IntArray:
        each: dict[str, int] = {}
        for cell in store.cells(s.domain).values():
            if cell.policy == self.policy and cell.verifier in s.verifiers:
                each[cell.verifier] = max(each.get(cell.verifier, 0), cell.per_level)
        most = store.PER_LEVEL[s.domain]
        return store.rows(s.domain, min(each.values(), default=most))

    def _searching(
        self, s: Settings, rows: IntArray
    ) -> tuple[list[Option], dict[str, tuple[Option, ...]]]:
        shared: dict[str, Any] = {
            "policy": self.policy, "of": s.unit, "counted": s.counted, "rows": rows
        }  # fmt: skip
        options = [
            *measured.sampling(s.domain, verifiers=s.verifiers, **shared),
            *measured.searching(s.domain, verifiers=s.verifiers, **shared),
        ]
        baselines = {}
        for verifier in s.verifiers:
            name = "best-of-n" + (f", {verifier}" if len(s.verifiers) > 1 else "")
            baselines[name] = tuple(measured.sampling(
                s.domain, verifiers=[verifier], rules=["best-of-n"], **shared
            ))  # fmt: skip
        baselines["majority"] = tuple(
            measured.sampling(s.domain, rules=["majority"], **shared)
        )
        return options, baselines

    def _revising(
        self, s: Settings
    ) -> tuple[list[Option], dict[str, tuple[Option, ...]]]:
        shared: dict[str, Any] = {
            "reviser": self.reviser, "of": s.unit, "counted": s.counted
        }  # fmt: skip
        baselines = {}
        for rule in ("weighted vote", "best-of-n", "majority"):
            every = measured.revising(s.domain, rules=[rule], **shared)
            baselines[f"parallel {rule}"] = tuple(
                option for option in every if " x 1 revisions" in option.name
            )
        return measured.revising(s.domain, **shared), baselines


class Given:
    """Options that you measured yourself, as a source.

    Parameters
    ----------
    options : sequence of Option
    difficulty : Difficulty or mapping of kind to Difficulty
        Other numbers of bins are made of its `value`.
    unit : str
        Of the options' costs: "samples", "tokens" or "flops".
    baselines : mapping of name to sequence of Option, optional
        By default the options whose names begin with "best-of-n" and "majority".
    estimate : float
        What estimating the difficulty costs per problem, in the same unit.

    Raises
    ------
    ValueError
        If there is no baseline, a kind or unit is unknown, or an option is about
        another number of problems.
    """

    def __init__(
        self,
        options: Sequence[Option],
        difficulty: Difficulty | Mapping[str, Difficulty],
        *,
        unit: Budget = "samples",
        baselines: Mapping[str, Sequence[Option]] | None = None,
        estimate: float = 0.0,
    ) -> None:
        bins = (
            {difficulty.kind: difficulty} if isinstance(difficulty, Difficulty)
            else dict(difficulty)
        )  # fmt: skip
        for kind in bins:
            among("difficulty", kind, ("oracle", "predicted"))
        among("unit", unit, tuple(BUDGETS))
        if baselines is None:
            every = {
                name: [one for one in options if one.name.split(",")[0] == name]
                for name in ("best-of-n", "majority")
            }
            baselines = {name: found for name, found in every.items() if found}
        if not bins or not options or not baselines or not all(baselines.values()):
            raise ValueError(
                f"{len(options)} options, {len(bins)} difficulties, baselines "
                f"{list(baselines)}; accepted are some of each: options named "
                "'best-of-n, n = 4' or 'majority, n = 4', or baselines={name: options}"
            )
        problems = len(next(iter(bins.values())).bin)
        for one in [*options, *(o for own in baselines.values() for o in own)]:
            if len(one.right) != problems:
                raise ValueError(
                    f"{one.name}: {len(one.right)} outcomes for {problems} problems"
                )
        self._bins, self._unit, self._estimate = bins, unit, float(estimate)
        self._options = tuple(options)
        self._baselines = {name: tuple(own) for name, own in baselines.items()}
        self.samples = max(one.samples for one in bins.values())

    def offer(self, family: str, domain: str) -> Offer:
        return Offer(
            ("given options",), ("given problems",), (self._unit,), tuple(self._bins),
            (AS_GIVEN, "quantiles", "thresholds"), (self.samples,), (),
        )  # fmt: skip

    def study(self, settings: Settings) -> Study:
        problems = len(self._options[0].right)
        return Study(
            self._options,
            {kind: _again(one, settings) for kind, one in self._bins.items()},
            dict.fromkeys(self._bins, self._estimate),
            self._baselines,
            f"{problems} problems, {len(self._options)} options",
        )


def _again(one: Difficulty, s: Settings) -> Difficulty:
    if s.binning == AS_GIVEN:
        return one
    if s.binning == "thresholds":
        return binned.thresholds(one.value, kind=one.kind, samples=one.samples)
    return binned.quantiles(
        one.value, bins=s.bins, kind=one.kind, samples=one.samples
    )  # fmt: skip
