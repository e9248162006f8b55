"""One run of the strategy lab: what it is about, and how it ended."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any

from tts_lab import select
from tts_lab.problems import domain
from tts_lab.proposers import Size
from tts_lab.race import chooser, finished
from tts_lab.run import Outcome
from tts_lab.traces import Problem
from tts_lab.verifiers import Verifier
from tts_lab.widgets.lab_settings import OWN, Settings
from tts_lab.widgets.stepping import Gate
from tts_lab.widgets.tree import SearchTree
from tts_lab.widgets.writing import Pen


@dataclass
class Play:
    """One run: its settings, its tree, its gate, and how it ended.

    Attributes
    ----------
    choice : Choice or None
        What was chosen in the end; None before, or when nothing was finished.
    right : bool or None
        Whether the exact checker agrees; None before there is a choice.
    pen : Pen
        What the policy is writing.
    """

    settings: Settings
    tree: SearchTree
    gate: Gate
    outcome: Outcome | None = None
    choice: select.Choice | None = None
    right: bool | None = None
    policy_size: Size | None = None
    verifier_size: Size | None = None
    pen: Pen = field(default_factory=Pen)

    def choose(self, value: Any) -> None:
        """What the settings' rule makes of the returned traces."""
        self.choice = chooser(self.settings.rule)(*finished(value))
        if self.choice is not None:
            problem = self.tree.problem
            self.right = domain(problem.domain).check(problem, self.choice.trace.text)
            self.tree.choose(self.choice.trace)


def fitted(problem: Problem, proposer: Any) -> Problem:
    """A problem in words with the step delimiter of the model that will write.

    The ladder's own problems keep theirs: checkers and verifiers go by lines.
    """
    how = getattr(proposer, "format", None)
    if problem.domain != "text" or how is None:
        return problem
    return replace(problem, delimiter=how.delimiter)


def aggregating(verifier: Verifier, how: str) -> Verifier:
    """The verifier, or a copy of it that aggregates step scores another way.

    Raises
    ------
    ValueError
        When the verifier has step scores and does not aggregate them so.
    """
    accepted = getattr(verifier, "aggregations", None)
    if how == OWN or accepted is None:  # None: one score a trace, nothing to aggregate
        return verifier
    if how not in accepted:
        raise ValueError(
            f"aggregation {how!r} does not fit {verifier.name}; accepted are "
            f"{[OWN, *accepted]}"
        )
    made: Any = copy(verifier)
    made.aggregation = how
    return made  # type: ignore[no-any-return]
