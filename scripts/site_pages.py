"""The pages of the site: those of docs/, long ones cut at their sections, the examples, the changelog, and the reference."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from site_formulas import plain_formulas
from site_reference import command_pages, plain_markup, python_pages, schemas

__all__ = ["CONTENTS", "LONGEST", "Page", "assemble", "rewritten"]

LONGEST = 400  # lines of a page

CONTENTS: Mapping[str, tuple[str, ...]] = {
    "Start": ("index", "start"),
    "Guides": (
        *("studies", "checkpoints", "own", "images", "data", "search", "processes", "cluster", "export", "conform"),
        *("doctor", "board", "stackelberg", "aids", "metrics", "statistics", "trust"),
    ),
    "Explanations": ("wgan-gp", "mode-collapse", "seeds", "design-notes"),
    "Reference": ("settings", "methods", "tasks"),
    "Gallery": ("gallery", "alpha-ring", "stacked-mnist", "coverage", "bogonet", "reproduced"),
    "Benchmarks": ("performance", "gpu", "scale"),
    "From earlier systems": ("from-earlier-systems",),
}
"""The table of contents: pages of docs/ by tab; those that do not exist are left out, one that is missing here is an error."""

SPLIT = ("methods", "tasks")
"""Pages that become one page for each ``## name`` of a single word."""

_FENCE = re.compile(r"^(```|~~~)")
_BLOCKS = re.compile(r"(^[ ]*```.*?^[ ]*```[ ]*$)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(!?\[(?:[^\]\[]|\[[^\]]*\])*\])\(([^)\s]+)\)")
_HEADING = re.compile(r"^(#{1,6})\s+(.*)$")
_NOT_RUN = re.compile(r'(?m)^([ ]*```\w+) title="not run by the tests: [^"]*"$')
_NESTED = re.compile(r"(?m)^  (?=[-*] )")


@dataclass
class Page:
    """A page of the site.

    Attributes:
        place: Where it is on the site, such as ``methods/wgan.md``.
        origin: The file of the repository that its links are relative to.
        text: Its Markdown.
    """

    place: str
    origin: str
    text: str

    @property
    def title(self) -> str:
        """Its first heading."""
        found = re.search(r"^# (.+)$", self.text, re.MULTILINE)
        return found[1].replace("`", "") if found else Path(self.place).stem


@dataclass
class Site:
    """All pages, and where links into the repository lead on the site.

    Attributes:
        pages: In the order of the table of contents, by tab.
        moved: From ``(file of the repository, anchor)`` to ``(place, anchor)``.
    """

    pages: dict[str, list[Page]] = field(default_factory=dict[str, list[Page]])
    moved: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict[tuple[str, str], tuple[str, str]])


def assemble(root: Path, out: Path) -> str:
    """Write the pages into ``out/docs``, the code to be documented into ``out/src``; returns the navigation as TOML.

    Raises:
        ValueError: A page of docs/ is not in the table of contents, or a page is longer than it may be.
    """
    docs, site = out / "docs", Site()
    known = {path.stem for path in (root / "docs").glob("*.md")}
    if forgotten := known - {name for names in CONTENTS.values() for name in names}:
        raise ValueError(f"docs/{min(forgotten)}.md is not in CONTENTS of scripts/site_pages.py.")
    for tab, names in CONTENTS.items():
        for name in names:
            if name in known:
                site.pages.setdefault(tab, []).extend(_cut(root, name, site))
    site.pages["Start"] += list(_examples(root, site))
    for source in (root / "src" / "gantlet").rglob("*.py"):
        copy = out / "src" / source.relative_to(root / "src")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(plain_markup(source.read_text(encoding="utf-8")), encoding="utf-8")
    for place, text in (*command_pages(), *python_pages(root), *schemas(docs)):
        site.pages["Reference"].append(Page(place, "docs/index.md", text))
    changes = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    site.pages["Changelog"] = [Page("changelog.md", "CHANGELOG.md", changes)]
    site.moved["CHANGELOG.md", ""] = ("changelog.md", "")
    shutil.copytree(root / "docs" / "images", docs / "images", dirs_exist_ok=True)
    for path in (root / "docs").glob("*.json"):
        shutil.copy(path, docs / path.name)
    (docs / "extra.css").write_text(_CSS, encoding="utf-8")
    shutil.copy(Path(__file__).with_name("iframe-worker.js"), docs / "iframe-worker.js")
    for page in (page for pages in site.pages.values() for page in pages):
        target = docs / page.place
        target.parent.mkdir(parents=True, exist_ok=True)
        text = rewritten(page, site.moved)
        if (lines := len(text.splitlines())) > LONGEST:
            raise ValueError(f"{page.place} has {lines} lines, more than {LONGEST}: cut it, or name it in SPLIT.")
        target.write_text(text, encoding="utf-8")
    return _navigation(site)


