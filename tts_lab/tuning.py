"""What tuning a rung on its own samples has in common, whatever is learned from them.

Revisers (`tts_lab.revise`), thinkers (`tts_lab.think`) and improved rungs
(`tts_lab.improve`) draw training problems the same way, keep their data for the next
run, and train from the rung's weights into a Hugging Face folder.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tts_lab import ladder, problems
from tts_lab.ladder.data import MIXTURE, Corpus
from tts_lab.ladder.rungs import Rung
from tts_lab.traces import Problem

if TYPE_CHECKING:
    from tts_lab.ladder.train import Progress


class TrainingProblems:
    """Problems of the train split, as often of each kind as in pretraining.

    Parameters
    ----------
    seed : int

    Examples
    --------
    >>> [(problem, trace)] = TrainingProblems(0).draw(random.Random(0), 1)
    >>> problems.split_of(problem.domain, problem.prompt)
    'train'
    """

    def __init__(self, seed: int) -> None:
        self._streams = {
            kind: problems.examples(*kind, split="train", seed=seed) for kind in MIXTURE
        }

    def draw(self, rng: random.Random, n: int) -> list[tuple[Problem, str]]:
        """The next `n`, each with a right trace; the same one may come twice."""
        found = []
        for domain, level in rng.choices(list(MIXTURE), list(MIXTURE.values()), k=n):
            prompt, trace = next(self._streams[domain, level])
            found.append((Problem(domain, prompt, level), trace))
        return found


def tune(
    shape: Rung,
    recipe: Any,
    data: Callable[[], Corpus],
    folder: Path,
    *,
    decay: float,
    card: Callable[[Path], None],
    device: str = "cpu",
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Path:
    """Train a rung on (needs torch); returns its folder, which has a model card.

    A finished one is not made again.

    Parameters
    ----------
    shape : Rung
        What it becomes.
    recipe : dataclass
        With `name`, `base` and `tokens`; it goes into `training.json`.
    data : callable
        Makes the corpus.
    folder : Path
        Gets `<recipe.name>/`.
    decay : float
        Share of the tokens over which the learning rate falls to zero.
    card : callable
        Gets the new folder, with `training.json` in it, and writes `README.md`.
    """
    target: Path = folder / recipe.name
    if target.exists():
        return target
    from safetensors.torch import load_file

    from tts_lab.ladder import checkpoint
    from tts_lab.ladder.train import Run

    run = Run(shape, data(), device, decay=decay)
    weights = load_file(ladder.path(recipe.base) / "model.safetensors")
    run.model.load_state_dict({k: w.float() for k, w in weights.items()}, strict=False)
    run.until(recipe.tokens, recipe.tokens, on_progress)

    def note(partial: Path) -> None:
        record = asdict(run.progress) | asdict(recipe) | {
            "parameters": shape.parameters, "learning_rate": shape.learning_rate,
        }  # fmt: skip
        (partial / "training.json").write_text(json.dumps(record, indent=1) + "\n")
        card(partial)

    checkpoint.save(run.model, shape, target, add=note)
    return target
