"""The verifiers that need nothing but this package, by name.

>>> names()
['exact', 'prm-a', 'prm-b', 'prm-x', 'orm', 'likelihood-380k', 'likelihood-1.5m', \
'implicit-380k', 'noisy']
"""

from __future__ import annotations

from collections.abc import Callable

from tts_lab.ladder.data import LADDER
from tts_lab.verifiers import Verifier
from tts_lab.verifiers.exact import Exact
from tts_lab.verifiers.likelihood import Implicit, Likelihood
from tts_lab.verifiers.noisy import Noisy
from tts_lab.verifiers.prm import PRM
from tts_lab.verifiers.unit_tests import UnitTests

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

#: for one domain only
_PROGRAMS: dict[str, Callable[[], Verifier]] = {
    "unit tests": UnitTests,
    "unit tests, first 2": lambda: UnitTests(first=2),
    "unit tests, first 1": lambda: UnitTests(first=1),
}


def names(domain: str = "chains") -> list[str]:
    """What `load` knows for a domain; the ladder's domains have the same.

    No model of the package was trained to judge the others.

    >>> names("programs")
    ['exact', 'noisy', 'unit tests', 'unit tests, first 2', 'unit tests, first 1']
    """
    if domain in LADDER:
        return list(_MAKE)
    own = _PROGRAMS if domain == "programs" else ()
    return ["exact", "noisy", *own]


def load(name: str) -> Verifier:
    """A verifier by name.

    Raises
    ------
    ValueError
        For an unknown name; the message lists what there is.

    >>> load("exact").name
    'exact'
    """
    every = _MAKE | _PROGRAMS
    if name not in every:
        raise ValueError(f"verifier {name!r} is unknown; there are {list(every)}")
    return every[name]()
