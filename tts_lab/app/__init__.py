"""Widgets as pages of their own, served by Voila: `tts-lab app`.

Importing this needs nothing; `tts_lab.app.server` needs Voila.
"""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
#: what can be opened, and the notebook that is behind it
PAGES = {
    "lab": "strategy_lab.ipynb",
    "race": "strategy_race.ipynb",
    "coverage": "coverage.ipynb",
}


def page_path(name: str) -> str:
    """Where the server has a page.

    Parameters
    ----------
    name : str
        One of `PAGES`.

    Raises
    ------
    ValueError
        For any other name.

    Examples
    --------
    >>> page_path("race")
    '/voila/render/strategy_race.ipynb'
    """
    if name not in PAGES:
        raise ValueError(f"page {name!r} is unknown; there are {', '.join(PAGES)}")
    return f"/voila/render/{PAGES[name]}"
