"""`tts-lab app`: the strategy lab, the race or the coverage explorer as a web page."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from tts_lab.app import PAGES


def add(commands: Any) -> None:
    """Add the command to those of `tts-lab`."""
    command = commands.add_parser(
        "app", help="open the strategy lab as a page of its own"
    )
    command.add_argument(
        "page", nargs="?", default="lab", help=f"{', '.join(PAGES)} (default lab)"
    )
    command.add_argument("--port", type=int, default=8866, help="default 8866")
    command.add_argument(
        "--ip", default="localhost", help="where to listen (default localhost)"
    )
    command.add_argument("--theme", default="light", help="light (default) or dark")
    command.add_argument(
        "--no-browser", action="store_true", help="only print the address"
    )
    command.set_defaults(run=_app)


def _app(options: argparse.Namespace) -> None:
    from tts_lab.app.server import serve

    serve(
        options.page,
        say=partial(print, flush=True),
        ip=options.ip,
        port=options.port,
        theme=options.theme,
        browser=not options.no_browser,
    )
