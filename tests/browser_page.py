"""Other pages than JupyterLab's in headless Chromium: Voila and Notebook 7."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from browser import PATIENCE, foreign, require_chromium


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
