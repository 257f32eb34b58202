"""The page as a browser would read it: numbers against independent statistics, safety, size and every section."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gantlet.errors import BadValue, StoreError
from gantlet.reports import page as page_module
from gantlet.reports.page import write_report
from gantlet.reports.read import read_study
from gantlet.reports.words import with_interval
from gantlet.statistics import bootstrap_mean, compare

MakeStudy = Callable[..., Path]
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
SVG_VOID = {"path", "use", "rect", "line", "circle"}


class Page(HTMLParser):
    """What a page holds: tags with attributes, tables as rows of cells, visible text; unbalanced tags fail."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.words: list[str] = []
        self._open: list[str] = []
        self._section = ""
        self.feed(path.read_text(encoding="utf-8"))
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if tag == "section":
            self._section = attributes.get("id") or ""
        if tag == "tr":
            self.tables.setdefault(self._section, []).append([])
        if tag in ("td", "th"):
            self.tables[self._section][-1].append("")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self._open or "script" in self._open:
            return
        self.words.append(data)
        if "td" in self._open or "th" in self._open:
            row = self.tables[self._section][-1]
            between = "" if "thead" in self._open else " "  # a title may break, and is one word
            row[-1] = f"{row[-1]}{between}{data.strip()}".strip()

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def values(self, attribute: str) -> list[str]:
        return [value or "" for _, attributes in self.tags for name, value in attributes.items() if name == attribute]


@pytest.fixture(scope="module")
def ring(make_study: MakeStudy) -> Path:
    return make_study(seeds=20, drawn=True)