def _cut(root: Path, name: str, site: Site) -> Iterator[Page]:
    """A page of docs/, cut at its sections where it is one of SPLIT."""
    origin, text = f"docs/{name}.md", (root / "docs" / f"{name}.md").read_text(encoding="utf-8")
    if name not in SPLIT:
        site.moved[origin, ""] = (f"{name}.md", "")
        yield Page(f"{name}.md", origin, text)
        return
    head: list[str] = []
    sections: dict[str, list[str]] = {}
    current, fenced = head, False
    for line in text.splitlines():
        fenced ^= bool(_FENCE.match(line))
        if not fenced and (match := re.fullmatch(r"## ([\w.-]+)", line)) and match[1].islower():
            current = sections.setdefault(match[1], [f"# {match[1]}"])
            site.moved[origin, match[1]] = (f"{name}/{match[1]}.md", "")
            continue
        inner = None if fenced or current is head else _HEADING.match(line)
        if inner and inner[1] == "##":  # a section of several words belongs to the page itself
            current, inner = head, None
        if inner:
            inside = f"{name}/{next(key for key, value in sections.items() if value is current)}.md"
            site.moved.setdefault((origin, _slug(inner[2])), (inside, _slug(inner[2])))
        current.append(line[1:] if inner else line)
    site.moved[origin, ""] = (f"{name}.md", "")
    yield Page(f"{name}.md", origin, "\n".join(head) + "\n")
    for section, lines in sections.items():
        yield Page(f"{name}/{section}.md", origin, "\n".join(lines) + "\n")


def _examples(root: Path, site: Site) -> Iterator[Page]:
    for path in sorted((root / "examples").iterdir()):
        origin = f"examples/{path.name}"
        if path.suffix == ".py":
            text = f"# {path.name}\n\n```python\n{path.read_text(encoding='utf-8')}```\n"
        elif path.suffix == ".ipynb":
            text = _notebook(path)
        else:
            continue
        site.moved[origin, ""] = (f"{origin.replace('.', '-')}.md", "")
        yield Page(f"{origin.replace('.', '-')}.md", origin, text)


