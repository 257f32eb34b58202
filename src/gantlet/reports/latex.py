r"""The summary as a LaTeX table: booktabs, intervals, digits that the intervals support, and a caption that says what is what.

It needs ``\usepackage{booktabs}`` and nothing else, and every name in it is escaped. Bold is what is significant against the
first setting after Holm's correction, as on the page.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import pandas as pd

from gantlet._version import VERSION
from gantlet.statistics import Compared

from .paired import criterion_note
from .read import StudyData
from .tables import estimates, interval_ends
from .words import MISSING, printable, seed_list, with_interval

__all__ = ["escaped", "latex_table"]

_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "''", "≤": r"$\le$", "≥": r"$\ge$", "–": "--", "−": "$-$", "�": "?",
    "ε": r"$\epsilon$", "ο": "o", "×": r"$\times$", "…": r"\dots{}", "→": r"$\to$", "∞": r"$\infty$",
    "†": r"$\dagger$",
}  # fmt: skip
_ARROWS = {"higher": r" $\uparrow$", "lower": r" $\downarrow$", None: ""}
_LATIN = 0x180  # the first code point after Latin Extended-A
_RATES: Mapping[str, Literal["higher", "lower"]] = {"success": "higher", "failure": "lower"}
_Mark = Literal["", "bold", "dagger"]
_POWER = re.compile(r"(-?[\d.]+)e([+-]?)0*(\d+)")


def latex_table(
    study: StudyData, summary: pd.DataFrame, compared: Sequence[Compared], *, floors: Mapping[str, float] | None = None
) -> str:
    """A whole ``table`` environment, ready for a paper.

    Arguments:
        study: The study, for its name, its directions and its seeds.
        summary: What :func:`~gantlet.reports.tables.summary_table` gave.
        compared: What :func:`~gantlet.reports.paired.compared_with` gave; significant cells are bold where they are better, and have a dagger where not.
        floors: What real data score in the place of samples, by metric: a last row.

    Returns:
        LaTeX source that ends with a line's end.
    """
    quantities = estimates(summary)
    marks: dict[tuple[str, str], _Mark] = {
        (each.setting, each.metric): _mark(study, each) for each in compared if each.significant
    }
    heads = [_head(study, name, rate=rate) for name, rate in quantities.items()]
    lines = [
        rf"% gantlet {VERSION}; \usepackage{{booktabs}}",
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{_caption(study, summary, compared, floors or {})}}}",
        rf"  \label{{tab:{re.sub(r'[^A-Za-z0-9]+', '-', study.record.task.name).strip('-') or 'study'}}}",
        rf"  \begin{{tabular}}{{l{'r' * (len(quantities) + 1)}}}",
        r"    \toprule",
        _line(["setting", "seeds", *heads]),
        r"    \midrule",
        *(_line(_cells(row, quantities, marks)) for row in summary.to_dict("records")),
        *_floor_lines(quantities, floors or {}),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    r"""Text as LaTeX shows it.

    What pdfLaTeX without packages has no glyph for becomes the plain letters behind it, or a question mark.

    Example:
        >>> print(escaped("100 % of a_b{c} ≤ 5"))
        100 \% of a\_b\{c\} $\le$ 5
    """
    return "".join(map(_letter, printable(text.replace("\n", " "))))


def _letter(letter: str) -> str:
    if letter in _SPECIAL:
        return _SPECIAL[letter]
    if (
        ord(letter) < _LATIN and not 0x7F <= ord(letter) < 0xC0
    ):  # ASCII, and the letters of Latin-1 and Latin Extended-A
        return letter
    words = unicodedata.name(letter, "").split(" ")
    if words[:3] == ["GREEK", "SMALL", "LETTER"] and len(words) == 4 and words[3] not in ("OMICRON", "EPSILON"):
        return rf"$\{words[3].lower().replace('lamda', 'lambda')}$"
    plain = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
    return "".join(_SPECIAL.get(part, part) for part in plain) or "?"


def _cells(
    row: Mapping[Any, Any], quantities: Mapping[str, bool], marks: Mapping[tuple[str, str], _Mark]
) -> Iterator[str]:
    yield escaped(str(row["setting"]))
    yield str(int(row["seeds"]))
    for name, rate in quantities.items():
        estimate, interval = with_interval(*(float(row[end]) for end in interval_ends(row, name, rate=rate)), rate=rate)
        yield _estimate(estimate.removesuffix(" %"), interval, marks.get((str(row["setting"]), name), ""))


def _mark(study: StudyData, each: Compared) -> _Mark:
    """Bold for what is better; a reader takes bold for the best, so what is worse, or has no direction, gets a dagger."""
    direction = _better(study, each.metric)
    higher = each.pair is not None and each.pair.difference.estimate > 0
    return "bold" if direction == ("higher" if higher else "lower") else "dagger"


def _estimate(estimate: str, interval: str, mark: _Mark = "") -> str:
    if estimate == MISSING:
        return "--"
    wrapped: Mapping[_Mark, str] = {"": "${}$", "bold": r"$\mathbf{{{}}}$", "dagger": r"${}{{}}^\dagger$"}
    shown = wrapped[mark].format(_number(estimate))
    return rf"{shown} {{\footnotesize $[{_number(interval.strip('[]'))}]$}}" if interval else shown


def _number(text: str) -> str:
    text = _POWER.sub(lambda found: rf"{found[1]} \cdot 10^{{{found[2].strip('+')}{found[3]}}}", text)
    return text.replace("inf", r"\infty").replace(", ", r",\, ")


def _head(study: StudyData, name: str, *, rate: bool) -> str:
    return escaped(name) + _ARROWS[_better(study, name)] + r" (\%)" * rate


def _better(study: StudyData, name: str) -> Literal["higher", "lower"] | None:
    record = study.record.metrics.get(name)
    return record.better if record else _RATES.get(name)


def _line(cells: Sequence[str] | Iterator[str]) -> str:
    return f"    {' & '.join(cells)} \\\\"


def _floor_lines(quantities: Mapping[str, bool], floors: Mapping[str, float]) -> list[str]:
    if not floors.keys() & quantities.keys():
        return []
    cells = [
        _estimate(with_interval(floors[name], float("nan"), float("nan"))[0], "") if name in floors else "--"
        for name in quantities
    ]
    return [r"    \midrule", _line(["real data", "--", *cells])]


def _caption(study: StudyData, summary: pd.DataFrame, compared: Sequence[Compared], floors: Mapping[str, float]) -> str:
    quantities = estimates(summary)
    kinds = [("rates with Wilson's intervals", any(quantities.values()))]
    middle = any(str(column).endswith("_iqm") for column in summary)
    means = (
        "interquartile means with stratified bootstrap intervals" if middle else "means with BCa bootstrap intervals"
    )
    kinds += [(means, not all(quantities.values()))]
    seeds = study.runs["seed"].astype(int).tolist()
    lost = {name: int(summary[name].sum()) for name in ("diverged", "unfinished") if name in summary}
    parts = [
        f"{study.record.task.name}: {' and '.join(kind for kind, there in kinds if there)} (95 %) over members; "
        f"seeds {seed_list(seeds)}.",
        "Arrows: higher or lower is better.",
        criterion_note(
            compared,
            mark=f"Bold (better) and † (worse, or different where there is no arrow), against {compared[0].against}",
        )
        if compared
        else "",
        f"{lost.get('diverged', 0)} diverged members count with their last good state and never as a success."
        if lost.get("diverged")
        else "",
        f"{lost.get('unfinished', 0)} unfinished members do not count." if lost.get("unfinished") else "",
        "Real data: what real samples score in the place of generated ones."
        if floors.keys() & quantities.keys()
        else "",
    ]
    return escaped(" ".join(part for part in parts if part))
