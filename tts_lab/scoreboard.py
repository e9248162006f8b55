"""Verdicts on the papers' findings: the rule, the record, the table.

The rule is fixed before any measurement: a finding is a direction of one effect
against a threshold. It **holds** when the whole interval lies on its side, it **does
not hold here** when the whole interval lies on the other side, and otherwise it
**cannot be told at this n**.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from html import escape
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from platformdirs import user_data_path

from tts_lab.bootstrap import bootstrap_means, percentile_interval
from tts_lab.claims import CLAIMS
from tts_lab.printable import printable

Word = Literal["holds", "does not hold here", "cannot be told at this n"]


@dataclass(frozen=True)
class Verdict:
    """What a run of this code says about one finding.

    Attributes
    ----------
    claim : str
        Its id on the scoreboard, such as "M1".
    finding : str
        The measured statement, in words.
    effect, low, high : float
        The effect and its 95% interval.
    above : bool
        True when the finding says that the effect is above `threshold`.
    n_problems, n_samples, seed : int
        `n_samples` per problem.
    cost : str
        Tokens, FLOPs or seconds.
    note : str
        What the published value is, or why the finding fails.
    """

    claim: str
    finding: str
    effect: float
    low: float
    high: float
    threshold: float
    above: bool
    n_problems: int
    n_samples: int
    seed: int
    cost: str
    note: str = ""

    @property
    def word(self) -> Word:
        """The verdict.

        >>> Verdict("M1", "gain > 1", 5, 4, 6, 1, True, 9, 9, 0, "9 s").word
        'holds'
        """
        if not self.low <= self.effect <= self.high:
            raise ValueError(
                f"{self.claim}: effect {self.effect!r} is outside its interval "
                f"[{self.low!r}, {self.high!r}]"
            )
        beyond, short = self.low > self.threshold, self.high < self.threshold
        if beyond or short:
            return "holds" if beyond == self.above else "does not hold here"
        return "cannot be told at this n"

    def __str__(self) -> str:
        return (
            f"{self.claim} {self.word}: {self.finding}\n"
            f"  effect {self.effect:.3g}, 95% interval [{self.low:.3g}, "
            f"{self.high:.3g}], "
            f"finding says {'>' if self.above else '<'} {self.threshold:g}\n"
            f"  {self.n_problems} problems x {self.n_samples:,} samples, "
            f"seed {self.seed}, cost {self.cost}"
            + (f"\n  {self.note}" if self.note else "")
        )

    def _repr_markdown_(self) -> str:
        if _MARKUP.search(f"{self.claim} {self.finding} {self.cost} {self.note}"):
            return _literal(str(self))
        first, *rest = str(self).split("\n")
        return f"**{first}**  \n" + "  \n".join(line.strip() for line in rest)


def over_problems(
    claim: str,
    finding: str,
    each: npt.ArrayLike,
    *,
    above: bool = True,
    threshold: float = 0.0,
    n_samples: int,
    seed: int,
    cost: str,
    note: str = "",
) -> Verdict:
    """The verdict on a mean over problems, with its bootstrap interval.

    Parameters
    ----------
    claim, finding : str
    each : (P,) float array
        The effect on each problem.
    above, threshold, n_samples, seed, cost, note
        As in `Verdict`.

    Examples
    --------
    >>> over_problems("S2", "gain > 0", [1, 1, 1], n_samples=4, seed=0, cost="9 s").word
    'holds'
    """
    values = np.asarray(each, np.float64)
    draws = bootstrap_means(values[:, None], seed=seed)[:, 0]
    low, high = percentile_interval(draws, 0.95)
    return Verdict(
        claim, finding, float(values.mean()), float(low), float(high), threshold,
        above, len(values), n_samples, seed, cost, note,
    )  # fmt: skip


#: verdicts of the rendered notebooks
SHIPPED = Path(__file__).parent / "data" / "verdicts.json"


def folder() -> Path:
    """Where this user's verdicts are kept."""
    return user_data_path("tts-lab") / "verdicts"


def record(verdict: Verdict, *, where: Path | None = None) -> Verdict:
    """Keep a verdict for the scoreboard, in place of an earlier one; returns it.

    Where the folder cannot be written a warning says so, and the verdict stands.
    """
    where = folder() if where is None else where
    path = where / f"{verdict.claim}.json"
    partial = path.with_suffix(".partial")
    content = json.dumps(asdict(verdict) | {"verdict": verdict.word}, indent=1)
    try:
        where.mkdir(parents=True, exist_ok=True)
        partial.write_text(content + "\n")
        partial.replace(path)
    except OSError as error:
        warnings.warn(
            f"the verdict on {verdict.claim} is not kept for the scoreboard, "
            f"{where} cannot be written: {error.strerror}; see tts-lab doctor",
            stacklevel=2,
        )
    return verdict


