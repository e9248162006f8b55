"""The check of exercise 6's strategy: chains of attempts, each seeing those before it.

Promises: the generator is driven as `tts_lab.run.run` would drive it, by a scripted
policy whose attempts are told apart; which attempts each one sees is looked at first
(`tts_lab.exercises.talking`), then how many there are, then what is returned.
Not covered: max_tokens, and whether a model gains by revising.
"""

from __future__ import annotations

import random
from collections.abc import Generator
from typing import Any

from tts_lab.exercises.attempts import Attempt, names
from tts_lab.exercises.grading import Answer
from tts_lab.exercises.playing import LINES, Stuck, lines_at_most
from tts_lab.exercises.protocol import Broken
from tts_lab.exercises.report import Report
from tts_lab.exercises.talking import PROBLEM, Talk
from tts_lab.exercises.words import show, show_error
from tts_lab.traces import Trace

NAME = "revision"

#: n, chains and which attempt is cut off: even chains, long ones, a partial round
TALKS = ((8, 2, None), (6, 1, None), (12, 2, None), (7, 3, None), (4, 4, None),
         (1, 1, None), (6, 2, 2))  # fmt: skip


def revision(answer: Answer, seed: int) -> Report:
    """Check `my_revise(problem, *, n, chains)`, a generator."""
    rng = random.Random(seed)
    chains = rng.randrange(2, 5)
    extra = (chains * rng.randrange(2, 6) + rng.randrange(1, chains), chains, None)
    for n, width, cut in (*TALKS, extra):
        talk = Talk(n, width, cut)
        try:
            _hold(answer, talk)
        except Broken as broken:
            return Report(
                NAME,
                False,
                broken.message,
                on_input=f"{talk}" + (f"; attempt {cut + 1} is cut off" if cut else ""),
                given=broken.given,
                expected=broken.expected,
                likely_cause=broken.cause,
            )
    return Report(NAME, True, f"right in all {len(TALKS) + 1} talks")


def _hold(answer: Answer, talk: Talk) -> None:
    """Drive the generator to its end and look at what it asked and returned."""
    reply: Any = None
    try:
        with lines_at_most(LINES):
            generator = answer(PROBLEM, n=talk.n, chains=talk.chains)
        if not isinstance(generator, Generator):
            raise Broken(
                "no generator was made",
                f"returns {show(generator)}",
                "a generator",
                "there is no `yield` in the function: a strategy never calls a model, "
                "it asks by `traces = yield Propose(...)`",
            )
        while True:
            with lines_at_most(LINES):
                request = generator.send(reply)
            reply = talk.answer(request)
    except StopIteration as stop:
        value = stop.value
    except (NotImplementedError, Broken):
        raise
    except Stuck:
        raise Broken(
            "it works for ever and asks for nothing",
            "no request",
            _wanted(talk),
            "a loop that never yields must end by itself: what changes in it?",
        ) from None
    except Exception as error:
        signature = isinstance(error, TypeError) and "argument" in str(error)
        raise Broken(
            f"raised {type(error).__name__}",
            show_error(error, answer),
            f"{_wanted(talk)} and a list of (trace, score)",
            "it is called as `my_revise(problem, n=..., chains=...)`"
            if signature and not talk.known
            else "",
        ) from error
    _judge_numbers(talk)
    _judge_calls(talk)
    _judge_value(value, talk)


def _wanted(talk: Talk) -> str:
    return f"{talk.n} attempts in {_count(talk.chains, 'chain')}: {_lengths(talk)}"


def _lengths(talk: Talk) -> str:
    each, more = divmod(talk.n, talk.chains)
    return show([each + (chain < more) for chain in range(talk.chains)])


def _count(number: int, of: str) -> str:
    return f"{number} {of}{'s' * (number != 1)}"


def _judge_numbers(talk: Talk) -> None:
    """How many attempts there are, in all and in each chain."""
    lengths = [len(chain) for chain in talk.written]
    total = sum(lengths)
    each, rest = divmod(talk.n, talk.chains)
    given = f"{_count(total, 'attempt')} in {_count(len(lengths), 'chain')}"
    if total != talk.n:
        cause = ""
        if total == talk.n * talk.chains:
            cause = "n is taken for the attempts of one chain; it counts those of all"
        elif rest and total == each * talk.chains:
            cause = "the last, partial round is lost: `n // chains` drops the rest"
        elif rest and total == (each + 1) * talk.chains:
            cause = (
                "the last round is a whole one although fewer are left: only the "
                "first chains go on in it"
            )
        elif total == talk.n + talk.chains:
            cause = "the first attempts are not counted: they are among the n"
        elif total == talk.chains:
            cause = "nothing is revised: each chain ends with its first attempt"
        elif total in (0, talk.n - 1, talk.n + 1):
            cause = "count what is left of n: it gets smaller by each round's attempts"
        elif total < talk.n:
            cause = "no attempt ends a chain, whatever it scores: all n are written"
        raise Broken("wrong number of attempts", f"{given}: {show(lengths)}",
                     _wanted(talk), cause)  # fmt: skip
    if lengths != [each + (chain < rest) for chain in range(talk.chains)]:
        cause = "every chain has n // chains attempts, and the first ones one more " \
            "when it does not come out even"  # fmt: skip
        if len(lengths) == 1:
            cause = "`chains` is ignored: there is one chain"
        raise Broken("the attempts are in the wrong chains",
                     f"{given}: {show(lengths)}", _wanted(talk), cause)  # fmt: skip


