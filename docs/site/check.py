"""Look through built pages: links, anchors, what is fetched, and sizes.

    python docs/site/check.py docs/_build/html

Every link and picture must point at a file of the folder and at an anchor that is
there; no page may load a script, a style, a font or a picture from elsewhere; no file
may be above 500 KB. Links to other sites are counted, not visited: `make docs-links`
does that where there is a network.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LIMIT = 500_000  # bytes
# The attributes by which a page fetches something by itself: of any element, of one.
LOADED = {"poster", "src"}
LOADED_BY = {"image": "href", "link": "href", "object": "data"}
LISTED = {"imagesrcset", "srcset"}  # pictures to choose from
NOT_FETCHED = {"canonical", "next", "prev", "index", "search"}  # <link rel=...>
IN_STYLES = re.compile(
    r"url\(\s*['\"]?([^'\")]+)|@import\s*['\"]([^'\"]+)", re.IGNORECASE
)
# An address may hold commas, but not end with one; what describes it holds none.
IN_SRCSET = re.compile(r"([^\s,](?:\S*[^\s,])?)(?:\s[^,]*)?(?:,|$)")


class Page(HTMLParser):
    """The anchors, links and loaded files of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.unnamed: list[str] = []
        self._sheet: str | None = None  # of the <style> that is open
        self.feed(text)
        self.close()

    def handle_starttag(
        self, tag: str, attributes: list[tuple[str, str | None]]
    ) -> None:
        values = {name: value or "" for name, value in attributes}
        if "id" in values:
            self.anchors.add(values["id"])
        if tag == "a" and "name" in values:
            self.anchors.add(values["name"])
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if tag == "img" and not values.get("alt"):
            self.unnamed.append(values.get("src", ""))
        if values.get("rel") not in NOT_FETCHED:
            fetched = LOADED | {LOADED_BY.get(tag)}
            self.loads += [value for name, value in values.items() if name in fetched]
        for name in LISTED & values.keys():
            self.loads += IN_SRCSET.findall(values[name])
        self.loads += in_style(values.get("style", ""))
        if tag == "style":
            self._sheet = ""

    def handle_data(self, text: str) -> None:
        if self._sheet is not None:
            self._sheet += text

    def handle_endtag(self, tag: str) -> None:
        if tag == "style" and self._sheet is not None:
            self.loads += in_style(self._sheet)
            self._sheet = None


def in_style(text: str) -> list[str]:
    """The addresses in a style sheet."""
    return ["".join(found) for found in IN_STYLES.findall(text)]


def is_elsewhere(address: str) -> bool:
    """Whether an address is on another host, or of another kind such as mailto."""
    parts = urlsplit(address)
    return bool(parts.scheme or parts.netloc) and parts.scheme != "data"


def broken(folder: Path, path: Path, address: str, pages: dict[Path, Page]) -> str:
    """Why an address within the folder leads nowhere; empty if it does not."""
    parts = urlsplit(address)
    if parts.scheme == "data":
        return ""
    target = path
    if parts.path:
        start = folder if parts.path.startswith("/") else path.parent
        target = (start / unquote(parts.path).lstrip("/")).resolve()
    if target.is_dir():
        target /= "index.html"
    if not target.is_file():
        return "no such file"
    anchor = unquote(parts.fragment)
    if anchor and target in pages and anchor not in pages[target].anchors:
        return "no such anchor"
    return ""


def problems(folder: Path) -> tuple[list[str], int, int]:
    """What is wrong, one line each, and the numbers of links here and elsewhere."""
    folder = folder.resolve()
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    pages = {
        path: Page(path.read_text(encoding="utf-8"))
        for path in files
        if path.suffix == ".html"
    }
    loads = {path: page.loads for path, page in pages.items()} | {
        path: in_style(path.read_text(encoding="utf-8"))
        for path in files
        if path.suffix == ".css"
    }
    found, inside, outside = [], 0, 0
    for path, addresses in loads.items():
        name = path.relative_to(folder)
        for address in addresses:
            if is_elsewhere(address):
                found.append(f"{name}: loads {address} from elsewhere")
            elif why := broken(folder, path, address, pages):
                found.append(f"{name}: loads {address}: {why}")
    for path, page in pages.items():
        name = path.relative_to(folder)
        found += [f"{name}: picture {source} has no words" for source in page.unnamed]
        for address in page.links:
            outside += is_elsewhere(address)
            inside += not is_elsewhere(address)
            if not is_elsewhere(address) and (
                why := broken(folder, path, address, pages)
            ):
                found.append(f"{name}: link to {address}: {why}")
    found += [
        f"{path.relative_to(folder)}: {path.stat().st_size:,} bytes, above {LIMIT:,}"
        for path in files
        if path.stat().st_size > LIMIT
    ]
    if not pages:
        found.append(f"{folder} holds no page")
    return found, inside, outside


def main(folder: str) -> int:
    found, inside, outside = problems(Path(folder))
    print(f"{inside:,} links and anchors here checked, {outside:,} elsewhere not")
    for line in found:
        print(line)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