def recorded(*, where: Path | None = None) -> dict[str, Verdict]:
    """The verdicts kept so far, by claim.

    A file that holds no verdict (damaged, or somebody else's) is left out, and a
    warning names it.
    """
    where = folder() if where is None else where
    found = {}
    for path in sorted(where.glob("*.json")):
        try:
            found[path.stem] = _verdict(json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, RecursionError) as error:
            warnings.warn(
                f"{path} holds no verdict ({error}) and is left out; move it away, or "
                "run the notebook again that measures it",
                stacklevel=2,
            )
    return found


def _literal(text: str) -> str:
    """Markdown that shows a text as it is, without elements, links or formulas: a
    notebook that was run on this machine does not clean what it shows."""
    shown = escape(printable(text)).replace("$", "&#36;").replace("\\", "&#92;")
    return f"<pre>{shown}</pre>"


def _verdict(content: object) -> Verdict:
    """A verdict as `record` keeps it.

    Raises
    ------
    ValueError
        For what is none; the message says what is missing, too much or wrong.
    """
    if not isinstance(content, dict):
        raise ValueError(f"a {type(content).__name__} instead of an object")
    kept = {name: value for name, value in content.items() if name != "verdict"}
    names = {one.name: one for one in fields(Verdict)}
    lacking = [name for name in names if name not in kept and name != "note"]
    if lacking or kept.keys() - names.keys():
        raise ValueError(
            f"lacks {lacking}, has {sorted(kept.keys() - names.keys())} too much"
        )
    for name, value in kept.items():
        wanted = _ACCEPTED[str(names[name].type)]
        if not isinstance(value, wanted) or (
            isinstance(value, bool) and wanted is not bool
        ):
            raise ValueError(f"{name} is {value!r}")
    verdict = Verdict(**kept)
    _ = verdict.word  # an effect outside its interval, or one that is no number
    return verdict


_MARKUP = re.compile(r"[<&\[\]$\\`]|[^\S ]")
_ACCEPTED: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "bool": bool,
    "int": int,
    "float": (int, float),
}


def shipped() -> dict[str, Verdict]:
    """The verdicts of the notebooks as they come with the package.

    >>> shipped()["M1"].word
    'holds'
    """
    return {one["claim"]: Verdict(**one) for one in json.loads(SHIPPED.read_text())}


def ship(verdicts: Iterable[Verdict], path: Path = SHIPPED) -> None:
    """Write verdicts as the shipped ones."""
    lines = [json.dumps(asdict(one)) for one in verdicts]
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n")


_HEAD = """# Scoreboard

Every finding that the course measures. It holds, or does not hold here, when the whole
95% interval of the effect lies on one side of the threshold, and otherwise it cannot be
told; the rule was fixed before the measurement. Written by `tts-lab scoreboard` from
the verdicts of the rendered notebooks.

The letter names the source: M "Large Language Monkeys" (Brown et al.), H Schaeffer et
al., S Snell et al., L Liu et al., T test-time training, thinking and training against a
checker, X beyond the papers. A name behind a hyphen is a part of the claim. "Says >
100" is what the claim says of the effect. Rungs (`27k` to `1.5m`) are the models of the
package by their parameters, chains and countdown its two kinds of problems; bins are
groups of problems of equal difficulty, by the true share of right answers (oracle) or
by the verifier's scores (predicted). "Shipped" are runs stored with the package. The
notebook in the last column explains the rest.

"""


def page(verdicts: Mapping[str, Verdict]) -> str:
    """The scoreboard as a page."""
    return _HEAD + table(verdicts)


def table(verdicts: Mapping[str, Verdict]) -> str:
    """The scoreboard as Markdown: every claim, measured or not.

    Parameters
    ----------
    verdicts : mapping of claim to Verdict
        A claim of several parts has verdicts such as "S4" and "S4-vote".
    """
    lines = [
        "| claim | what was measured | verdict | effect [95% interval] | problems x "
        "samples, seed, cost | published | notebook |",
        "|---|---|---|---|---|---|---|",
    ]
    for claim in CLAIMS.values():
        published = f"{claim.published} ({claim.source})"
        if not claim.published:
            published = claim.source
        mine = [v for name, v in verdicts.items() if name.split("-")[0] == claim.id]
        lines += [
            f"| {v.claim} | {v.finding} | **{v.word}** | {v.effect:.3g} "
            f"[{v.low:.3g}, {v.high:.3g}], says {'>' if v.above else '<'} "
            f"{v.threshold:g}{'; ' + v.note if v.note else ''} | {v.n_problems} x "
            f"{v.n_samples:,}, seed {v.seed}, {v.cost} | {published} | "
            f"{claim.notebook} |"
            for v in sorted(mine, key=lambda v: v.claim)
        ] or [f"| {claim.id} | {claim.finding} | not measured yet |  |  | {published} "
              f"| {claim.notebook} |"]  # fmt: skip
    return "\n".join(lines) + "\n"
