"""A talk with a strategy that thinks: what it may ask for, and from where.

Promises: the model's thoughts are written down beforehand, so the text to go on from is
known; the first rule that is broken is reported as `Broken`. Not covered: what a
strategy scores and returns (`tts_lab.exercises.forcing`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tts_lab.exercises.protocol import Broken, listed
from tts_lab.exercises.words import show
from tts_lab.strategies.thinking import WAIT
from tts_lab.traces import Problem, Propose, Trace, Verify

PROBLEM = Problem("chains", "4+8\n", 1)
FORCED = f"\n{WAIT}"
SCORE = 0.25
LONG = 1000  # a limit beyond all that the scripted model says


@dataclass(slots=True)
class Talk:
    """What was asked and answered so far.

    Attributes
    ----------
    most, waits : int
        The options of the strategy.
    pieces : sequence of str
        What the model writes each time it is asked; behind each it ends by itself.
    room : int
        Tokens the model can write in all, for want of context.
    """

    most: int
    waits: int
    pieces: Sequence[str]
    room: int = 10**6
    now: Trace = field(default_factory=lambda: Trace(PROBLEM))
    asked: int = 0
    scored: list[Trace] = field(default_factory=list)

    def __str__(self) -> str:
        cut = "" if self.room > LONG else f"; it can write {self.room} tokens"
        options = f"most={self.most}, waits={self.waits}"
        return f"{options}; the model writes {self._said()}{cut}"

    def _said(self) -> str:
        return ", then ".join(show(piece) for piece in self.pieces[: self.waits + 1])

    @property
    def over(self) -> bool:
        """Whether thinking has to stop here."""
        if not self.asked:
            return False
        ended = self.now.finished and self.asked <= self.waits
        return not ended or self.now.tokens >= self.most

    def answer(self, request: Any) -> list[Any]:
        """The next piece for Propose, a score for Verify."""
        if isinstance(request, Propose):
            return self._propose(request)
        if isinstance(request, Verify):
            return self._verify(request)
        raise Broken(
            "something else than a request was yielded",
            f"yields {show(request)}",
            "yields Propose or Verify",
            "`yield` hands requests to the driver; the result is handed over by "
            "`return`, once, at the end",
        )

    def _propose(self, request: Propose) -> list[Trace]:
        parents = listed(request.parents, "Propose([now])")
        if len(parents) != 1 or request.samples != 1 or request.until != "end":
            raise Broken(
                "the wrong thing was asked for",
                f"{len(parents)} parents, samples={request.samples!r}, "
                f"until={request.until!r}",
                "one parent, samples=1, until='end'",
                "one thought is thought, from end to end",
            )
        [parent] = parents
        if not isinstance(parent, Trace):
            raise Broken(
                "something else than a trace is a parent",
                f"{type(parent).__name__}: {show(parent)}",
                "a Trace",
                "`[now] = yield Propose(...)` unpacks the one trace that comes back",
            )
        self._judge_parent(parent)
        self._judge_limit(request)
        piece = self.pieces[min(self.asked, len(self.pieces) - 1)]
        left = min(self.most, self.room) - self.now.tokens
        whole = len(piece) + 1 <= left
        written, spent = (piece, len(piece) + 1) if whole else (piece[:left], left)
        self.now = Trace(PROBLEM, parent.text + written, self.now.tokens + spent, whole)
        self.asked += 1
        return [self.now]

    def _judge_parent(self, parent: Trace) -> None:
        """What the model is given to go on from."""
        if not self.asked:
            if (parent.text, parent.tokens, parent.finished) != ("", 0, False):
                raise Broken(
                    "thinking begins at the wrong place",
                    f"the parent's text is {show(parent.text)}",
                    "Trace(problem), which is empty",
                )
            return
        if self.over:
            raise Broken(
                "it goes on where thinking has to end",
                f"asks again after {self.now.tokens} tokens and {self.asked - 1} "
                "forced waits",
                "Verify",
                self._why_over(),
            )
        right = self.now.text + FORCED
        if parent.finished:
            raise Broken(
                "a finished trace is a parent",
                f"parent {show(parent.text)}, finished",
                "a new Trace, not finished",
                "the driver hands a finished parent back as it is: write `Trace(problem"
                ", text, tokens)`, which has not ended",
            )
        if parent.text != right:
            raise Broken(
                "the model goes on from the wrong text",
                f"the parent's text is {show(parent.text)}",
                show(right),
                self._why_text(parent.text),
            )
        if parent.tokens != self.now.tokens:
            cause = "the tokens written so far are lost: hand them on, " \
                "`Trace(problem, text, now.tokens)`"  # fmt: skip
            if parent.tokens > self.now.tokens:
                cause = "the forced wait is counted; the model did not write it"
            raise Broken(
                "the wrong number of tokens is handed on", f"tokens={parent.tokens}",
                f"tokens={self.now.tokens}", cause,
            )  # fmt: skip

    def _why_over(self) -> str:
        if self.now.tokens >= self.most:
            return "the limit is reached: nothing may be written any more"
        if not self.now.finished:
            return "the model did not end, it was cut off: there is no end to suppress"
        if not self.waits:
            return "with waits=0 no end is suppressed: the model's own end counts"
        return "the end is suppressed once too often: `waits` times, no more"

    def _why_text(self, text: str) -> str:
        if text == self.now.text:
            return "the wait is missing: append '\\nwait\\n', or the model ends again"
        if text == self.now.text + WAIT:
            return "a line break is missing: the wait stands on a line of its own"
        if text == self.now.text + FORCED.rstrip("\n"):
            return "the line break behind the wait is missing"
        if text.startswith(self.now.text + FORCED):
            return "only the wait is forced; what comes behind it the model writes"
        if not text:
            return "thinking begins anew: go on from what stands there"
        if text in (FORCED, WAIT):
            return "what was thought is lost: append the wait to it"
        if "?" in self.now.text and "?" not in text:
            return "the last check is cut away; all that was written stays"
        return ""

    def _judge_limit(self, request: Propose) -> None:
        left = self.most - self.now.tokens
        if request.temperature == 0:
            raise Broken(
                "the wrong temperature", "temperature=0", "temperature=1",
                "at temperature 0 all thoughts of a problem are alike: leave it",
            )  # fmt: skip
        if request.max_tokens == left:
            return
        cause = "the limit is for all the thinking: what is left of it is `most` less "\
            "the tokens written so far"  # fmt: skip
        if request.max_tokens is None:
            cause = "the limit is ignored: give `max_tokens`, what is left of `most`"
        elif self.asked and request.max_tokens != self.most:
            cause = "tokens are what the model wrote, `now.tokens`; forced text and " \
                "characters are something else"  # fmt: skip
        raise Broken(
            "the wrong limit", f"max_tokens={request.max_tokens}", f"max_tokens={left}",
            cause,
        )  # fmt: skip

    def _verify(self, request: Verify) -> list[float]:
        if isinstance(request.traces, Propose):
            raise Broken(
                "Verify got a request instead of traces", "Verify(Propose(...))",
                "Verify([trace])", "a `yield` is missing: `[now] = yield Propose(...)`",
            )  # fmt: skip
        traces = listed(request.traces, "Verify([trace])")
        if not self.over:
            raise Broken(
                "thinking ends too early",
                f"Verify after {self.now.tokens} tokens, "
                f"{max(0, self.asked - 1)} waits",
                f"Propose, for {self.waits} ends are suppressed",
                "the end is not suppressed: go on with '\\nwait\\n' behind it"
                if self.asked
                else "first `Propose`, then `Verify` what is the answer",
            )
        self.scored += traces
        return [SCORE for _ in traces]
