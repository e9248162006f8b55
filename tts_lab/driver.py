"""The driver's rounds: strategies advance together, models are asked once for all.

For `tts_lab.run` alone, which says what is promised. Each round takes one request of
every strategy at work, answers all `Propose` in one call (what the bank has first) and
all `Verify` in another, and enters what it cost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from hashlib import blake2b
from threading import Event as Flag
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from tts_lab.bank import Bank
from tts_lab.bank_file import BankError
from tts_lab.calls import Call, Slot, feed
from tts_lab.interrupt import Interrupted, interruptible
from tts_lab.ledger import Accounts
from tts_lab.proposers import Proposer, Samples
from tts_lab.requests import checked, checked_scores, short
from tts_lab.traces import (
    Done,
    Event,
    Problem,
    Propose,
    Sampled,
    Scored,
    Strategy,
    Trace,
    Verify,
)
from tts_lab.verifiers import Verifier


class Driver:
    """A run: `start` makes the strategies, `work` does the rounds, `close` ends."""

    def __init__(
        self,
        proposer: Proposer,
        verifier: Verifier | None,
        on_event: Callable[[Event], None] | None,
        cancel: Flag | None,
        bank: Bank | None,
    ) -> None:
        self.proposer = proposer
        self.verifier = verifier
        self.on_event = on_event
        self.cancel = cancel
        self.bank = bank
        self.slots: list[Slot] = []

    def start(
        self,
        strategy: Callable[[Problem], Strategy],
        problems: list[Problem],
        seed: int,
    ) -> None:
        whole = isinstance(seed, int | np.integer) and not isinstance(seed, bool)
        if not (whole and 0 <= seed < 2**63):
            raise ValueError(f"seed must be an int from 0 to 2**63 - 1, got {seed!r}")
        if not problems:
            raise ValueError("problems must hold at least one problem, got none")
        times: Counter[tuple[str, str]] = Counter()
        for index, problem in enumerate(problems):
            if not isinstance(problem, Problem):
                raise TypeError(
                    f"problems must hold Problem objects, got {short(problem)}"
                )
            digest = blake2b(digest_size=16, person=b"tts_lab.run")
            same = (problem.id, problem.prompt)
            feed(digest, f"{seed}", f"{times[same]}", *same)
            if problem.delimiter != "\n":
                feed(digest, problem.delimiter)
            times[same] += 1
            tokens = self.proposer.count_tokens(problem.prompt)
            generator = strategy(problem)
            if not isinstance(generator, Generator):
                raise TypeError(
                    f"the strategy returned {short(generator)}; a strategy is a "
                    "generator function, which yields Propose and Verify"
                )
            self.slots.append(Slot(index, problem, generator, digest, tokens))
        self.accounts = Accounts(len(problems))
        self.prompts_due = np.array([s.prompt_tokens for s in self.slots], np.int64)
        self.fingerprint = self.proposer.fingerprint if self.bank is not None else ""

    def work(self) -> None:
        """Rounds: advance every strategy, then one propose and one verify call."""
        working = self.slots
        while not self.cancelled():
            still = []
            for slot in working:  # what a strategy makes of its answer may take long
                if self.cancelled():
                    return
                if self.advance(slot):
                    still.append(slot)
            working = still
            if not (working and self.propose(working) and self.verify(working)):
                return

    def cancelled(self) -> bool:
        return self.cancel is not None and self.cancel.is_set()

    def close(self) -> None:
        errors: list[Exception] = []
        for slot in self.slots:
            try:
                slot.generator.close()
            except Exception as error:
                slot.note(error)
                errors.append(error)
        if errors:
            raise errors[0]

    def advance(self, slot: Slot) -> bool:
        """Hand a strategy its answer and take its next request; False at its end."""
        answer, slot.answer = slot.answer, None
        try:
            request = slot.generator.send(answer)
            slot.request = checked(request, slot.problem, self.verifier)
            return True
        except StopIteration as stop:
            slot.value, slot.complete = stop.value, True
        except Exception as error:
            slot.note(error)
            raise
        self.emit(Done(slot.index, slot.value))
        return False

    def emit(self, event: Event) -> None:
        if self.on_event is not None:
            self.on_event(event)

    def propose(self, slots: Sequence[Slot]) -> bool:
        """Answer all `Propose`; False when cancelled before all rows were there."""
        call = Call()
        asking = [(s, s.request) for s in slots if isinstance(s.request, Propose)]
        for slot, request in asking:
            for parent in request.parents:
                if not parent.finished:
                    prefix = slot.prompt_tokens
                    if parent.text:
                        prefix = self.proposer.count_tokens(
                            slot.problem.prompt, parent.text
                        )
                    call.add(slot, parent, request, prefix)
        call.freeze()
        if not (self.from_bank(call) and self.from_model(call)):
            return False
        arrived = iter(zip(call.begin.tolist(), call.end.tolist(), strict=True))
        for slot, request in asking:
            slot.answer = answer = []
            for parent in request.parents:
                if parent.finished:
                    answer += [parent] * request.samples
                else:
                    begin, end = next(arrived)
                    answer += call.traces[begin:end]
        return True

    def from_bank(self, call: Call) -> bool:
        if self.bank is None:
            return True
        call.bank_keys = [
            blake2b(key + self.fingerprint.encode(), digest_size=16).digest()
            for key in call.keys
        ]
        for samples in self.bank.get_many(call.bank_keys, call.wanted):
            place = call.shift[samples.job] + samples.row
            call.seen[place] = True
            self.deliver(call, place, samples, banked=True)
            if self.cancelled():
                return False
        return True

    def from_model(self, call: Call) -> bool:
        """Sample what is missing; False when cancelled before all was there."""
        jobs = call.missing()
        if not jobs:
            return True
        before = self.accounts.sampled_tokens()
        seconds, start = 0.0, perf_counter()
        chunks = iter(self.proposer.propose(jobs, cancel=self.cancel))
        try:
            while not self.cancelled():
                chunk = next(chunks, None)
                seconds += perf_counter() - start
                if chunk is None:
                    break
                samples, place = call.accept(chunk, self.proposer.name)
                self.keep(call, samples)
                self.deliver(call, place, samples, banked=False)
                start = perf_counter()
        finally:
            if isinstance(chunks, Generator):
                chunks.close()
            got = self.accounts.sampled_tokens() - before
            asked = np.bincount(call.problem, minlength=len(self.slots))
            self.accounts.add_seconds(seconds, got if got.any() else asked)
        if call.seen.all():
            return True
        if not self.cancelled():
            raise RuntimeError(
                f"proposer {self.proposer.name!r} ended without {call.first_missing()}"
            )
        return False

    def keep(self, call: Call, samples: Samples) -> None:
        """Rows into the bank; if it cannot take them, its error holds them."""
        if self.bank is None or self.bank.read_only:
            return
        try:
            self.bank.put_many(call.bank_keys, samples)
        except BankError as error:
            error.unsaved = call.bank_keys, samples
            error.add_note(
                f"{len(samples.text)} rows just sampled are not in it: "
                "bank.put_many(*error.unsaved) stores them, in this bank or another; "
                "the same run goes on from there"
            )
            raise

    def deliver(
        self, call: Call, place: NDArray[np.int64], samples: Samples, *, banked: bool
    ) -> None:
        """Rows into the books, the answers and the events."""
        problem = call.problem[samples.job]
        tokens = samples.tokens.astype(np.int64)
        self.pay_prompts(call, samples.job, problem)
        self.accounts.add_rows(problem, call.prefix[samples.job], tokens, banked=banked)
        parents = call.parents
        traces = [
            Trace(p.problem, p.text + text, p.tokens + n, finished, p.logprob + logprob)
            for p, text, n, finished, logprob in zip(
                [parents[job] for job in samples.job.tolist()],
                samples.text,
                tokens.tolist(),
                samples.finished.tolist(),
                samples.logprob.tolist(),
                strict=True,
            )
        ]
        for i, trace in zip(place.tolist(), traces, strict=True):
            call.traces[i] = trace
        if self.on_event is not None and traces:
            groups: dict[int, list[Trace]] = {}
            for index, trace in zip(problem.tolist(), traces, strict=True):
                groups.setdefault(index, []).append(trace)
            written = np.bincount(problem, tokens).astype(np.int64).tolist()
            for index, group in groups.items():
                self.emit(Sampled(index, group, banked, written[index]))

    def pay_prompts(
        self, call: Call, parent: NDArray[np.int32], problem: NDArray[np.int64]
    ) -> None:
        """Whoever is the first to read a prompt pays for it."""
        due, given = self.prompts_due, call.given
        if due[problem].any():
            first = np.unique(problem[due[problem] > 0])
            self.accounts.add_prompt(first, np.zeros_like(first), due[first])
            due[first] = 0
        if given[parent].any():
            first = np.unique(parent[given[parent] > 0])
            after = call.prefix[first] - given[first]
            self.accounts.add_prompt(call.problem[first], after, given[first])
            given[first] = 0

    def verify(self, slots: Sequence[Slot]) -> bool:
        """Answer all `Verify`; False when cancelled."""
        asking = [(s, s.request) for s in slots if isinstance(s.request, Verify)]
        traces = [trace for _, request in asking for trace in request.traces]
        if self.cancelled():
            return False
        scores: list[float] = []
        read: list[int] = []
        if traces and self.verifier is not None:
            start = perf_counter()
            try:
                with interruptible(self.cancel):
                    scores = checked_scores(self.verifier, traces)
            except Interrupted:
                return False
            seconds = perf_counter() - start
            read = [self.verifier.tokens(trace) for trace in traces]
            counts = [len(request.traces) for _, request in asking]
            indices = np.array([slot.index for slot, _ in asking], np.int64)
            problem = np.repeat(indices, counts)
            self.accounts.add_scores(problem, np.array(read, np.int64))
            shares = np.bincount(problem, minlength=len(self.slots))
            self.accounts.add_seconds(seconds, shares)
        end = 0
        for slot, request in asking:
            begin, end = end, end + len(request.traces)
            slot.answer = scores[begin:end]
            if slot.answer:
                cost = sum(read[begin:end])
                self.emit(Scored(slot.index, request.traces, slot.answer, cost))
        return True
