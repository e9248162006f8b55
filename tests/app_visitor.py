"""`serve` with a browser that asks for one thing and ends it; prints what happened.

Run by test_app.py in a process of its own: python app_visitor.py PORT
"""

from __future__ import annotations

import json
import queue
import re
import socket
import sys
import webbrowser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname, urlopen

from tornado.ioloop import IOLoop

from tts_lab.app.server import serve

loops: queue.Queue[IOLoop] = queue.Queue()
seen: dict[str, Any] = {"said": []}


def visit(url: str) -> None:
    """Follow the file that a browser would open, and end the server."""
    loop = loops.get(timeout=60)
    try:
        seen["file"] = url2pathname(urlsplit(url).path)
        [to] = re.findall(r'url=([^"]+)', Path(seen["file"]).read_text())
        with urlopen(to.replace("/?", "/voila/api/contents/?"), timeout=60) as answer:
            seen["status"], seen["url"] = answer.status, answer.url
    finally:
        loop.add_callback(loop.stop)


def main(port: int) -> None:
    """Serve until the visit is over."""

    def say(line: str) -> None:
        """Note a line; fails unless the server listens."""
        socket.create_connection(("127.0.0.1", port), 60).close()
        seen["said"].append(line)
        loops.put(IOLoop.current())

    webbrowser.open = visit  # type: ignore[assignment]
    serve(ip="127.0.0.1", port=port, say=say)
    seen["left"] = Path(seen["file"]).exists()
    print(json.dumps(seen))


if __name__ == "__main__":
    main(int(sys.argv[1]))
