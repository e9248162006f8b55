"""What a hostile model, file or server may send: strategies for the fuzz tests.

`TTS_LAB_FUZZ=5000` tries so many examples of each property instead of a few.
"""

from __future__ import annotations

import os

from hypothesis import settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("TTS_LAB_FUZZ", "30"))
few = settings(max_examples=EXAMPLES)

#: markup that runs a script where it is not escaped
MARKUP = [
    "<script>window.__hit = 1</script>",
    '<img src=x onerror="window.__hit = 2">',
    "'\" onmouseover='window.__hit=3' x=\"",
    "</pre></style></title></svg><svg onload=window.__hit=4>",
    "a & b &lt; c",
    "[a link](javascript:window.__hit=5)",
    "$\\href{javascript:window.__hit=6}{x}$ and \\(y\\) and $$z$$",
    "\x1b[31m\x1b]8;;javascript:window.__hit=7\x07red\x1b[0m",
]
FRAGMENTS = [
    *MARKUP, "\\boxed{", "}", "{", "\\frac", "$", "\\(", "#", "####", "\n", "\n\n",
    " ", "the answer is ", "final answer:", "1", "-", "9" * 30, "1,000", "0.5", "1/0",
    "1e999", "nan", "inf", "(", ")", "^", "x", "%", "/", "*", "=", "|", ">", "ки",
    "\x00", "\x1b[31m", "\r", "\u202e", "\u00b2", "\u0663", "\ud800", "\U0001f600",
    "__import__('os').system('touch hit')", "{{7*7}}", "../../etc/passwd", "%s%n",
]  # fmt: skip

#: texts: pieces that parsers look for, and any characters
texts = st.lists(
    st.one_of(st.sampled_from(FRAGMENTS), st.text(st.characters(), max_size=5)),
    max_size=12,
).map("".join)

numbers = st.one_of(
    st.integers(-(10**400), 10**400),
    st.integers(-3, 300),
    st.floats(),
)
#: any value that JSON, as Python reads it, can have
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)
    ),
    max_leaves=5,
)
#: not JSON, or hardly
DAMAGED = [
    b"", b"{", b"[", b"null", b"3", b'"text"', b"[" * 100_000, b'{"a":' * 50_000,
    b"\xff\xfe\x00\x00", b"1" * 5_000, b"NaN", b'{"a": 1} trailing', b"\x00" * 100,
    b'{"problem": "\xed\xa0\x80"}', b"\xef\xbb\xbf{}",
]  # fmt: skip
