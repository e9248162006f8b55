"""The ladder: small Llama-architecture models trained by this package.

`names()` lists the rungs, `path(name)` is a rung's Hugging Face folder, `load(name)`
gives a proposer that runs on the built-in engine. Weights ship inside the package.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tts_lab.ladder.rungs import EVERY, RUNGS, SPECIALISTS, rung

if TYPE_CHECKING:
    from tts_lab.proposers.ladder import Ladder

WEIGHTS = Path(__file__).parent / "weights"


def names(domain: str | None = None) -> list[str]:
    """The rungs, smallest first; or the policies trained on a domain.

    >>> names()
    ['27k', '105k', '380k', '812k', '1.5m']
    >>> names("programs")
    ['programs-105k']
    """
    if domain is None:
        return list(RUNGS)
    every = RUNGS | SPECIALISTS
    return [name for name, rung in every.items() if domain in rung.domains]


def checkpoints(name: str) -> tuple[int, ...]:
    """Tokens seen at each kept pretraining checkpoint of a rung, ascending.

    >>> checkpoints("812k")
    (750000, 1500000, 3000000, 6000000)
    """
    return rung(name).checkpoints


def path(name: str, tokens: int | None = None) -> Path:
    """The folder of a rung, or of its checkpoint at so many pretraining tokens.

    `AutoModelForCausalLM.from_pretrained(path(name))` and `vllm.LLM(path(name))`
    load the same weights as the built-in engine.

    Raises
    ------
    ValueError
        For an unknown name or number of tokens; the message lists what there is.

    >>> path("105k").name
    '105k'
    >>> path("105k", tokens=6_000_000).name
    '105k-6000000'
    """
    kept = rung(name).checkpoints
    if tokens is None or tokens == kept[-1]:
        return WEIGHTS / name
    if tokens not in kept:
        raise ValueError(
            f"rung {name!r} has no checkpoint at {tokens!r} tokens; there are {kept}"
        )
    return WEIGHTS / f"{name}-{tokens}"


def load(
    name: str | Path, tokens: int | None = None, *, threads: int | None = None
) -> Ladder:
    """A proposer for a rung by name, or for any folder of the same family.

    Parameters
    ----------
    name
        A rung or specialist (see `names`), or the path of a Hugging Face folder.
    tokens
        A pretraining checkpoint of the rung (see `checkpoints`); the last by default.
    threads
        Cores to use; all by default.

    Raises
    ------
    ValueError
        For a name that is neither rung nor folder, or a folder that holds no model
        of the family.

    >>> load("105k").size.parameters
    104768
    """
    from tts_lab.ladder.model_folder import read
    from tts_lab.proposers.ladder import Ladder

    return Ladder(read(folder(name, tokens)), threads=threads)


def folder(name: str | Path, tokens: int | None = None) -> Path:
    """The folder that a rung's name, or a path, stands for.

    Raises
    ------
    ValueError
        For a name that is neither rung nor folder, or `tokens` given with a folder.

    >>> folder("105k") == path("105k")
    True
    """
    if str(name) in EVERY:
        return path(str(name), tokens)
    if not Path(name).is_dir():
        raise ValueError(
            f"{str(name)!r} is neither a rung nor a folder; rungs: {list(EVERY)}"
        )
    if tokens is not None:
        raise ValueError(f"tokens={tokens!r} is for rungs; {str(name)!r} is a folder")
    return Path(name)
