"""Voila, made to serve this package's pages with this package's template."""

from __future__ import annotations

import html
import secrets
import tempfile
import threading
import webbrowser
from pathlib import Path
from typing import Any

from tornado.ioloop import IOLoop
from tornado.web import RedirectHandler
from traitlets import Callable, Unicode
from voila.app import Voila
from voila.shutdown_kernel_handler import VoilaShutdownKernelHandler

from tts_lab.app import FOLDER, page_path
from tts_lab.app.server import address

#: all that the pages need; other extensions of JupyterLab are made for Lab itself
EXTENSIONS = (
    "@jupyter-widgets/jupyterlab-manager",
    "@voila-dashboards/widgets-manager8",
)

#: what a browser opens: its command line, which `ps` shows, must not have the token
REDIRECT = """<!doctype html>
<meta charset="utf-8">
<title>tts_lab</title>
<meta http-equiv="refresh" content="0; url={url}">
<p><a href="{url}">Open the page</a></p>
"""


class Shutdown(VoilaShutdownKernelHandler):  # type: ignore[misc]
    """End the kernel of a page that is left.

    The browser's last message cannot carry the token against forged requests, and
    jupyter_server refuses it without; nobody but the page knows its kernel's id.
    """

    def check_xsrf_cookie(self) -> None:
        """Accept."""


class App(Voila):  # type: ignore[misc]
    """Voila with this package's pages and template, started by `serve`."""

    page = Unicode("lab")
    say = Callable()

    @property
    def display_url(self) -> str:
        """The address with its token; Voila's hides one that was set, as for a log."""
        return address(self.ip, self.port, self.identity_provider.token)

    def setup_template_dirs(self) -> None:
        """The package's template comes before the one that it extends."""
        super().setup_template_dirs()
        paths = getattr(self, "template_paths")  # noqa: B009, a trait of Voila's
        self.template_paths = [str(FOLDER / "template"), *paths]

    def init_settings(self) -> dict[str, Any]:
        """See that there is a token that a request can carry.

        One from JUPYTER_TOKEN_FILE comes with the file's last line end, which requests
        lose; an empty one would let everybody in.
        """
        settings: dict[str, Any] = super().init_settings()
        provider = settings["identity_provider"]
        provider.token = provider.token.strip() or secrets.token_hex(24)
        return settings

    def init_handlers(self) -> list[Any]:
        """Go from the address alone to the page that was asked for."""
        to = {"url": page_path(self.page), "permanent": False}
        start = (r"/", RedirectHandler, to)
        end = (r"/voila/api/shutdown/(.*)", Shutdown)
        return [start, end, *super().init_handlers()]

    def listen(self) -> None:
        """Serve until interrupted; the loop starts when the server listens."""
        IOLoop.current().add_callback(self.announce)
        super().listen()

    def announce(self) -> None:
        """Say where the page is."""
        self.say(f"{self.page} runs at {self.display_url}")
        self.say("Stop it with Ctrl+C.")

    def launch_browser(self) -> None:
        """Open the page in the user's browser; without one the address is enough.

        The file is for this user alone and goes with Voila's folder when that stops.
        """
        file, name = tempfile.mkstemp(".html", dir=self.connection_dir)
        with open(file, "w", encoding="utf-8") as page:
            page.write(REDIRECT.format(url=html.escape(self.display_url)))
        threading.Thread(
            target=webbrowser.open, args=(Path(name).as_uri(),), daemon=True
        ).start()
