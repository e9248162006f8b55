"""Voila, made to serve this package's pages with this package's template."""

from __future__ import annotations

import threading
import webbrowser
from typing import Any

from tornado.web import RedirectHandler
from traitlets import Unicode
from voila.app import Voila
from voila.shutdown_kernel_handler import VoilaShutdownKernelHandler

from tts_lab.app import FOLDER, page_path

#: all that the pages need; other extensions of JupyterLab are made for Lab itself
EXTENSIONS = (
    "@jupyter-widgets/jupyterlab-manager",
    "@voila-dashboards/widgets-manager8",
)


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

    def setup_template_dirs(self) -> None:
        """The package's template comes before the one that it extends."""
        super().setup_template_dirs()
        paths = getattr(self, "template_paths")  # noqa: B009, a trait of Voila's
        self.template_paths = [str(FOLDER / "template"), *paths]

    def init_handlers(self) -> list[Any]:
        """Go from the address alone to the page that was asked for."""
        start = (r"/", RedirectHandler, {"url": page_path(self.page), "permanent": 0})
        end = (r"/voila/api/shutdown/(.*)", Shutdown)
        return [start, end, *super().init_handlers()]

    def listen(self) -> None:
        """Say where the page is, and serve until interrupted."""
        print(f"{self.page} runs at {self.display_url}", flush=True)
        print("Stop it with Ctrl+C.", flush=True)
        super().listen()

    def launch_browser(self) -> None:
        """Open the page in the user's browser; without one the address is enough."""
        threading.Thread(
            target=webbrowser.open, args=(self.display_url,), daemon=True
        ).start()
