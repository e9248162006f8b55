"""A run: the one place where strategies, models, books, bank and seeds meet.

Promises: the requests of all problems go into one `propose` and one `verify` call per
round; samples are a function of the seed, the problem and the request alone, not of
batch sizes, other problems or what the bank held; every token is in the ledger; rows
are in the bank before anyone sees them, whatever fails afterwards. Not covered:
budgets (a strategy's own business) and restarting a model that failed.

Random streams: each different request of a problem (parent's text, until,
temperature, max_tokens) has one stream, and its rows continue, so asking again gives
new samples. A problem that is listed twice has streams of its own each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from threading import Event as Flag
from typing import Any

from tts_lab.bank import Bank
from tts_lab.bank_file import BankError
from tts_lab.driver import Driver
from tts_lab.ledger import Ledger
from tts_lab.proposers import Proposer
from tts_lab.traces import Event, Problem, Strategy
from tts_lab.verifiers import Verifier


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one problem.

    Attributes
    ----------
    problem : Problem
    value : object
        What the strategy returned; None when it was cancelled.
    complete : bool
        False when it was cancelled before it returned.
    ledger : Ledger
        What was spent on it, also when it was cancelled.
    """

    problem: Problem
    value: Any
    complete: bool
    ledger: Ledger


def run(
    strategy: Callable[[Problem], Strategy],
    problems: Iterable[Problem],
    *,
    proposer: Proposer,
    verifier: Verifier | None = None,
    seed: int,
    on_event: Callable[[Event], None] | None = None,
    cancel: Flag | None = None,
    bank: Bank | None = None,
) -> list[Outcome]:
    """Run a strategy on many problems at once.

    Parameters
    ----------
    strategy : callable
        Problem -> generator of `Propose` and `Verify`; give options by
        `functools.partial`. Asked to go on from a finished parent, the driver answers
        with that parent, unchanged and at no cost.
    problems : sequence of Problem
    proposer : Proposer
    verifier : Verifier, optional
        Needed when the strategy yields `Verify`.
    seed : int
        0 to 2**63 - 1.
    on_event : callable, optional
        Called in this thread: `Sampled` as soon as rows arrive, `Scored`, `Done`.
    cancel : threading.Event, optional
        Once set, generators are closed and the unfinished outcomes are incomplete;
        looked at between strategies and between chunks, passed on to the proposer,
        and to verifiers by `tts_lab.interrupt`: a `verify` that was broken off is
        not in the ledger.
    bank : Bank, optional
        Rows found there are not sampled again; new rows are stored.

    Returns
    -------
    list of Outcome
        One per problem, in order.

    Raises
    ------
    ValueError
        For a seed, problem or request out of range, a missing verifier, or scores
        that are not one number per trace.
    TypeError
        If the strategy is no generator or yields something else than a request.
    RuntimeError
        If the proposer gives a row twice, one not asked for, or not all.
    BankError
        If the bank cannot be used. If it failed while the run was under way (a full
        disk, say), all chunks before are in it, `unsaved` has the rows of the last
        one, and `outcomes` what had become of the problems.
    Exception
        Whatever the strategy raises, with a note that names the problem.

    Examples
    --------
    >>> from tts_lab.proposers.scripted import Scripted
    >>> from tts_lab.traces import Problem, Propose, Trace
    >>> def first_line(problem):
    ...     [trace] = yield Propose([Trace(problem)], until="step")
    ...     return trace.text
    >>> proposer = Scripted({"1+2\\n": ["1+2=3\\n#3"]})
    >>> [outcome] = run(first_line, [Problem("chains", "1+2\\n")], proposer=proposer,
    ...                 seed=0)
    >>> outcome.value, outcome.ledger.prompt_tokens, outcome.ledger.generated_tokens
    ('1+2=3\\n', 5, 6)
    """
    driver = Driver(proposer, verifier, on_event, cancel, bank)
    try:
        driver.start(strategy, list(problems), seed)
        driver.work()
    except BaseException as error:
        with suppress(Exception):  # the first error is the one to see
            driver.close()
        if isinstance(error, BankError):
            with suppress(Exception):  # it may have failed before there were any
                error.outcomes = _outcomes(driver)
        raise
    driver.close()
    return _outcomes(driver)


def _outcomes(driver: Driver) -> list[Outcome]:
    return [
        Outcome(s.problem, s.value, s.complete, driver.accounts.ledger(s.index))
        for s in driver.slots
    ]
