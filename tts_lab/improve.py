"""One round of self-improvement: a rung learns from its own right samples.

Rejection-sampling fine-tuning (Yuan et al. 2308.01825; STaR, Zelikman et al.
2203.14465): sample training problems, keep what the exact checker accepts, train on
it. The control is trained on as many samples that nobody checked, so that what is
gained by the checker can be told from what is gained by more training.
`tts-lab train-improved` makes the rung, `tts-lab measure-improved` the shipped counts.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from tts_lab import ladder, measured
from tts_lab.ladder import tokenizer
from tts_lab.ladder.data import Corpus
from tts_lab.ladder.rungs import IMPROVED, rung
from tts_lab.proposers import Proposer
from tts_lab.run import run
from tts_lab.strategies import repeated_sampling
from tts_lab.tuning import TrainingProblems, tune
from tts_lab.verifiers.exact import Exact

SHIPPED = Path(__file__).parent / "data" / "improved.json"
BASE, NAME, CONTROL = "105k", "improved-105k", "control-105k"
DECAY = 0.9  # share of the tokens over which the learning rate falls to zero
PROBLEMS_AT_ONCE = 2000
#: what is measured: (domain, level), problems of each, samples of each
KINDS = (("chains", 5), ("chains", 8), ("countdown", 3), ("countdown", 4))
PROBLEMS, SAMPLES, SEED = 60, 1024, 20_220_328


@dataclass(frozen=True)
class Recipe:
    """How a rung improves itself.

    Attributes
    ----------
    name : str
    base : str
        The rung that writes the samples and is tuned.
    checked : bool
        Whether only right samples are learned; False makes the control.
    samples : int
        Of each training problem.
    keep : int
        Different samples of a problem that are learned, at most.
    seed : int
    """

    name: str = NAME
    base: str = BASE
    checked: bool = True
    samples: int = 16
    keep: int = 4
    seed: int = 0

    @property
    def tokens(self) -> int:
        """Read in training, each once."""
        return rung(NAME).checkpoints[-1]


RECIPES = {one.name: one for one in (Recipe(), Recipe(CONTROL, checked=False))}


def recipe(name: str) -> Recipe:
    """The recipe of a name.

    Raises
    ------
    ValueError
        For an unknown name; the message lists what there is.

    >>> recipe("improved-105k").base
    '105k'
    """
    if name not in RECIPES:
        raise ValueError(f"{name!r} is unknown; there are {list(RECIPES)}")
    return RECIPES[name]


def draw(
    policy: Proposer,
    n_tokens: int,
    *,
    checked: bool = True,
    samples: int = 16,
    keep: int = 4,
    seed: int = 0,
    on_progress: Callable[[int], None] = lambda tokens: None,
) -> Corpus:
    """The policy's own samples of training problems, at least so many tokens.

    Parameters
    ----------
    policy : Proposer
    n_tokens : int
    checked, samples, keep, seed
        As in `Recipe`.
    on_progress : callable
        Called with the tokens there are.

    Returns
    -------
    Corpus
        What `tts_lab.ladder.train` reads.
    """
    rng = random.Random(seed)
    source = TrainingProblems(seed + 3)
    pieces: list[bytes] = []
    answers: list[int] = []
    total = batch = 0
    while total < n_tokens:
        some = [problem for problem, _ in source.draw(rng, PROBLEMS_AT_ONCE)]
        outcomes = run(
            partial(repeated_sampling, n=samples), some, proposer=policy,
            verifier=Exact(), seed=seed + batch,
        )  # fmt: skip
        batch += 1
        for outcome in outcomes:
            kept = {
                trace.text: None
                for trace, score in outcome.value
                if trace.finished and (score == 1 or not checked)
            }
            for text in rng.sample(list(kept), min(keep, len(kept))):
                prompt = outcome.problem.prompt
                ids = tokenizer.encode(prompt + text)
                pieces.append(bytes([tokenizer.BOS]) + ids + bytes([tokenizer.EOS]))
                answers.append(1 + len(prompt))
                total += len(pieces[-1])
        on_progress(total)
    order = list(range(len(pieces)))
    rng.shuffle(order)
    pieces = [pieces[i] for i in order]
    return Corpus(
        np.frombuffer(b"".join(pieces), np.uint8),
        np.cumsum([0] + [len(piece) for piece in pieces]),
        np.array([answers[i] for i in order], np.int32),
    )


def train(
    recipe: Recipe,
    folder: Path,
    *,
    device: str = "cpu",
    on_data: Callable[[int], None] = lambda tokens: None,
    on_progress: Callable[..., None] = lambda progress: None,
) -> Path:
    """Tune the rung (needs torch); see `tts_lab.tuning.tune`."""
    return tune(
        replace(IMPROVED[NAME], name=recipe.name), recipe,
        lambda: draw(
            ladder.load(recipe.base), recipe.tokens + 100_000, checked=recipe.checked,
            samples=recipe.samples, keep=recipe.keep, seed=recipe.seed,
            on_progress=on_data,
        ),
        folder, decay=DECAY, card=_card, device=device, on_progress=on_progress,
    )  # fmt: skip


def shipped() -> dict[tuple[str, str, int], measured.Measured]:
    """The shipped counts, by (rung, domain, level)."""
    return {(one.rung, one.domain, one.level): one for one in measured.load(SHIPPED)}


def _card(folder: Path) -> None:
    """Write `README.md` from `training.json`."""
    record = json.loads((folder / "training.json").read_text())
    kept = "right samples" if record["checked"] else "samples that nobody checked"
    lines = [
        "---",
        "library_name: transformers",
        "tags: [test-time-scaling, self-improvement, arithmetic, countdown]",
        "---",
        f"# `{record['name']}` of `tts_lab`",
        "",
        f"Rung {record['base']} after one round of rejection-sampling fine-tuning "
        f"(`tts-lab train-improved {record['name']}`), on up to {record['keep']} "
        f"{kept} of {record['samples']} of each training problem.",
        "",
        "| | |",
        "|---|---|",
        f"| parameters | {record['parameters']:,} |",
        f"| tokens of samples | {record['tokens']:,} |",
        f"| wall time | {record['seconds']:.0f} s |",
        f"| training loss | {record['loss']:.3f} nats per token |",
        f"| seed | {record['seed']} |",
        "",
        "What it does to pass@1 and coverage: notebook 10.",
        "",
    ]
    (folder / "README.md").write_text("\n".join(lines))


def measure(
    folder: Path, path: Path = SHIPPED, *, say: Callable[[str], object] = print
) -> None:
    """Count right samples of base, improved and control; what there is, is kept.

    Parameters
    ----------
    folder : Path
        Holds the trained rungs, as `train` left them.
    path : Path
    say : callable
        Gets a line after each part.
    """
    there = list(measured.load(path)) if path.exists() else []
    done = {(one.rung, one.domain, one.level) for one in there}
    for name in (BASE, NAME, CONTROL):
        for domain, level in KINDS:
            if (name, domain, level) in done:
                continue
            where = name if name == BASE else folder / name
            one = measured.count(
                str(where), domain, level, n=SAMPLES, n_problems=PROBLEMS, seed=SEED
            )
            there.append(replace(one, rung=name))
            measured.save(there, path)
            share = np.mean(one.correct) / one.n
            solved = np.mean(np.array(one.correct) > 0)
            say(f"{name} on {domain} {level}: pass@1 {share:.3f}, {solved:.3f} at "
                f"{one.n} samples")  # fmt: skip
