"""The LaTeX table: balanced, escaped, as many cells as columns, and the numbers of the summary."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantlet.reports.latex import escaped, latex_table
from gantlet.reports.paired import compared_with
from gantlet.reports.read import StudyData, read_study
from gantlet.reports.tables import summary_table
from gantlet.reports.words import seed_list
from gantlet.statistics import Compared

AWKWARD = r"alpha x_1=50%&{$#^~\n}"


@pytest.fixture(scope="module")
def study(make_study: Callable[..., Path]) -> StudyData:
    return read_study(make_study(seeds=12, evaluations=0, labels=("vanilla", AWKWARD, "wgan-gp")))


@pytest.fixture(scope="module")
def table(study: StudyData) -> str:
    return latex_table(study, summary_table(study), compared_with(study), floors={"kl": 0.001})


def unescaped(text: str) -> str:
    r"""What is left once every escaped character is taken away."""
    return re.sub(r"\\[\\{}$&%#_]", "", text)


def balanced(text: str) -> bool:
    depth = 0
    for letter in unescaped(text):
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if depth < 0:
            return False
    return depth == 0


@given(st.text(max_size=30))
def test_whatever_a_name_holds_is_balanced_and_has_no_command_of_its_own(name: str) -> None:
    shown = escaped(name)
    assert balanced(shown)
    assert unescaped(shown).count("$") % 2 == 0
    assert not set("&%#_~^") & set(re.sub(r"\\textasciitilde|\\textasciicircum", "", unescaped(shown)))
    assert "\n" not in shown
    assert max(map(ord, shown), default=0) < 0x180  # pdfLaTeX without packages stops at letters that it does not know


def test_letters_beyond_latin_are_commands_or_plain() -> None:
    assert escaped("αλσβε") == r"$\alpha$$\lambda$$\sigma$$\beta$$\epsilon$"
    assert escaped("é ł ² ﬁ ％ 数 😀") == r"é ł 2 fi \% ? ?"


def test_only_booktabs_and_the_kernel_are_used(table: str) -> None:
    commands = {*re.findall(r"\\([A-Za-z]+)", table)}
    kernel = {"begin", "end", "centering", "caption", "label", "footnotesize", "uparrow", "downarrow", "mathbf", "cdot", "infty", "le",
              "textbackslash", "textasciicircum", "textasciitilde", "usepackage", "dagger"}  # fmt: skip
    assert commands <= kernel | {"toprule", "midrule", "bottomrule"}


def test_environments_and_braces_are_closed(table: str) -> None:
    body = table.split("\n", 1)[1]  # the first line is a comment
    assert balanced(body)
    opened, closed = (re.findall(rf"\\{word}{{(\w+)}}", body) for word in ("begin", "end"))
    assert opened == ["table", "tabular"] == closed[::-1]
    assert unescaped(body).count("$") % 2 == 0
    assert "%" not in unescaped(body)


def test_every_row_has_as_many_cells_as_there_are_columns(table: str, study: StudyData) -> None:
    columns = re.search(r"\\begin{tabular}{(l)(r+)}", table)
    assert columns is not None
    rows = [line for line in table.splitlines() if line.endswith(r" \\")]
    assert len(rows) == 1 + len(study.labels) + 1  # the head, and real data
    assert {unescaped(row).count("&") for row in rows} == {len(columns[2])}
    assert [table.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 2, 1]


def test_numbers_intervals_and_bold_are_those_of_the_summary(table: str, study: StudyData) -> None:
    row = next(line for line in table.splitlines() if line.strip().startswith("wgan-gp"))
    expected = summary_table(study).set_index("setting").loc["wgan-gp"]
    kl = row.split(" & ")[[*study.rates, *study.metrics].index("kl") + 2]
    shown = [float(part) for part in re.findall(r"-?\d+\.\d+", kl)]
    assert shown == pytest.approx([expected["kl_mean"], expected["kl_low"], expected["kl_high"]], abs=0.006)
    significant = [each for each in compared_with(study) if each.significant]
    assert len(significant) > 0
    assert marks(table) == counted(study, significant)


def test_what_is_worse_is_not_bold(study: StudyData) -> None:
    turned = {"higher": "lower", "lower": "higher", None: None}
    metrics = {
        name: entry.model_copy(update={"better": turned[entry.better]}) for name, entry in study.record.metrics.items()
    }
    other = replace(study, record=study.record.model_copy(update={"metrics": metrics}))
    significant = [each for each in compared_with(other) if each.significant]
    bold, daggers = counted(other, significant)
    assert daggers > counted(study, significant)[1]
    assert marks(latex_table(other, summary_table(other), compared_with(other))) == (bold, daggers)


@pytest.mark.parametrize("better", ["lower", "higher"])
def test_a_dagger_is_not_a_second_exponent(study: StudyData, better: str) -> None:
    """TeX stops at two exponents of one digit; one of both directions makes the difference a worse one."""
    metrics = study.record.metrics
    record = study.record.model_copy(
        update={"metrics": {**metrics, "kl": metrics["kl"].model_copy(update={"better": better})}}
    )
    large = replace(study, record=record, runs=study.runs.assign(kl=study.runs["kl"] * 1e9))
    table = latex_table(large, summary_table(large), compared_with(large))
    marked = [row for row in table.splitlines() if re.search(r"10\^\{\d+\}\{\}\^\\dagger|\\mathbf\{[^$]*10\^", row)]
    assert len(marked) == sum(each.significant for each in compared_with(large) if each.metric == "kl") > 0
    assert not re.search(r"\^\{\d+\}\^", table)


def marks(table: str) -> tuple[int, int]:
    body = table[table.index(r"\begin{tabular}") :]
    return body.count(r"\mathbf"), body.count(r"^\dagger")


def counted(study: StudyData, significant: list[Compared]) -> tuple[int, int]:
    """How many differences are to the better, and how many are not."""
    signs = {"higher": 1, "lower": -1, None: 0}
    rising = {"success": 1, "failure": -1} | {name: signs[each.better] for name, each in study.record.metrics.items()}
    better = sum(
        each.pair is not None and each.pair.difference.estimate * rising[each.metric] > 0 for each in significant
    )
    return better, len(significant) - better


def test_the_caption_says_seeds_intervals_correction_and_what_diverged(table: str) -> None:
    caption = next(line for line in table.splitlines() if r"\caption" in line)
    for said in (r"(95 \%)", "seeds 1--12.", "Wilson", "BCa bootstrap", "Holm's correction over the 2 settings",
                 "Bold (better) and $\\dagger$ (worse, or different where there is no arrow), against vanilla", "diverged members count", "Arrows", "Real data"):  # fmt: skip
        assert said in caption


def test_sizes_beyond_plain_digits_are_powers_of_ten(study: StudyData) -> None:
    large = replace(study, runs=study.runs.assign(kl=study.runs["kl"] * 1e9))
    text = latex_table(large, summary_table(large), [])
    assert re.search(r"\d\.\d+ \\cdot 10\^{\d+}", text)
    assert not re.search(r"\de[+-]?\d", text)


def test_seeds_are_listed_as_ranges() -> None:
    assert seed_list([5, 1, 2, 3, 3]) == "1–3, 5"
    assert seed_list([]) == ""


def test_a_quotation_mark_needs_no_other_encoding_of_fonts() -> None:
    assert escaped('a "b"') == "a ''b''"
