"""The command `tts-lab compare`: which strategy pays for a model of yours."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event as Flag
from typing import Any

from tts_lab import problems
from tts_lab.printable import printable
from tts_lab.traces import Problem

_KEPT = "what was sampled is in {}: the same command again goes on from there"
_PROBLEMS = "a JSONL file, gsm8k, math-500, aime24, or domain:level such as chains:5"


def add(commands: Any) -> None:
    """Add the command to the parser's subcommands."""
    from tts_lab.formats import names

    command = commands.add_parser(
        "compare", help="which strategy pays for your policy, PRM and problems"
    )
    say = command.add_argument
    say("--policy", required=True, help="rung, folder, hub id, or endpoint URL; "
        "of several that serve the same, with commas between them")  # fmt: skip
    say("--prm", required=True, help="a verifier's name, PRM folder, hub id or URL")
    say("--problems", required=True, help=_PROBLEMS)
    say("--limit", type=int, help="the first so many problems")
    say("--budgets", default="4,16,64", help="values of n (default 4,16,64)")
    say("--strategies", default="best_of_n,beam,dvts",
        help="also: weighted, majority, lookahead, rebase, mcts")  # fmt: skip
    say("--rule", default="weighted vote", help="how a search's answer is chosen: "
        "'weighted vote' (default), best-of-n or majority")  # fmt: skip
    say("--served", help="the policy's name on an endpoint that serves several")
    say("--tokenizer", help="of an endpoint that does not tokenise: its model's folder")
    say("--prm-served", help="the PRM's name on its endpoint")
    say("--prm-family", help="whose markers and rule; default by the PRM's name")
    say("--backend", help="engine, transformers, vllm or server; default: what fits")
    say("--prm-backend", help="the same for the PRM")
    say("--format", help=f"how the policy is asked: {', '.join(names())}")
    say("--temperature", type=float, default=1.0)
    say("--max-tokens", type=int, help="most tokens of a trace, or of a search's step")
    say("--seed", type=int, default=0)
    say("--out", type=Path, default=Path("comparison"),
        help="folder of report.md, report.png, report.json and the bank of samples; "
        "the same command again goes on from that bank")  # fmt: skip
    command.set_defaults(run=compare)


def compare(options: argparse.Namespace) -> int:
    """Run the comparison and write the report; 130 when it was stopped."""
    from tts_lab.bank import Bank
    from tts_lab.compare import WAYS, compare
    from tts_lab.comparison_report import findings, write
    from tts_lab.models import open_policy, open_verifier
    from tts_lab.race import chooser
    from tts_lab.verifiers.public import PublicPRM, check_format

    budgets = _numbers(options.budgets)
    strategies = _words(options.strategies)
    unknown = [name for name in strategies if name not in WAYS]
    if unknown or not strategies:
        raise ValueError(
            f"--strategies {options.strategies!r}; accepted are {', '.join(WAYS)}"
        )
    chooser(options.rule)
    read_problems(options.problems, options.limit)  # an error here needs no model
    policy = open_policy(
        options.policy, backend=options.backend, format=options.format,
        served=options.served, tokenizer=options.tokenizer, say=_say,
    )  # fmt: skip
    how = getattr(policy, "format", None)
    some = read_problems(options.problems, options.limit, how and how.delimiter)
    verifier = open_verifier(
        options.prm, backend=options.prm_backend, family=options.prm_family,
        served=options.prm_served, say=_say,
    )  # fmt: skip
    if isinstance(verifier, PublicPRM):
        check_format(verifier, some[0])
    options.out.mkdir(parents=True, exist_ok=True)
    bank = options.out / "bank.sqlite"
    began = time.perf_counter()
    try:
        with Bank(bank) as kept, _stoppable() as cancel:
            found = compare(
                strategies, some, proposer=policy, verifier=verifier, n=budgets,
                rule=options.rule, temperature=options.temperature,
                max_tokens=options.max_tokens, seed=options.seed, bank=kept,
                on_progress=_Line(len(some), policy), cancel=cancel,
            )  # fmt: skip
    except Exception as error:
        _say("")
        raise OSError(
            f"{error}\n{_KEPT.format(bank)}"
        ) from error  # the command line shows OSErrors as one message
    finally:
        for model in (policy, verifier):
            if hasattr(model, "close"):
                model.close()
    _say("")
    notes = {
        "policy": f"{options.policy}, {type(policy).__name__}",
        "verifier": options.prm,
        "problems": f"{options.problems}, {len(some)}",
        "rule of searches": options.rule,
        "temperature": options.temperature,
        "seconds": f"{time.perf_counter() - began:.1f}",
    }
    told = [*getattr(policy, "notes", ()), *getattr(verifier, "notes", ())]
    notes |= {f"note {i + 1}": note for i, note in enumerate(told)}
    written = write(found, options.out, notes=notes)
    for sentence in findings(found):
        print(printable(sentence))
    print("written: " + ", ".join(map(str, written)))
    if found.complete:
        return 0
    print(f"stopped; {_KEPT.format(bank)}", file=sys.stderr)
    return 130


def read_problems(
    spec: str, limit: int | None = None, delimiter: str | None = None
) -> list[Problem]:
    """The problems a specification names.

    Those in words take the step delimiter given, that of the policy's format; the
    ladder's steps are lines.

    Raises
    ------
    ValueError
        For a domain, level, file or data set that is not there.

    >>> [p.prompt for p in read_problems("countdown:3:2")]
    ['89 60 78 21>92\\n', '15 98 56 50>596\\n']
    """
    name, colon, rest = spec.partition(":")
    if colon and name in problems.DOMAINS:
        level, _, number = rest.partition(":")
        if not (level.isdigit() and (number.isdigit() or not number)):
            raise ValueError(f"--problems {spec!r}; accepted is {_PROBLEMS}")
        n = limit or (int(number) if number else None)
        return problems.evaluation_set(name, int(level), n)
    from tts_lab.problems import sources

    return sources.load(spec, n=limit, delimiter=delimiter or "\n\n")


class _Line:
    """One line on standard error that says how far it is."""

    def __init__(self, problems: int, policy: object = None) -> None:
        self.problems, self.shown, self.began = problems, 0.0, time.monotonic()
        self.policy = policy

    def __call__(self, strategy: str, n: int, done: int, rows: int) -> None:
        now = time.monotonic()
        if done < self.problems and (not sys.stderr.isatty() or now - self.shown < 0.2):
            return  # a log gets a line for each strategy and n
        self.shown = now
        wrong = getattr(self.policy, "status", "")  # of several servers
        _say(
            f"{strategy}, n = {n}: {done} of {self.problems} problems, {rows:,} "
            f"samples, {now - self.began:.0f} s" + (f"; {wrong}" if wrong else "")
        )


def _say(message: str) -> None:
    message = printable(message)
    if sys.stderr.isatty():
        print(f"\r\x1b[K{message}", end="", file=sys.stderr, flush=True)
    elif message:
        print(message, file=sys.stderr)


@contextmanager
def _stoppable() -> Iterator[Flag]:
    """A flag that Ctrl+C sets; a second Ctrl+C interrupts as usual."""
    flag = Flag()

    def stop(*_: object) -> None:
        flag.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield flag
    finally:
        signal.signal(signal.SIGINT, before)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _numbers(text: str) -> list[int]:
    words = _words(text)
    if not words or not all(word.isdigit() and int(word) > 0 for word in words):
        raise ValueError(f"--budgets {text!r}; accepted are numbers such as 4,16,64")
    return [int(word) for word in words]
