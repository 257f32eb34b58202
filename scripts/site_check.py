"""Links of a built site: every relative one leads to a file, and every fragment to an anchor of it."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["broken_links", "outside_requests"]


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.anchors |= {value for name in ("id", "name") if (value := found.get(name))}
        if tag == "a" and found.get("href"):
            self.links.append(str(found["href"]))
        elif tag in ("img", "script", "source") and found.get("src"):
            self.links.append(str(found["src"]))
            self.loads.append(str(found["src"]))
        elif tag == "link" and found.get("href"):
            self.links.append(str(found["href"]))
            if found.get("rel") in ("stylesheet", "icon", "preload"):
                self.loads.append(str(found["href"]))


def _read(path: Path) -> _Page:
    page = _Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def broken_links(site: Path) -> list[str]:
    """One line for each link that leads nowhere."""
    pages = {path: _read(path) for path in sorted(site.rglob("*.html"))}
    wrong: list[str] = []
    for path, page in pages.items():
        if path.name == "404.html":
            continue  # its links are absolute
        for link in dict.fromkeys(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or link.startswith(("javascript:", "mailto:")):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target = target / "index.html"
            where = path.relative_to(site)
            if not target.exists():
                wrong.append(f"{where}: {link} leads to no file")
            elif target in pages and unquote(parts.fragment) not in pages[target].anchors | {""}:
                if parts.fragment.startswith("__"):  # a toggle of the theme's
                    continue
                wrong.append(f"{where}: {link} leads to no anchor")
    return wrong


def outside_requests(site: Path) -> list[str]:
    """What a browser would load from elsewhere."""
    return [
        f"{path.relative_to(site)}: {link}"
        for path in sorted(site.rglob("*.html"))
        for link in _read(path).loads
        if urlsplit(link).netloc
    ]
