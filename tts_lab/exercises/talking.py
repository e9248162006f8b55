"""A talk with a strategy that revises: numbered attempts, and who sees what.

Promises: every attempt has a text of its own, so what the next one sees says which
attempts of which chain it is; the first rule that is broken is reported as `Broken`.
Not covered: what a strategy returns and how much it asks for in all
(`tts_lab.exercises.revising`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tts_lab.exercises.attempts import Attempt, cause, name, names
from tts_lab.exercises.protocol import Broken, listed
from tts_lab.exercises.words import show
from tts_lab.strategies.revision import CLOSED, WINDOW
from tts_lab.traces import Problem, Propose, Trace, Verify

PROBLEM = Problem("chains", "47+38\n", 1)


@dataclass(slots=True)
class Talk:
    """What was asked and answered so far.

    Attributes
    ----------
    n, chains : int
        The options of the strategy.
    cut : int or None
        The number of an attempt that is cut off, in the order written.
    """

    n: int
    chains: int
    cut: int | None = None
    written: list[list[Attempt]] = field(default_factory=list)
    known: dict[str, Attempt] = field(default_factory=dict)
    rounds: int = 0
    scored: list[Attempt] = field(default_factory=list)
    readings: int = 0

    def __str__(self) -> str:
        return f"n={self.n}, chains={self.chains}"

    def answer(self, request: Any) -> list[Any]:
        """Numbered attempts for Propose, known scores for Verify."""
        if isinstance(request, Propose):
            return self._propose(request)
        if isinstance(request, Verify):
            return self._verify(request)
        raise Broken(
            "something else than a request was yielded",
            f"yields {show(request)}",
            "yields Propose or Verify",
            "`yield` hands requests to the driver; results are handed over by "
            "`return`, once, at the end",
        )

    def _propose(self, request: Propose) -> list[Trace]:
        parents = listed(request.parents, "Propose([Trace(problem)])")
        self._judge_form(request, parents)
        rows = [parent for parent in parents for _ in range(request.samples)]
        before = [list(chain) for chain in self.written]
        answers = []
        for row, parent in enumerate(rows):
            chain = self._chain(parent, before, row)
            if chain is None:
                self._judge_starts(rows)
                chain = len(self.written)
                self.written.append([])
            answers.append(self._write(chain, parent.text))
        self.rounds += 1
        if len(self.known) > 10 * self.n + self.chains:
            raise Broken(
                "it does not stop asking",
                f"{len(self.known)} attempts and no end",
                f"{self.n} attempts",
                "what is left of n must get smaller by the attempts of each round",
            )
        return answers

    def _judge_form(self, request: Propose, parents: list[Any]) -> None:
        """The request as such, before it is asked who sees what."""
        number = request.samples
        if not parents or not isinstance(number, int) or not 1 <= number <= 999:
            raise Broken(
                "nothing was asked for",
                f"{len(parents)} parents, samples={number!r}",
                "one parent for each chain that goes on",
                "n attempts are there: end before you ask again",
            )
        for parent in parents:
            if not isinstance(parent, Trace):
                kind = type(parent).__name__
                raise Broken(
                    "something else than a trace is a parent",
                    f"{kind}: {show(parent)}", "Trace(problem, text)",
                    "what an attempt sees is the text of its parent: `Trace(problem, "
                    "shown(problem, texts))`",
                )  # fmt: skip
            if parent.finished:
                raise Broken(
                    "a finished trace is a parent",
                    f"parent {show(parent.text)}, finished",
                    "Trace(problem, shown(problem, texts)), not finished",
                    "the driver hands a finished parent back as it is: begin a new "
                    "trace, behind what is to be seen",
                )
        if request.until != "end" or request.temperature == 0:
            raise Broken(
                "the wrong thing was asked for",
                f"until={request.until!r}, temperature={request.temperature:g}",
                "until='end', temperature 1",
                "an attempt is a whole trace, and at temperature 0 all chains would "
                "begin alike: leave both as they are",
            )

    def _judge_starts(self, rows: Sequence[Trace]) -> None:
        if len(self.written) < self.chains:
            return
        starts = len(self.written) + 1
        why = "every round begins at the bare problem: from its second on, an " \
            "attempt sees those before it"  # fmt: skip
        if not self.rounds:
            starts = sum(not row.text for row in rows)
            why = "more attempts begin at the bare problem than there are chains: " \
                "only the first of each chain does"  # fmt: skip
        raise Broken(
            "too many attempts see nothing",
            f"at least {starts} attempts see nothing",
            f"{min(self.chains, self.n)} attempts see nothing, one for each chain",
            why,
        )

    def _chain(
        self, parent: Trace, before: list[list[Attempt]], row: int
    ) -> int | None:
        """The chain that an attempt goes on, None for a first attempt."""
        if not parent.text:
            return None
        seen = self._seen(parent.text)
        last = seen[-1]
        mine = before[last.chain] if last.chain < len(before) else []
        if seen == mine[-WINDOW:]:
            if len(self.written[last.chain]) > len(mine):
                raise Broken(
                    "a chain goes on twice in one round",
                    f"two attempts see {names(seen)}",
                    "one attempt of each chain",
                    "`samples` stays at 1, and each chain has one parent: the second "
                    "attempt has to see the first",
                )
            return last.chain
        target = row if row < len(before) else last.chain
        own = before[target] if target < len(before) else []
        raise Broken(
            "an attempt sees the wrong attempts",
            f"{name(target, len(own))} sees {names(seen)}",
            f"{name(target, len(own))} sees {names(own[-WINDOW:])}",
            cause(seen, before[last.chain] if last.chain < len(before) else own),
        )

    def _seen(self, text: str) -> list[Attempt]:
        """The attempts that stand in a text."""
        right = "shown(problem, texts of the chain's attempts)"
        prompt = PROBLEM.prompt
        if not text.endswith(CLOSED + prompt):
            raise Broken(
                "what an attempt sees is not as the model has learnt it",
                f"the parent's text is {show(text)}",
                right,
                "each attempt is closed by a line with a question mark, and the "
                "problem is stated again behind them: `shown` does it",
            )
        seen = []
        for piece in reversed(text.removesuffix(CLOSED + prompt).split(CLOSED)):
            if piece not in self.known:
                why = "attempts are seen as they were written, whole and unchanged"
                if piece.startswith(prompt):
                    why = (
                        "a trace begins with its parent's text. Take what the attempt "
                        "saw off its front, `text.removeprefix(start)`, or it is seen "
                        "twice by the next one"
                    )
                raise Broken(
                    "an attempt sees something that is no attempt",
                    f"it sees {show(piece)}",
                    right,
                    why,
                )
            seen.append(self.known[piece])
        return seen

    def _write(self, chain: int, before: str) -> Trace:
        number = len(self.known)
        finished = number != self.cut
        text = f"47+38={number}\n#{number}" if finished else f"47+38=#{number}"
        tokens = len(text) + finished
        attempt = Attempt(chain, len(self.written[chain]), text, tokens, finished)
        self.written[chain].append(attempt)
        self.known[text] = attempt
        return Trace(PROBLEM, before + text, tokens, finished)

    def _verify(self, request: Verify) -> list[float]:
        if isinstance(request.traces, Propose):
            raise Broken(
                "Verify got a request instead of traces",
                "Verify(Propose(...))",
                "Verify(attempts)",
                "a `yield` is missing: `traces = yield Propose(...)` is what gets the "
                "traces",
            )
        attempts = [self.of(one) for one in listed(request.traces, "Verify(traces)")]
        self.scored += attempts
        self.readings += 1
        return [attempt.score for attempt in attempts]

    def of(self, trace: Any) -> Attempt:
        """The attempt that a trace is, without what it saw.

        Raises
        ------
        Broken
            If it is none, or has lost something.
        """
        text = getattr(trace, "text", None)
        if not isinstance(trace, Trace) or text not in self.known:
            why = "give the attempts themselves, as traces"
            if isinstance(trace, Trace) and PROBLEM.prompt in trace.text:
                why = (
                    "a trace begins with its parent's text, so what the attempt saw is "
                    "still in front. Take it off: `dataclasses.replace(trace, text="
                    "trace.text.removeprefix(start))`"
                )
            raise Broken(
                "a trace is not the attempt alone",
                show(text) if isinstance(trace, Trace) else show(trace),
                "the text that was written, such as '47+38=1\\n#1'",
                why,
            )
        attempt = self.known[text]
        if (trace.tokens, trace.finished) != (attempt.tokens, attempt.finished):
            raise Broken(
                "an attempt has lost something",
                f"{attempt}: tokens={trace.tokens}, finished={trace.finished}",
                f"{attempt}: tokens={attempt.tokens}, finished={attempt.finished}",
                "change the text and nothing else, `dataclasses.replace(trace, "
                "text=...)`: an unfinished trace is never chosen",
            )
        return attempt
