"""Headless Chromium for tests: one window, what it asked for and what went wrong."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import pytest

PATIENCE = 180  # seconds for things to start; a busy machine needs most of them
LOCAL_HOSTS = {"127.0.0.1", "localhost", "::1"}
BROWSER_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
MAC_BROWSER = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"


def find_chromium() -> str | None:
    """The path of an installed Chromium or Chrome, or None."""
    found = (shutil.which(name) for name in (*BROWSER_NAMES, MAC_BROWSER))
    return next(filter(None, found), None)


def require_chromium() -> str:
    """The browser's path; without one skip, or fail where CI=true says it must be."""
    if path := find_chromium():
        return path
    reason = f"no browser: none of {', '.join(BROWSER_NAMES)} is on the PATH"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def foreign(urls: Sequence[str]) -> list[str]:
    """Those addresses that are not on this machine."""
    network = re.compile(r"(https?|wss?):").match
    return [u for u in urls if network(u) and urlsplit(u).hostname not in LOCAL_HOSTS]


class Browser:
    """One window; leave the context to close it.

    `page` is Playwright's page. `errors` holds what the console reported as errors,
    `urls` every address that was asked for.
    """

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.urls: list[str] = []

    def __enter__(self) -> Self:
        from playwright.sync_api import sync_playwright

        self._driver = sync_playwright().start()
        try:
            self._browser = self._driver.chromium.launch(
                executable_path=require_chromium()
            )
            self.page = self._browser.new_page(viewport={"width": 1280, "height": 900})
        except BaseException:
            self._driver.stop()
            raise
        self.page.set_default_timeout(PATIENCE * 1000)
        self.page.on(
            "console", lambda m: m.type == "error" and self.errors.append(m.text)
        )
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("websocket", lambda socket: self.urls.append(socket.url))
        self.page.context.on("request", lambda sent: self.urls.append(sent.url))
        return self

    def __exit__(self, *error: object) -> None:
        self._browser.close()
        self._driver.stop()

    def screenshot(self, path: Path) -> None:
        """A picture of the window as PNG."""
        self.page.screenshot(path=path)

    def assert_clean(self) -> None:
        """No console error, and no request left this machine."""
        assert not self.errors, self.errors
        assert len(self.urls) > 1
        assert not foreign(self.urls), foreign(self.urls)
