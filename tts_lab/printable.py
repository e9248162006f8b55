"""Text of models, servers and files, for terminals and for Markdown.

Promises: what is printed moves no cursor, colours nothing and hides nothing, whatever
it holds, and can be encoded; what stands in a Markdown report is a name there, and
neither markup nor a link. Not covered: HTML, which is escaped where it is made.
"""

from __future__ import annotations

import re
from unicodedata import category

_MARKUP = re.compile(r"[\\`*_\[\]<>!|#&$~]")


def printable(text: object) -> str:
    r"""A text with its control and invisible characters spelt out; lines stay lines.

    >>> printable("47+38=85\n\x1b[2J#85")
    '47+38=85\n\\x1b[2J#85'
    >>> printable("right\u202eto left, half a pair: \ud800")
    'right\\u202eto left, half a pair: \\ud800'
    """
    text = str(text)
    if text.isprintable():
        return text
    return "".join(one if _harmless(one) else _spelt(one) for one in text)


def markdown(text: object) -> str:
    r"""A text on one line of Markdown, as it is.

    >>> print(markdown("a_b <img src=x>\n# [link](javascript:x)"))
    a\_b \<img src=x\> \# \[link\](javascript:x)
    """
    return _MARKUP.sub(r"\\\g<0>", printable(" ".join(str(text).split())))


def _harmless(one: str) -> bool:
    return one in "\n\t" or one.isprintable() or category(one) == "Zs"


def _spelt(one: str) -> str:
    return one.encode("unicode_escape").decode("ascii")