@pytest.fixture(scope="module")
def ring_file(ring: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report([ring], tmp_path_factory.mktemp("out") / "report.html")


@pytest.fixture(scope="module")
def ring_page(ring_file: Path) -> Page:
    return Page(ring_file)


def test_every_number_of_the_headline_is_the_statistic(ring: Path, ring_page: Page) -> None:
    study = read_study(ring)
    table = ring_page.tables["study-1-results"]
    assert table[0][2:] == ["success ↑", "failure ↓", "modes ↑", "high_quality ↑", "kl ↓", "classification_error"]
    for label, row in zip(study.labels, table[1:], strict=True):
        runs = study.runs[study.runs["setting"] == label]
        expected = []
        for name in ("success", "failure"):
            ones = int((runs[name] & ((name == "failure") | (runs["status"] == "finished"))).sum())
            interval = stats.binomtest(ones, len(runs)).proportion_ci(0.95, method="wilson")
            expected.append(with_interval(ones / len(runs), *interval, rate=True))
        for name in ("modes", "high_quality", "kl", "classification_error"):
            mean = bootstrap_mean(runs[name].to_numpy(float))
            assert mean.estimate == pytest.approx(runs[name].mean())
            expected.append(with_interval(mean.estimate, mean.low, mean.high))
        assert row[0] == label
        assert row[1].split()[0] == str(len(runs))
        assert row[2:] == [" ".join(cell) for cell in expected]


def test_paired_comparisons_are_over_shared_seeds(ring: Path, ring_page: Page) -> None:
    study = read_study(ring)
    table = ring_page.tables["study-1-paired"]
    assert [row[0] for row in table[1:]] == study.labels[1:]
    column = table[0].index("kl ↓")
    for row in table[1:]:
        both = [study.members[label].set_index("seed")["kl"] for label in (study.labels[0], row[0])]
        shown = float(row[column].split()[0])
        assert shown == pytest.approx((both[1] - both[0]).mean(), abs=0.006)
        pair = compare(study.runs, row[0], study.labels[0], "kl")
        assert int(row[1]) == pair.n == 20
        low, high, p_value, _ = (float(part) for part in re.findall(r"-?\d+\.\d+", row[column].split("[")[1]))
        assert (low, high) == pytest.approx((pair.difference.low, pair.difference.high), abs=0.006)
        assert p_value == pytest.approx(max(pair.p_value, 0.001), abs=0.005)


def test_every_member_and_every_lost_member_is_listed(ring: Path, ring_page: Page) -> None:
    runs = read_study(ring).runs
    rows = ring_page.tables["study-1-members"]
    lost = runs[runs["status"] == "diverged"]
    assert len(rows) == 1 + len(lost) + 1 + len(runs)
    for row, (_, member) in zip(rows[1:], lost.iterrows(), strict=False):
        expected = [str(member["run"]), member["setting"], str(member["seed"]), "diverged", "10000", member["cause"]]
        assert row == expected
    heads, *members = rows[1 + len(lost) :]
    for row, (_, member) in zip(members, runs.iterrows(), strict=True):
        assert row[: heads.index("status")] == [str(member["run"]), member["setting"], str(member["seed"])]
        assert float(row[heads.index("kl ↓")]) == pytest.approx(member["kl"], rel=1e-3)
        assert row[heads.index("success ↑")] == str(member["success"]).lower()


def test_the_page_says_what_was_asked_on_what_and_by_whom(ring_page: Page) -> None:
    for words in (
        "gantlet run ring8 vanilla,alpha,wgan-gp --seeds 20",
        "A shortened budget: 51 epochs of 400.",
        "3 February 2026",
        "KL divergence of the modes' shares from the true ones, in nats",
        "data · training points 50000 data · sigma 0.01",
        "a processor",
        "2.13.0",
        "60 members",
    ):
        assert words in ring_page.text.replace("members 60", "60 members")


def test_settings_are_listed_with_their_sources(ring_page: Page) -> None:
    rows = {row[0]: row[1:] for row in ring_page.tables["study-1-settings"]}
    assert rows["epochs"] == ["51.2 user"] * 3
    assert rows["rank"] == ["0", "1", "2"]
    assert rows["lr_g"] == ["0.0001 task × method"] * 3
    assert rows["alpha_g"] == ["inf task × method"] * 3
    keys = [row[0] for row in ring_page.tables["study-1-settings"]]
    assert keys.index("epochs") < keys.index("rank") < keys.index("lr_g")  # what was decided comes first


def test_every_metric_has_a_chart_over_every_measure_of_cost(ring_page: Page) -> None:
    said = [value for value in ring_page.values("aria-label") if " over " in value]
    for name in ("modes", "success", "kl", "loss_d", "loss_g"):
        for axis in ("generator steps", "discriminator steps", "images seen", "seconds"):
            assert said.count(f"{name} over {axis}") == 1
    tabs = {attributes["for"] for tag, attributes in ring_page.tags if tag == "label"}
    assert tabs == {attributes["id"] for tag, attributes in ring_page.tags if tag == "input"}


def test_the_page_needs_no_network_and_fetches_nothing(ring_page: Page, ring_file: Path) -> None:
    for attribute in ("src", "href", "xlink:href", "srcset", "action", "poster", "data"):
        for value in ring_page.values(attribute):
            assert value.startswith(("data:image/", "#")), value
    assert {tag for tag, _ in ring_page.tags} & {"link", "iframe", "object", "embed", "base", "form"} == set()
    source = ring_file.read_text(encoding="utf-8")
    assert not re.search(r"(?i)https?:|//www|@import|url\((?!#)", re.sub(r"base64,[A-Za-z0-9+/=]+", "", source))


def test_a_page_has_no_identifier_twice_and_no_dangling_reference(ring_page: Page) -> None:
    identifiers = ring_page.values("id")
    assert len(identifiers) == len(set(identifiers))
    references = [value[1:] for name in ("href", "xlink:href") for value in ring_page.values(name) if value[0] == "#"]
    references += [value.removeprefix("url(#").rstrip(")") for value in ring_page.values("clip-path")]
    assert set(references) <= set(identifiers)


def keep(folder: Path, *names: str) -> pd.DataFrame:
    """Keep only these quantities of a study's history: fewer figures are drawn."""
    history = pd.read_parquet(folder / "history.parquet")
    history = history[history["name"].isin(names)]
    history.to_parquet(folder / "history.parquet")
    return history


HOSTILE = "alpha <script>alert(1)</script> \"'&{{ 7*7 }}$\\frac{"


def hostile_study(make_study: MakeStudy) -> Path:
    """A study whose every word tries to get out of its place."""
    folder = make_study(seeds=3, labels=("vanilla", HOSTILE), evaluations=3, drawn=True)
    path = folder / "study.json"
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    evil = "</style></script><script>alert(2)</script><img src=x onerror=alert(3)>\x1b\u202e"
    record |= {"command": evil, "note": evil, "created": evil, "git": evil, "versions": {evil: evil}}
    record |= {"machine": {evil: [evil, {evil: evil}]}, "facts": {evil: evil}, "task": {"name": evil, "summary": evil}}
    record["metrics"] = {name: {"help": evil, "better": None} for name in record["metrics"]} | {evil: {"help": evil}}
    record["settings"][0]["values"] = {evil: evil}
    record["settings"][0]["sources"] = {evil: evil}
    path.write_text(json.dumps(record), encoding="utf-8")
    runs = pd.read_parquet(folder / "runs.parquet")
    runs["cause"], runs["status"], runs[evil] = evil, evil, 1.0
    runs.to_parquet(folder / "runs.parquet")
    history = keep(folder, "kl", "loss_d")
    more = history[history["name"] == "kl"].assign(name=evil)
    pd.concat([history, more]).to_parquet(folder / "history.parquet")
    return folder


def test_a_strangers_study_cannot_run_anything(make_study: MakeStudy, tmp_path: Path) -> None:
    path = write_report([hostile_study(make_study)], tmp_path / "report.html")
    page = Page(path)
    assert [attributes for tag, attributes in page.tags if tag == "script"] == [{}]  # the page's own
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert HOSTILE in page.text
    assert "alert(3)>" in page.text  # shown, as text
    assert not set(page.text) & {"\x1b", "\u202e"}
    assert all(value.startswith("data:image/") for value in page.values("src"))
    policy = next(value for value in page.values("content") if "default-src" in value)
    assert "default-src 'none'" in policy
    assert "script-src 'sha256-" in policy


def test_the_policy_admits_the_pages_own_script(ring_file: Path) -> None:
    source = ring_file.read_text(encoding="utf-8")
    script = source.split("<script>")[1].split("</script>")[0]
    assert f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in source


@pytest.mark.slow
def test_several_studies_stand_in_one_page(make_study: MakeStudy, tmp_path: Path) -> None:
    digits = make_study(seeds=4, task="digits", labels=("vanilla", "wgan-gp"), evaluations=2)
    keep(digits, "fid")
    ring = make_study(seeds=4, evaluations=0)
    page = Page(write_report([ring, digits, digits], tmp_path / "all.html"))
    anchors = [attributes["id"] for tag, attributes in page.tags if tag == "article"]
    assert anchors == ["study-1", "study-2", "study-3"]
    assert [row[0] for row in page.tables["study-2-results"]] == ["setting", "vanilla", "wgan-gp"]
    assert page.tables["study-2-results"][0] == ["setting", "members", "fid ↓", "recall ↑"]
    assert "3 studies" in page.text
    assert len(page.values("id")) == len(set(page.values("id")))
    said = page.values("aria-label")
    assert "Shares of members by setting: success and failure" in said
    assert "Shares of members by setting: finished and diverged" in said


@pytest.mark.slow
def test_the_page_lands_in_the_first_folder_and_appears_whole(
    make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = make_study(seeds=2, evaluations=0), make_study(seeds=2, evaluations=0)
    assert write_report([first, second]) == first / "report.html"
    assert not (second / "report.html").exists()
    before = (first / "report.html").read_bytes()

    def fail(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(StoreError, match="cannot be written: No space left on device"):
        write_report([first])
    assert (first / "report.html").read_bytes() == before
    assert [path.name for path in first.glob(".*")] == []


def test_a_report_about_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadValue, match="at least one study folder"):
        write_report([])
    with pytest.raises(StoreError, match="is not a study"):
        write_report([tmp_path])


def test_a_study_that_has_just_begun_has_a_report(make_study: MakeStudy, tmp_path: Path) -> None:
    folder = make_study(seeds=2, labels=("vanilla",), evaluations=2)
    runs = pd.read_parquet(folder / "runs.parquet")
    metrics = ["modes", "high_quality", "success", "failure", "kl", "classification_error"]
    runs = runs.assign(status="running", generator_steps=0, **dict.fromkeys(metrics, np.nan))
    runs.to_parquet(folder / "runs.parquet")
    keep(folder)
    page = Page(write_report([folder], tmp_path / "report.html"))
    assert "running" in page.text
    assert "study-1-paired" not in page.values("id")
    assert "study-1-metrics" not in page.values("id")


@pytest.mark.slow
@pytest.mark.usefixtures("no_charts")
def test_pictures_never_make_the_page_too_large(
    make_study: MakeStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_study(seeds=4, labels=("vanilla",), drawn=True)
    keep(folder)

    def of_pictures(path: Path) -> int:
        return sum(len(value) for value in Page(path).values("src"))

    whole = of_pictures(write_report([folder], tmp_path / "a.html"))
    monkeypatch.setattr(page_module, "_IMAGE_BUDGET", whole // 3)
    assert 0 < of_pictures(write_report([folder], tmp_path / "b.html")) <= whole // 3


@pytest.mark.slow
def test_a_study_of_two_hundred_seeds_and_three_settings(make_study: MakeStudy, tmp_path: Path) -> None:
    folder = make_study(seeds=200, drawn=True)
    began = time.process_time()
    path = write_report([folder], tmp_path / "report.html")
    assert time.process_time() - began < 15
    assert path.stat().st_size < 4_000_000
    assert len(Page(path).tables["study-1-members"]) > 600
