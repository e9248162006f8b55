"""The check of exercise 11's budget forcing, a strategy that thinks within limits.

Promises: the generator is driven as `tts_lab.run.run` would drive it, by a model whose
thoughts are written down beforehand (`tts_lab.exercises.waiting`); the first rule that
is broken is reported. Where thinking must end is what
`tts_lab.strategies.thinking.think` says. Not covered: models with their own mark for
the end of thinking.
"""

from __future__ import annotations

import random
from collections.abc import Generator
from typing import Any

from tts_lab.exercises.grading import Answer
from tts_lab.exercises.playing import LINES, Stuck, lines_at_most
from tts_lab.exercises.protocol import Broken
from tts_lab.exercises.report import Report
from tts_lab.exercises.waiting import LONG, PROBLEM, SCORE, Talk
from tts_lab.exercises.words import show, show_error
from tts_lab.strategies.thinking import answer as ending
from tts_lab.strategies.thinking import thoughts
from tts_lab.traces import Trace

NAME = "budget_forcing"
REQUESTS = 20


def budget_forcing(answer: Answer, seed: int) -> Report:
    """Check `my_think(problem, *, most, waits)`, a generator."""
    talks = [_talk(*one) for one in _TALKS]
    rng = random.Random(seed)
    talks.append(_talk(LONG, rng.randrange(3, 6), _drawn(rng)))
    talks.append(_talk(rng.randrange(40, 80), 4, _drawn(rng)))
    for talk in talks:
        try:
            _hold(answer, talk)
        except Broken as broken:
            return Report(
                NAME,
                False,
                broken.message,
                on_input=str(talk),
                given=broken.given,
                expected=broken.expected,
                likely_cause=broken.cause,
            )
    return Report(NAME, True, f"right in all {len(talks)} talks")


_WRONG, _RIGHT = "4+8=13\n#13\n?12 x", "4+8\n4+8=12\n#12\n?12 ok"
_OWN = f"4+8=13\n#13\n?12 x\nwait\n{_RIGHT}"
#: most, waits, what the model writes, how much it can
_TALKS: tuple[Any, ...] = (
    (LONG, 0, [_RIGHT.removeprefix("4+8\n"), _RIGHT]),
    (LONG, 1, [_WRONG, _RIGHT, _RIGHT]),
    (LONG, 2, [_OWN, _RIGHT, _RIGHT, _RIGHT]),
    (len(_WRONG) + 5, 2, [_WRONG, _RIGHT, _RIGHT, _RIGHT]),  # cut in the second
    (len(_WRONG) + 1, 2, [_WRONG, _RIGHT, _RIGHT, _RIGHT]),  # cut at its end
    (5, 1, [_WRONG, _RIGHT, _RIGHT]),  # cut before any answer
    (LONG, 2, [_WRONG, _RIGHT, _RIGHT, _RIGHT], len(_WRONG) + 8),  # context full
)


def _talk(most: int, waits: int, pieces: list[str], room: int = 10**6) -> Talk:
    return Talk(most, waits, pieces, room)


def _drawn(rng: random.Random) -> list[str]:
    """Attempts with different answers."""
    values = rng.sample(range(10, 99), 7)
    pieces = [f"4+8={value}\n#{value}\n?12 x" for value in values]
    return [pieces[0], *(f"4+8\n{piece}" for piece in pieces[1:])]


def _hold(answer: Answer, talk: Talk) -> None:
    """Drive the generator to its end and look at what it asked and returned."""
    reply: Any = None
    requests = 0
    try:
        with lines_at_most(LINES):
            generator = answer(PROBLEM, most=talk.most, waits=talk.waits)
        if not isinstance(generator, Generator):
            raise Broken(
                "no generator was made", f"returns {show(generator)}", "a generator",
                "there is no `yield` in the function: a strategy never calls a model, "
                "it asks by `[now] = yield Propose(...)`",
            )  # fmt: skip
        while True:
            with lines_at_most(LINES):
                request = generator.send(reply)
            reply = talk.answer(request)
            requests += 1
            if requests > REQUESTS:
                raise Broken("it does not stop", f"{requests} requests", _wanted(talk))
    except StopIteration as stop:
        value = stop.value
    except (NotImplementedError, Broken):
        raise
    except Stuck:
        raise Broken(
            "it works for ever and asks for nothing", "no request", _wanted(talk),
            "a loop that never yields must end by itself: what changes in it?",
        ) from None  # fmt: skip
    except Exception as error:
        signature = isinstance(error, TypeError) and "argument" in str(error)
        raise Broken(
            f"raised {type(error).__name__}",
            show_error(error, answer),
            _wanted(talk),
            "it is called as `my_think(problem, most=..., waits=...)`"
            if signature and not talk.asked
            else "",
        ) from error
    _judge_end(value, talk)


def _wanted(talk: Talk) -> str:
    return f"at most {talk.waits} forced waits and a pair (trace, score)"


def _judge_end(value: Any, talk: Talk) -> None:
    """What was scored and returned."""
    wanted = Trace(
        PROBLEM, ending(PROBLEM, talk.now.text), talk.now.tokens, talk.now.finished
    )
    if len(talk.scored) != 1:
        raise Broken(
            "wrong number of scores", f"{len(talk.scored)} traces verified", "1",
            "what counts is one attempt: `[score] = yield Verify([trace])`",
        )  # fmt: skip
    [scored] = talk.scored
    if not isinstance(scored, Trace) or scored.text != wanted.text:
        text = getattr(scored, "text", scored)
        raise Broken(
            "the wrong attempt counts", f"verifies {show(text)}",
            f"verifies {show(wanted.text)}", _why_attempt(text, talk),
        )  # fmt: skip
    kept = scored.tokens, scored.finished
    if kept != (wanted.tokens, wanted.finished):
        cause = "its tokens are those of all the thinking, `now.tokens`"
        if scored.tokens == wanted.tokens:
            cause = "hand on `now.finished`: whether the model ended by itself"
        raise Broken(
            "the answer has lost something", f"tokens={kept[0]}, finished={kept[1]}",
            f"tokens={wanted.tokens}, finished={wanted.finished}", cause,
        )  # fmt: skip
    pair = tuple(value) if isinstance(value, list | tuple) else (value,)
    if pair == (scored, SCORE):
        return
    cause = ""
    if value is None:
        cause = "nothing is returned: the generator ends without `return`"
    elif pair == (scored,):
        cause = "the score is missing: return (trace, score)"
    elif pair == (SCORE, scored):
        cause = "the pair is the wrong way round: (trace, score)"
    elif len(pair) == 2 and isinstance(pair[0], Trace):
        cause = "the trace that was verified is returned, with its score as a number"
    raise Broken("wrong result", f"returns {show(value)}", "(trace, score)", cause)


def _why_attempt(text: Any, talk: Talk) -> str:
    every = [one.attempt for one in thoughts(PROBLEM, talk.now.text)]
    if text == talk.now.text:
        return "the whole trace is verified; only its last whole attempt counts"
    if every and text == every[-1]:
        return "the last attempt was cut off before its answer; the last whole one " \
            "counts"  # fmt: skip
    if text in every[:-1]:
        return "an earlier attempt is verified; the last whole one counts, whatever " \
            "its check says"  # fmt: skip
    if isinstance(text, str) and "?" in text:
        return "the check is no part of an attempt: read the trace with " \
            "`read_thoughts`"  # fmt: skip
    if not text:
        return "where no attempt is whole, what stands there counts, the last of it"
    return ""
