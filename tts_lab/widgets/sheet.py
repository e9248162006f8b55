"""The style sheet that every widget carries, and the small script that loads with it.

Promises: nothing comes from elsewhere, and no picture or control depends on the
script: it names sliders, announces the status and lets arrow keys go through pictures
(`static/access.js` says what, and what is left without it). Not covered: what is drawn.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

import ipywidgets as widgets

_STATIC = Path(__file__).parent / "static"
STYLE = (_STATIC / "widgets.css").read_text("utf-8")
SCRIPT = (_STATIC / "access.js").read_text("utf-8")


def sheet() -> widgets.HTML:
    """A hidden widget with both, to be the first child of a box `.tts-widget`.

    >>> sheet().value.startswith('<style onload="')
    True
    """
    # the HTML widget sets innerHTML, where script elements do not run
    made = widgets.HTML(f'<style onload="{escape(SCRIPT)}">{STYLE}</style>')
    made.add_class("tts-style")
    return made
