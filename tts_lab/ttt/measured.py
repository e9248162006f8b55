"""The ablation of test-time training, measured once and shipped.

`tts-lab measure-adaptation` makes it anew (needs torch): every variant of
`tts_lab.ttt.ablate` on tasks of all held-out families and compositions. Reading it
needs no torch.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tts_lab import ladder
from tts_lab.ledger import Ledger
from tts_lab.problems import grids
from tts_lab.problems.transformations import COMPOSITIONS, HELD_OUT, SEEN
from tts_lab.traces import Problem

SHIPPED = Path(__file__).parent.parent / "data" / "ablation.json"
POLICY, SEED = "grids-812k", 20_241_111
#: kind of family to (families, tasks of each)
TASKS: dict[str, tuple[tuple[str, ...], int]] = {
    "held out": (tuple(HELD_OUT), 6),
    "composition": (tuple(COMPOSITIONS), 3),
}
#: the variants that are measured on families of pretraining as well
SEEN_TASKS = (tuple(SEEN), 1)


@dataclass(frozen=True)
class Ablated:
    """One variant on all tasks.

    Attributes
    ----------
    variant : str
    family : tuple of str
        Of each task.
    kind : tuple of str
        "held out", "composition" or "seen".
    first, second : tuple of int
        Whether the first answer is right; whether one of two is.
    training, prompt, generated, context : tuple of int
        Tokens, as in `tts_lab.ledger.Ledger`.
    seconds : tuple of float
    seed : int
    """

    variant: str
    family: tuple[str, ...]
    kind: tuple[str, ...]
    first: tuple[int, ...]
    second: tuple[int, ...]
    training: tuple[int, ...]
    prompt: tuple[int, ...]
    generated: tuple[int, ...]
    context: tuple[int, ...]
    seconds: tuple[float, ...]
    seed: int = SEED

    def solved(self, kind: str | None = None, *, within: int = 2) -> npt.NDArray[
        np.float64
    ]:  # fmt: skip
        """(P,) whether the tasks of a kind are solved within one answer or two."""
        values = np.array(self.second if within == 2 else self.first, np.float64)
        return values if kind is None else values[np.array(self.kind) == kind]

    def ledgers(self) -> list[Ledger]:
        """What each task cost."""
        return [
            Ledger(
                prompt_tokens=p, generated_tokens=g, context_tokens=c,
                training_tokens=t, seconds=s,
            )
            for p, g, c, t, s in zip(
                self.prompt, self.generated, self.context, self.training, self.seconds,
                strict=True,
            )
        ]  # fmt: skip


def shipped(path: Path = SHIPPED) -> dict[str, Ablated]:
    """The shipped ablation, by variant.

    >>> shipped()["full"].variant
    'full'
    """
    found = {}
    for one in json.loads(path.read_text("utf-8")):
        fields: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in one.items()
        }
        found[one["variant"]] = Ablated(**fields)
    return found


def tasks(
    kinds: Mapping[str, tuple[Sequence[str], int]] = TASKS, *, seed: int = SEED
) -> list[tuple[str, str, Problem]]:
    """(kind, family, problem) of every task.

    >>> len(tasks())
    54
    """
    return [
        (kind, family, problem)
        for kind, (families, each) in kinds.items()
        for family in families
        for problem in grids.of_family(family, each, seed=seed)
    ]


def measure(
    path: Path = SHIPPED,
    *,
    variants: Sequence[str] | None = None,
    some: Sequence[tuple[str, str, Problem]] | None = None,
    policy: str | Path = POLICY,
    say: Callable[[str], object] = print,
) -> None:
    """Run the variants that the file lacks; each is kept as soon as it is done.

    Parameters
    ----------
    path : Path
    variants : sequence of str, optional
        All by default.
    some : sequence of (kind, family, problem), optional
        `tasks()` by default, and for the whole, and no adapting, those of families
        that pretraining read.
    policy : str or Path
    say : callable
        Gets a line after each variant.

    Raises
    ------
    ImportError
        Without torch.
    ValueError
        For an unknown variant.
    """
    from tts_lab.ladder.model_folder import read
    from tts_lab.ttt.ablate import VARIANTS
    from tts_lab.ttt.ablate import measure as run_variant
    from tts_lab.ttt.adapt import Base

    names = list(VARIANTS) if variants is None else list(variants)
    unknown = [name for name in names if name not in VARIANTS]
    if unknown:
        raise ValueError(f"variants {unknown!r}; accepted are {list(VARIANTS)}")
    base = Base(read(ladder.folder(policy)))
    done = shipped(path) if path.exists() else {}
    for name in names:
        if name in done:
            continue
        chosen = list(tasks() if some is None else some)
        if some is None and name in ("full", "no adapting"):
            chosen += tasks({"seen": SEEN_TASKS})
        kinds, families, problems = zip(*chosen, strict=True)
        found = run_variant(base, problems, VARIANTS[name], seed=SEED)
        books = found.ledgers
        done[name] = Ablated(
            name, families, kinds,
            tuple(found.first.astype(int).tolist()),
            tuple(found.second.astype(int).tolist()),
            tuple(book.training_tokens for book in books),
            tuple(book.prompt_tokens for book in books),
            tuple(book.generated_tokens for book in books),
            tuple(book.context_tokens for book in books),
            tuple(round(book.seconds, 2) for book in books),
        )  # fmt: skip
        lines = [
            json.dumps(asdict(one), separators=(",", ":")) for one in done.values()
        ]
        path.write_text("[\n" + ",\n".join(lines) + "\n]\n", "utf-8")
        one = done[name]
        shares = [
            f"{one.solved(kind).mean():.3f} {kind}" for kind in dict.fromkeys(one.kind)
        ]
        seconds = np.mean(one.seconds)
        say(f"{name}: pass@2 {', '.join(shares)}, {seconds:.1f} s a task")
