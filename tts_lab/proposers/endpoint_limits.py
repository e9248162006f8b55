"""How much of an endpoint's answer is read: a server may be broken, or hostile.

Promises: whatever a server sends, no more than `LARGEST` of an answer, or `LONGEST` of
a line of a stream, is held at a time, also when it is compressed; reading takes time in
proportion to what came. Not covered: a server that sends without end and within these
limits (a stream of events), which a cancel stops.
"""

from __future__ import annotations

LARGEST = 32 << 20  # bytes of an answer, unpacked
LONGEST = 4 << 20  # bytes of a line of a stream
LONGEST_ROW = 5_000_000  # characters of a sample
#: unpacked by the client piece by piece, at most a thousandfold
_PACKED = ("", "identity", "gzip", "deflate")
HEADERS = {"Accept-Encoding": "gzip, deflate"}


class TooLarge(Exception):
    """More was sent than is accepted; the message says what."""


def unpackable(encoding: str) -> None:
    """Refuse what unpacks to any size.

    Raises
    ------
    TooLarge
        For several packings within each other, or one that was not asked for.

    >>> unpackable("gzip")
    >>> unpackable("gzip, gzip")
    Traceback (most recent call last):
    ...
    tts_lab.proposers.endpoint_limits.TooLarge: the answer is packed as 'gzip, gzip',
    which was not asked for
    """
    if encoding.strip().lower() not in _PACKED:
        raise TooLarge(f"the answer is packed as {encoding[:80]!r}, which was not "
                       "asked for")  # fmt: skip


class Body:
    """The pieces of an answer.

    >>> body = Body()
    >>> body.add(b'{"a":'), body.add(b"1}"), body.whole()
    (None, None, b'{"a":1}')
    """

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def add(self, piece: bytes) -> None:
        """One more.

        Raises
        ------
        TooLarge
        """
        self._size += len(piece)
        if self._size > LARGEST:
            self._pieces.clear()
            raise TooLarge(f"the answer has more than {LARGEST:,} bytes")
        self._pieces.append(piece)

    def whole(self) -> bytes:
        """All of them."""
        return b"".join(self._pieces)


class Lines:
    """The lines of a stream, out of pieces that end anywhere.

    Only a line feed ends one: JSON may hold other ends of lines unescaped.

    >>> lines = Lines()
    >>> lines.add(b"data: 1\\nda"), lines.add(b"ta"), lines.add(b": 2\\n")
    ([b'data: 1'], [], [b'data: 2'])
    """

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        self._size = 0

    def add(self, piece: bytes) -> list[bytes]:
        """The lines that end in this piece.

        Raises
        ------
        TooLarge
        """
        first, *others = piece.split(b"\n")
        self._size += len(first)
        self._rest.append(first)
        if self._size > LONGEST or len(piece) > LARGEST:
            self._rest.clear()
            raise TooLarge(f"the stream has a line of more than {LONGEST:,} bytes")
        if not others:
            return []
        ended = [b"".join(self._rest), *others[:-1]]
        self._rest, self._size = [others[-1]], len(others[-1])
        return ended
