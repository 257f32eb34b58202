"""The report: one HTML file that needs nothing but itself.

It holds no address of anything outside, and its content policy forbids a browser to fetch or run anything but
what it carries: a study may come from a stranger. All texts of a study are escaped by the template.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, count
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from gantlet._version import VERSION
from gantlet.errors import BadValue
from gantlet.files import write_whole
from gantlet.places import check_free, has_mark, user_path

from . import charts, diagnosis, sections
from .cells import Table
from .curves import AXES, costs_of
from .figures import MOST_BANDS
from .gallery import Gallery, galleries
from .games import games_section
from .pooled import pooled_section
from .ranking import ranking_section
from .read import StudyData, read_study
from .remarks import remarks
from .sensitivity import sensitivity_charts
from .tables import summary_table
from .theme import VARIABLES, stylesheet, variable_of
from .value_cards import card_lines, cards_of
from .words import plain, printable

__all__ = ["Live", "page_of", "write_report"]

_HERE = Path(__file__).parent
_MARK = b'<meta name="generator" content="gantlet'
_IMAGE_BUDGET = 4_000_000  # characters of all images together, so that a page stays below 10 MB


@dataclass(frozen=True)
class Live:
    """What a page of the board says of its study: a mark of its content, and how far it is in words."""

    stamp: str
    state: str


@dataclass(frozen=True)
class _Swatch:
    colour: str
    dashes: str


@dataclass(frozen=True)
class _Article:
    """One study as the template shows it."""

    anchor: str
    study: StudyData
    created: str
    tiles: list[tuple[str, str]]
    swatches: list[_Swatch]
    axes: dict[str, str]
    headline: Table
    remarks: list[str]
    outcomes: Markup
    metrics: list[charts.Chart]
    sensitivity: list[charts.Chart]
    losses: list[charts.Chart]
    monitors: list[charts.Chart]
    galleries: list[Gallery]
    troubles: Table | None
    findings: Table | None
    games: Table | None
    comparisons: Table | None
    cards: list[str]
    members: Table
    decided: Table
    others: Table
    facts: dict[str, dict[str, Any]]


def write_report(
    folders: str | Path | Sequence[str | Path],
    out: str | Path | None = None,
    *,
    on_findings: Callable[[Sequence[str]], object] = len,
) -> Path:
    """Write one page about one study or several.

    Arguments:
        folders: A study folder, or several.
        out: The file to write; by default ``report.html`` in the first folder, or with a number where that is another's page.
        on_findings: Told the symptoms that the page's diagnosis names, each once; not called where there are none.

    Returns:
        The file that was written.

    Raises:
        BadValue: No folder was named, or the file to write does not end in .html.
        FolderInUse: There is a file that is no report; a report is replaced.
        StoreError: A study cannot be read, or the page cannot be written.
    """
    paths = [user_path(folder) for folder in ([folders] if isinstance(folders, (str, Path)) else folders)]
    if not paths:
        raise BadValue("A report needs at least one study folder; none was named.")
    if out is not None and user_path(out).suffix.lower() != ".html":
        raise BadValue(f"{out} (--out, or out= in Python) does not end in .html: a report is one page. Give FILE.html.")
    if out is not None:
        check_free(user_path(out), file=True, ours="report", mark=_MARK)
    articles = _articles(paths, live=False)
    page = _render(articles, _pooled(articles))
    path = _place_in(paths[0]) if out is None else user_path(out)
    write_whole(path, page.encode("utf-8", "xmlcharrefreplace"))
    tables = [article.findings for article in articles if article.findings]
    if symptoms := list(dict.fromkeys(row[0].text for table in tables for row in table.rows)):
        on_findings(symptoms)
    return path


def _place_in(folder: Path) -> Path:
    """Where a study's report goes: a page of somebody else's stays, a link or a pipe is replaced unread."""
    others = (folder / f"report-{number}.html" for number in count(2))
    return next(
        path
        for path in chain([folder / "report.html"], others)
        if path.is_symlink() or not path.is_file() or has_mark(path, _MARK)
    )


def page_of(folders: Sequence[Path], live: Live | None = None) -> str:
    """The page about studies as HTML; ``live`` makes it the board's.

    Raises:
        StoreError: A study cannot be read.
    """
    articles = _articles(folders, live=live is not None)
    return _render(articles, _pooled(articles), live)


def _articles(folders: Sequence[Path], *, live: bool) -> list[_Article]:
    studies = [read_study(folder) for folder in folders]
    return [_article(study, rank, len(studies), live=live) for rank, study in enumerate(studies)]


def _pooled(articles: Sequence[_Article]) -> Table | None:
    return pooled_section([article.study for article in articles]) if len(articles) > 1 else None


def _article(study: StudyData, rank: int, of: int, *, live: bool) -> _Article:
    summary = summary_table(study)
    key = f"f{rank}"
    return _Article(
        anchor=f"study-{rank + 1}",
        study=study,
        created=_day(study.record.created),
        tiles=_tiles(study),
        swatches=[_swatch(rank) for rank in range(len(study.labels))],
        axes={axis: AXES[axis] for axis in costs_of(study)},
        headline=sections.headline(study, summary),
        remarks=remarks(study),
        outcomes=charts.outcomes(study, summary, key),
        metrics=charts.metric_courses(study, key),
        sensitivity=sensitivity_charts(study, f"{key}s"),
        losses=charts.loss_courses(study, key),
        monitors=charts.monitor_courses(study, key),
        galleries=galleries(study, _IMAGE_BUDGET // of),
        troubles=sections.troubles(study),
        findings=diagnosis.findings(study, live=live),
        games=games_section(study),
        comparisons=sections.comparisons(study),
        cards=card_lines(list(cards_of(study).values())),
        members=sections.members(study),
        decided=sections.settings(study, decided=True),
        others=sections.settings(study, decided=False),
        facts=_facts(study),
    )


def _tiles(study: StudyData) -> list[tuple[str, str]]:
    status = study.runs["status"]
    counts = [(name, int((status == name).sum())) for name in status.unique()]
    tiles = [
        ("members", len(study.runs)),
        ("settings", len(study.labels)),
        ("seeds", study.runs["seed"].nunique()),
    ]
    return [(name, f"{count:,}") for name, count in [*tiles, *sorted(counts, key=lambda pair: -pair[1])]]


def _day(moment: str) -> str:
    try:
        return f"{datetime.fromisoformat(moment):%d %B %Y}".lstrip("0")
    except ValueError:
        return moment


def _swatch(rank: int) -> _Swatch:
    colour, dashes = VARIABLES.setting(rank)
    return _Swatch(variable_of(colour), " ".join(f"{length:g}" for length in dashes))


def _facts(study: StudyData) -> dict[str, dict[str, Any]]:
    record = study.record
    cards = {
        f"{name} · {part}" if part else name: value
        for name, card in record.facts.items()
        for part, value in (card.items() if isinstance(card, dict) else [("", card)])
    }
    made = {"gantlet": record.gantlet, **record.versions, "git commit": record.git, "created": record.created}
    made |= {
        f"extension {number}": " ".join((f"{each.created}, gantlet {each.gantlet}: {each.command}.", *each.notes))
        for number, each in enumerate(record.extensions, 1)
    }
    return {"Data and metrics": cards, "Versions": made, "Machine": record.machine}


def _render(articles: Sequence[_Article], pooled: Table | None, live: Live | None = None) -> str:
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters["plain"] = plain
    names = ("page.js", "live.js") if live else ("page.js",)
    scripts = [(_HERE / name).read_text(encoding="utf-8") for name in names]
    views = "".join(
        f".pick-{axis}:checked~section .view-{axis}{{display:block}}"
        f".pick-{axis}:checked~section .tab-{axis}{{color:var(--ink);background:var(--line)}}"
        f".pick-{axis}:focus-visible~section .tab-{axis}{{outline:2px solid var(--accent)}}"
        for axis in AXES
    )
    style = stylesheet() + (_HERE / "page.css").read_text(encoding="utf-8") + views
    return environment.get_template("page.html.j2").render(
        articles=articles,
        pooled=pooled,
        ranking=ranking_section([article.study for article in articles]) if pooled else None,
        style=Markup(style),
        scripts=[Markup(script) for script in scripts],
        script_hashes=[base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts],
        live=live,
        version=VERSION,
        most_bands=MOST_BANDS,
    )


def _shown(value: Any) -> Any:
    """What the template shows of a value: text without control characters, but with its line ends."""
    return "\n".join(map(printable, value.split("\n"))) if type(value) is str else value
