"""A small plan, and what is compared of two sweeps' folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PLAN: dict[str, Any] = {
    "policies": ["27k"],
    "verifiers": ["exact"],
    "strategies": ["best_of_n", "majority", "beam"],
    "budgets": [2, 4],
    "problems": ["chains:1:6", "countdown:1:3"],
    "seeds": [0, 7],
    "chunk": 4,
}
SMALL = PLAN | {"strategies": ["best_of_n"], "seeds": [0]}  # 6 units
UNITS = 3 * 2 * 2 * 3


def toml(plan: dict[str, Any]) -> str:
    """Lists of texts and numbers look the same in Python."""
    return "".join(f"{key} = {value!r}\n" for key, value in plan.items())


def files(out: Path, table: str = "samples") -> dict[str, bytes]:
    """Every Parquet file of a table: its path and bytes."""
    return {
        str(file.relative_to(out)): file.read_bytes()
        for file in sorted((out / table).rglob("*.parquet"))
    }


def results(out: Path) -> list[tuple[Any, ...]]:
    """Every result but the seconds it took, in a fixed order."""
    import pyarrow.parquet as pq

    table = pq.read_table(out / "results").drop_columns("seconds")
    return sorted((tuple(row.values()) for row in table.to_pylist()), key=repr)
