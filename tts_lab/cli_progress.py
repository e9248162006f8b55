"""`tts-lab progress`: which checks of the exercises were passed."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from tts_lab.printable import printable

if TYPE_CHECKING:
    from tts_lab.progress_page import Page


def add(commands: Any) -> None:
    """Add the command to those of `tts-lab`."""
    command = commands.add_parser(
        "progress", help="which checks of the exercises were passed, and what is next"
    )
    command.add_argument(
        "--reset", action="store_true", help="forget all of it; asks before"
    )
    command.add_argument("--yes", action="store_true", help="with --reset: do not ask")
    command.set_defaults(run=_progress)


def _progress(options: argparse.Namespace) -> None:
    from tts_lab import progress

    if options.yes and not options.reset:
        raise ValueError("--yes goes with --reset")
    page = progress.show()
    if not options.reset:
        print(printable(page.text()))
    elif not page.where:
        raise ValueError(page.note())
    elif options.yes or _agreed(page):
        number = progress.reset()
        print(f"forgot {number} check{'s' * (number != 1)}")
    else:
        print("nothing was forgotten")


def _agreed(page: Page) -> bool:
    passed = sum(mark.passed for mark in page.marks.values())
    print(f"{len(page.marks)} checks tried, {passed} passed; {page.note()}")
    try:
        answer = input("Forget them? [y/N] ")
    except EOFError as error:
        raise ValueError("nobody answers; --yes resets without asking") from error
    return answer.strip().lower() in ("y", "yes")