def _judge_calls(talk: Talk) -> None:
    """Each round is one call of the model, and each attempt is scored once."""
    rounds = -(-talk.n // talk.chains)
    if talk.rounds > rounds:
        raise Broken(
            "too many requests",
            f"{_count(talk.rounds, 'Propose')}, {talk.readings} Verify",
            f"{_count(rounds, 'Propose')}, one for each round",
            "each request is a call of the model: put the parents of all chains that "
            "go on into one `Propose`",
        )
    if len(talk.scored) != talk.n or len({*talk.scored}) != talk.n:
        cause = "score every attempt once"
        if not talk.scored:
            cause = "scores are never asked for: `scores = yield Verify(attempts)`"
        elif {attempt.place for attempt in talk.scored} == {rounds - 1}:
            cause = "only the last attempts are scored; earlier ones may be better"
        elif len({*talk.scored}) < len(talk.scored):
            cause = "attempts are scored again that have their scores: reading costs"
        given = f"{_count(len(talk.scored), 'score')} of {len({*talk.scored})} attempts"
        raise Broken("wrong number of scores", given, f"{talk.n} of {talk.n} attempts",
                     cause)  # fmt: skip
    if talk.readings > rounds:
        raise Broken(
            "too many requests",
            f"{talk.readings} Verify",
            "1 Verify at the end, or one for each round",
            "put all attempts into one `Verify`",
        )


def _judge_value(value: Any, talk: Talk) -> None:
    """All attempts in the order of the rounds, with their scores."""
    right = sorted(talk.known.values(), key=lambda one: (one.place, one.chain))
    pairs = _pairs(value, talk)
    if pairs is not None and [attempt for attempt, _ in pairs] == right:
        wrong = [one for one in pairs if one[1] != one[0].score]
        if not wrong:
            return
        attempt, score = wrong[0]
        raise Broken(
            "an attempt has the wrong score", f"{attempt} has {show(score)}",
            f"{attempt} has {attempt.score:g}",
            "scores come in the order of the traces that were verified: `zip` the two",
        )  # fmt: skip
    attempts = None if pairs is None else [attempt for attempt, _ in pairs]
    raise Broken(
        "wrong result",
        f"returns {_sketch(value) if attempts is None else names(attempts)}",
        f"returns pairs (trace, score) of {names(right)}",
        _form_cause(value) if attempts is None else _order_cause(attempts, talk),
    )


def _pairs(value: Any, talk: Talk) -> list[tuple[Attempt, float]] | None:
    if not isinstance(value, list | tuple):
        return None
    pairs = []
    for pair in value:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            return None
        trace, score = pair
        if not isinstance(trace, Trace) or not isinstance(score, float | int):
            return None
        pairs.append((talk.of(trace), float(score)))
    return pairs


def _form_cause(value: Any) -> str:
    if value is None:
        return "nothing is returned: the generator ends without `return`"
    if not isinstance(value, list | tuple):
        return "return a list; what `zip` gives can be read once only"
    if not value:
        return ""
    first = value[0]
    if isinstance(first, Trace):
        return "the attempts are returned without their scores: pair them by `zip`"
    if isinstance(first, float | int):
        return "the scores are returned without their attempts: pair them by `zip`"
    if isinstance(first, list | tuple) and len(first) == 2:
        if isinstance(first[1], Trace):
            return "the pairs are the wrong way round: (trace, score)"
        if isinstance(first[0], str):
            return "the text is returned; the trace is wanted, with its text alone"
    if isinstance(first, list | tuple) and first and isinstance(first[0], list | tuple):
        return "one list for each chain is returned; one list of all is wanted"
    return ""


def _order_cause(given: list[Attempt], talk: Talk) -> str:
    """What is likely where pairs are missing or in disorder."""
    if {*given} == {*talk.known.values()} and len(given) == talk.n:
        if given == [attempt for chain in talk.written for attempt in chain]:
            return (
                "chain after chain is returned; wanted are the first of every chain, "
                "then the second of every chain, and so on"
            )
        return (
            "the order is that of the rounds: the first of every chain, then the "
            "second of every chain. Nothing is sorted by score"
        )
    lasts = [chain[-1] for chain in talk.written]
    if len(given) == 1 and len(lasts) > 1 and given[0] not in lasts:
        return "one attempt is chosen; choosing comes later, here all are returned"
    if {*given} <= {*lasts}:
        return (
            "only the last attempts are returned. Revision spoils right attempts too, "
            "so the choice is made over the whole chain: return all"
        )
    if {*given} < {*talk.known.values()}:
        return "some attempts are missing; all are returned, whatever they score"
    return ""


def _sketch(value: Any) -> str:
    """What was returned, with types in place of contents."""
    if not isinstance(value, list | tuple):
        return show(value) if value is None else f"a {type(value).__name__}"
    if not value:
        return "an empty list"
    return f"a list of {len(value)}, first {show(type(value[0]).__name__)}"
