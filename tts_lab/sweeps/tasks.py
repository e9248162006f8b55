"""What goes to workers and comes back: a task, units done, units that failed.

Promises: an error of one unit (a model that does not open, an endpoint that dies, a
strategy that raises) is that unit's alone, told in words; errors of what everything is
written to (the output, the bank) are raised. Units of models that fail again and again
are left out, so that a dead endpoint does not hold the others up. Not covered: where
units run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from threading import Event as Flag
from typing import NamedTuple

from tts_lab import __version__
from tts_lab.bank_file import BankError
from tts_lab.models import hidden
from tts_lab.sweeps.store import SweepError
from tts_lab.sweeps.units import Unit
from tts_lab.sweeps.work import Cost, Made, Worker

_SHOWN = 10  # failed units that a message names


class Report(NamedTuple):
    """A unit that is done and stored."""

    weight: int
    cost: Cost
    seconds: float


class Failed(NamedTuple):
    """A unit that could not be done: where it would lie, and why it does not."""

    unit: str
    why: str
    models: tuple[str, str]

    @classmethod
    def of(cls, unit: Unit, why: str) -> Failed:
        """The unit's name and the words."""
        where = f"{unit.folder}/{unit.id}"
        return cls(where, hidden(why)[:2000], (unit.policy.name, unit.verifier.name))


class UnitsFailed(SweepError):
    """Some units failed; the others are done, and `resume` tries these again.

    Attributes
    ----------
    failed : tuple of Failed
    untried : dict of (str, str) to int
        Units that were left out, by policy and verifier.
    """

    def __init__(
        self,
        title: str,
        failed: tuple[Failed, ...],
        untried: dict[tuple[str, str], int],
    ) -> None:
        self.failed, self.untried = failed, untried
        lines = [f"{one.unit}: {one.why}" for one in failed[:_SHOWN]]
        if len(failed) > _SHOWN:
            lines.append(f"and {len(failed) - _SHOWN} more")
        for (policy, verifier), count in untried.items():
            lines.append(
                f"{count} more of policy {policy!r} with verifier {verifier!r} were "
                "not tried, as all of the last ones had failed"
            )
        number = "1 unit" if len(failed) == 1 else f"{len(failed)} units"
        lines.insert(0, f"{number} failed; what was done is in {title!r}:")
        super().__init__("\n".join(lines))


@dataclass(frozen=True)
class Task:
    """What every worker of a sweep is told."""

    out: str
    plan_hash: str
    fingerprints: dict[str, str]
    bank: str | None = None
    version: str = __version__

    def worker(self) -> Worker:
        """One that has opened nothing yet.

        Raises
        ------
        SweepError
            On a machine with another version than the one that the sweep began on.
        """
        if self.version != __version__:
            raise SweepError(
                f"tts-lab {__version__} is installed here, and {self.version} where "
                "the sweep was started; accepted is the same on all machines"
            )
        return Worker(self.plan_hash, self.fingerprints, self.bank)


def report(unit: Unit, made: Made) -> Report:
    """What the driver is told of a unit."""
    return Report(unit.weight, made.cost, made.seconds)


def attempt(
    worker: Worker, unit: Unit, cancel: Flag | None = None
) -> Made | Failed | None:
    """Do a unit; None when it was cancelled.

    Raises
    ------
    BankError
        Which the next unit would meet, too.
    """
    try:
        return worker.do(unit, cancel)
    except BankError:
        raise
    except Exception as error:
        notes = "".join(f"; {note}" for note in getattr(error, "__notes__", ()))
        return Failed.of(unit, f"{type(error).__name__}: {error}{notes}")


@dataclass
class Queue:
    """The units still to be given out, without those that it makes no sense to try.

    Parameters
    ----------
    units : iterable of Unit
    patience : int
        Units in a row of the same policy and verifier that fail before the rest of
        them is left out.

    Attributes
    ----------
    failed : list of Failed
    untried : Counter
        Units left out, by policy and verifier.
    """

    units: Iterable[Unit]
    patience: int
    failed: list[Failed] = field(default_factory=list)
    untried: Counter[tuple[str, str]] = field(default_factory=Counter)
    _in_a_row: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __iter__(self) -> Iterator[Unit]:
        for unit in self.units:
            models = (unit.policy.name, unit.verifier.name)
            if self._in_a_row[models] >= self.patience:
                self.untried[models] += 1
            else:
                yield unit

    def note(self, unit: Unit, told: Report | Failed) -> None:
        """How a unit ended."""
        models = (unit.policy.name, unit.verifier.name)
        if isinstance(told, Failed):
            self.failed.append(told)
            self._in_a_row[models] += 1
        else:
            self._in_a_row[models] = 0