def _notebook(path: Path) -> str:
    """The text and code of a notebook, and of its output what is text."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    parts: list[str] = []
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(plain_formulas(source))
        elif cell["cell_type"] == "code":
            parts.append(f"```python\n{source}\n```")
            parts += [_shown(output) for output in cell.get("outputs", [])]
    text = "\n\n".join(part for part in parts if part) + "\n"
    return text if re.search(r"^# ", text, re.MULTILINE) else f"# {path.name}\n\n{text}"


def _shown(output: Mapping[str, object]) -> str:
    data = output.get("data")
    if isinstance(data, dict) and "image/png" in data:
        return (
            f'<img alt="output" src="data:image/png;base64,{"".join(data["image/png"]).strip().replace(chr(10), "")}">'
        )
    said = output.get("text") or (data.get("text/plain") if isinstance(data, dict) else "") or ""
    lines = "".join(said).splitlines()[-12:] if isinstance(said, (list, str)) else []
    return "```text\n" + "\n".join(lines) + "\n```" if lines else ""


def rewritten(page: Page, moved: Mapping[tuple[str, str], tuple[str, str]]) -> str:
    """A page's text with links that lead to the same things on the site, and lists in lists; code stays as it is, without the
    titles by which the tests skip a block.

    Example:
        >>> page = Page("methods/wgan.md", "docs/methods.md", "See [tasks](tasks.md#ring8).")
        >>> rewritten(page, {("docs/tasks.md", "ring8"): ("tasks/ring8.md", "")})
        'See [tasks](../tasks/ring8.md).'
    """
    parts = _BLOCKS.split(page.text)  # text and code in turn
    linked = [_LINK.sub(lambda match: _link(match, page, moved), text) for text in parts[::2]]
    parts[::2] = [_NESTED.sub("    ", text) for text in linked]  # GitHub takes two spaces for a list in a list
    parts[1::2] = [_NOT_RUN.sub(r"\1", code) for code in parts[1::2]]  # a note for the tests, not for readers
    return "".join(parts)


def _link(match: re.Match[str], page: Page, moved: Mapping[tuple[str, str], tuple[str, str]]) -> str:
    words, target = match[1], match[2]
    path, _, anchor = target.partition("#")
    if ":" in path or path.startswith("/"):
        return match[0]
    full = os.path.normpath(Path(page.origin).parent / path) if path else page.origin
    if full.startswith("src/"):
        module = full.removeprefix("src/").removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        place, anchor = f"reference/python/{module.split('.')[1]}.md", module
    elif (full, anchor) in moved:
        place, anchor = moved[full, anchor]
    elif (full, "") in moved:
        place = moved[full, ""][0]
    elif full.startswith("docs/"):
        place = full.removeprefix("docs/")
    else:
        return words.lstrip("!")[1:-1]  # a file that the site does not have: its name alone
    relative = os.path.relpath(place, Path(page.place).parent) if place != page.place or not anchor else ""
    return f"{words}({relative}{'#' + anchor if anchor else ''})"


def _slug(heading: str) -> str:
    """The anchor of a heading, as the site makes it."""
    return re.sub(r"\s", "-", re.sub(r"[^\w\- ]", "", heading.replace("`", "").strip().lower()))


def _navigation(site: Site) -> str:
    """Tabs and pages as TOML."""
    tabs: list[str] = []
    for tab, pages in site.pages.items():
        if len(pages) == 1:
            tabs.append(f"{{ {json.dumps(tab)} = {json.dumps(pages[0].place)} }}")
            continue
        groups: dict[str, list[str]] = {}
        top: list[str] = []
        for page in pages:
            entry = f"{{ {json.dumps(page.title, ensure_ascii=False)} = {json.dumps(page.place)} }}"
            folder = str(Path(page.place).parent)
            if folder == ".":
                top.append(entry)
            else:
                groups.setdefault(folder, []).append(entry)
        named = [
            f"{{ {json.dumps(_GROUPS.get(name, name))} = [{', '.join(entries)}] }}" for name, entries in groups.items()
        ]
        tabs.append(f"{{ {json.dumps(tab)} = [{', '.join([*top, *named])}] }}")
    return "[\n  " + ",\n  ".join(tabs) + "\n]"


_GROUPS = {
    "methods": "Each method",
    "tasks": "Each task",
    "examples": "Examples",
    "reference/cli": "Command line",
    "reference/python": "Python",
    "reference": "Formats",
}

_CSS = """.md-typeset table:not([class]) { font-size: .7rem; }
.md-typeset td, .md-typeset th { overflow-wrap: break-word; }
.md-typeset td code, .md-typeset th code { overflow-wrap: normal; word-break: normal; }
.md-typeset td:first-child code, .md-typeset th code { white-space: nowrap; }
.md-typeset img { max-width: 100%; height: auto; }
"""
