"""The verifiers that need nothing but this package, by name.

>>> names()
['exact', 'prm-a', 'prm-b', 'prm-x', 'orm', 'likelihood-380k', 'likelihood-1.5m', \
'implicit-380k', 'noisy']
"""

from __future__ import annotations

from collections.abc import Callable

from tts_lab.verifiers import Verifier
from tts_lab.verifiers.exact import Exact
from tts_lab.verifiers.likelihood import Implicit, Likelihood
from tts_lab.verifiers.noisy import Noisy
from tts_lab.verifiers.prm import PRM

_MAKE: dict[str, Callable[[], Verifier]] = {
    "exact": Exact,
    "prm-a": lambda: PRM("prm-a"),
    "prm-b": lambda: PRM("prm-b"),
    "prm-x": lambda: PRM("prm-x"),
    "orm": lambda: PRM("orm"),
    "likelihood-380k": lambda: Likelihood("380k"),
    "likelihood-1.5m": lambda: Likelihood("1.5m"),
    "implicit-380k": lambda: Implicit("380k", "105k"),
    "noisy": lambda: Noisy(false_positives=0.05, false_negatives=0.05),
}


def names() -> list[str]:
    """What `load` knows."""
    return list(_MAKE)


def load(name: str) -> Verifier:
    """A verifier by name.

    Raises
    ------
    ValueError
        For an unknown name; the message lists what there is.

    >>> load("exact").name
    'exact'
    """
    if name not in _MAKE:
        raise ValueError(f"verifier {name!r} is unknown; there are {names()}")
    return _MAKE[name]()
