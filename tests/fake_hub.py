"""A Hugging Face hub on this machine that has one model: a rung, as `owner/tiny`.

Run it as a program with lines of Python: they are run with HF_ENDPOINT and HF_HOME set
to it and to an empty folder, as both are read when huggingface_hub is imported.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tts_lab import ladder

COMMIT = "a" * 40
MODEL = "owner/tiny"


class Handler(BaseHTTPRequestHandler):
    folder = ladder.path("105k")

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        path = self.path.partition("?")[0]
        files = sorted(self.folder.iterdir())
        headers = {"X-Repo-Commit": COMMIT}
        if path.startswith(f"/api/models/{MODEL}/tree/"):
            content = json.dumps([
                {"type": "file", "path": f.name, "size": f.stat().st_size,
                 "oid": sha1(f.read_bytes()).hexdigest()} for f in files
            ]).encode()  # fmt: skip
        elif path.startswith(f"/api/models/{MODEL}"):
            content = json.dumps({
                "id": MODEL, "sha": COMMIT,
                "siblings": [
                    {"rfilename": f.name, "size": f.stat().st_size} for f in files
                ],
            }).encode()  # fmt: skip
        else:
            file = self.folder / path.rpartition("/")[2]
            if not path.startswith(f"/{MODEL}/resolve/") or not file.is_file():
                self.send_response(404)
                here = path.startswith(f"/{MODEL}/")
                kind = "EntryNotFound" if here else "RepoNotFound"
                self.send_header("X-Error-Code", kind)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            content = file.read_bytes()
            headers["ETag"] = f'"{sha1(content).hexdigest()}"'
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)


@contextmanager
def fake_hub() -> Iterator[str]:
    """Its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


if __name__ == "__main__":
    with fake_hub() as url, tempfile.TemporaryDirectory() as home:
        os.environ |= {"HF_ENDPOINT": url, "HF_HOME": home, "HF_HUB_OFFLINE": "0"}
        os.chdir(home)
        exec(compile(Path(sys.argv[1]).read_text(), sys.argv[1], "exec"), {})
