"""Numbers that papers print, read from the files of `tts_lab/data/published`.

Each file says in its first lines where its numbers are from. Promises: a number that
two readings of a figure disagree about stays two numbers. Not covered: judging them.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tts_lab.exchange import RATIOS

FOLDER = Path(__file__).parent / "data" / "published"
#: the panels of Snell et al. Fig. 1, and what they are called
PANELS = {"revisions": "revisions", "prm_search": "PRM search"}
_RATIO = dict(zip(("<<1", "~1", ">>1"), RATIOS, strict=True))
_BIN = {"easy": 0, "medium": 1, "hard": 2}


@dataclass(frozen=True)
class Improvement:
    """A bar of Snell et al. Fig. 1: small with test-time compute against 14x larger.

    Attributes
    ----------
    panel : str
        "revisions" or "prm_search".
    ratio : float
        R.
    bin : int
        0 is easy, 1 medium, 2 hard.
    readings : tuple of float
        Relative improvement, as shares; one where the readings agree.
    """

    panel: str
    ratio: float
    bin: int
    readings: tuple[float, ...]

    @property
    def resolved(self) -> bool:
        """Whether the number is known."""
        return len(self.readings) == 1


@dataclass(frozen=True)
class Published:
    """A table as printed, and where it was printed.

    Attributes
    ----------
    source : str
        The file's first lines: sources, and what is to be known of them.
    rows : tuple of dict
        Column to text.
    """

    source: str
    rows: tuple[dict[str, str], ...]

    def column(self, name: str) -> list[float]:
        """The numbers of a column.

        Raises
        ------
        KeyError
            For an unknown column.
        ValueError
            For a cell that is no number; the message names the row.
        """
        return [_number(row[name], name, i) for i, row in enumerate(self.rows, 1)]


def _number(cell: str | None, name: str, row: int) -> float:
    try:
        return float(cell or "")
    except ValueError:
        raise ValueError(f"{name} of row {row} is {cell!r}, no number") from None


def tables() -> list[str]:
    """The names that `table` knows.

    >>> "o1_aime2024" in tables()
    True
    """
    return sorted(path.stem for path in FOLDER.glob("*.csv"))


@cache
def table(name: str) -> Published:
    """A published table.

    Raises
    ------
    ValueError
        For an unknown name; the message lists all.

    Examples
    --------
    >>> o1 = table("o1_aime2024")
    >>> o1.source.split(" (")[0], o1.rows[1]["accuracy_pct"]
    ('OpenAI "Learning to reason with LLMs"', '74')
    """
    if name not in tables():
        raise ValueError(f"table {name!r} is unknown; there are {tables()}")
    return parsed((FOLDER / f"{name}.csv").read_text("utf-8"))


def parsed(content: str) -> Published:
    """The table that a file's text holds: lines with `#` in front, then CSV.

    Raises
    ------
    ValueError
        For what is no CSV, or has rows of another length than its header.

    >>> parsed("# source: a paper\\nk,share\\n1,0.5\\n").column("share")
    [0.5]
    """
    lines = content.splitlines()
    said = [line.lstrip("# ") for line in lines if line.startswith("#")]
    source = "; ".join(line.removeprefix("source: ") for line in said)
    kept = [line for line in lines if not line.startswith("#")]
    try:
        rows = tuple(csv.DictReader(kept, strict=True))
    except csv.Error as error:
        raise ValueError(f"a table is no CSV: {error}") from None
    for number, row in enumerate(rows, 1):
        if None in row or None in row.values():
            raise ValueError(f"row {number} has another length than the header: {row}")
    return Published(source, rows)


@cache
def improvements(panel: str) -> tuple[Improvement, ...]:
    """The nine bars of a panel, by ratio and then by difficulty.

    Parameters
    ----------
    panel : str
        Of `PANELS`.

    Returns
    -------
    tuple of Improvement

    Raises
    ------
    ValueError
        For another panel.

    References
    ----------
    Snell et al. (2408.03314) Fig. 1: PaLM 2-S* on MATH.

    Examples
    --------
    >>> [one.readings for one in improvements("revisions")[:3]]
    [(0.216,), (0.278,), (0.118,)]
    >>> improvements("prm_search")[1]
    Improvement(panel='prm_search', ratio=0.16, bin=1, readings=(-0.056, 0.022))
    """
    if panel not in PANELS:
        raise ValueError(f"panel {panel!r} is unknown; there are {list(PANELS)}")
    found: dict[tuple[float, int], dict[float, None]] = {}
    unresolved = set()
    path = FOLDER / "snell_fig1_flops_matched.csv"
    for row in table(path.stem).rows:
        if row["panel"] == panel:
            key = _RATIO[row["ratio_R"]], _BIN[row["difficulty"]]
            share = round(float(row["rel_improvement_pct"]) / 100, 6)
            found.setdefault(key, {})[share] = None
            if row["status"] == "unresolved":
                unresolved.add(key)
    for key, readings in found.items():
        if (key in unresolved) != (len(readings) > 1):
            raise ValueError(f"{path.name}: {key} has {list(readings)} and its status")
    return tuple(
        Improvement(panel, *key, tuple(readings)) for key, readings in found.items()
    )
