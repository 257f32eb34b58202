"""The documentation site: what is cut and linked how, what is found broken, and what docstrings become."""

from __future__ import annotations

import doctest
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from test_project import ROOT
from web_browser import opened_browser

SCRIPTS = ROOT / "scripts"


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def scripts() -> Iterator[dict[str, ModuleType]]:
    names = ("site_check", "site_formulas", "site_reference", "site_pages")
    yield {name: _load(name) for name in names}
    for name in names:
        sys.modules.pop(name, None)


def test_the_examples_of_the_scripts_hold(scripts: dict[str, ModuleType]) -> None:
    for module in (scripts["site_formulas"], scripts["site_pages"], scripts["site_reference"]):
        outcome = doctest.testmod(module)
        assert (outcome.attempted > 0, outcome.failed) == (True, 0)


def test_every_page_is_in_the_table_of_contents(scripts: dict[str, ModuleType]) -> None:
    listed = {name for names in scripts["site_pages"].CONTENTS.values() for name in names}
    assert {path.stem for path in (ROOT / "docs").glob("*.md")} <= listed


def test_a_page_that_the_contents_lack_is_refused(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "nowhere.md").write_text("# Nowhere\n")
    with pytest.raises(ValueError, match=r"docs/nowhere\.md is not in CONTENTS"):
        scripts["site_pages"].assemble(tmp_path, tmp_path / "out")


def test_a_long_page_is_cut_at_its_names_and_links_follow(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    pages = scripts["site_pages"]
    (tmp_path / "docs").mkdir()
    text = "# Methods\n\n[wgan](#wgan)\n\n## Many words\n\nHere.\n\n## wgan\n\n### In Python\n\n```\n## no heading\n```\n\n[back](#many-words)\n"
    (tmp_path / "docs" / "methods.md").write_text(text)
    site = pages.Site()
    head, wgan = pages._cut(tmp_path, "methods", site)
    assert (head.place, wgan.place, wgan.title) == ("methods.md", "methods/wgan.md", "wgan")
    assert "## no heading" in wgan.text
    assert "## In Python" in wgan.text
    assert pages.rewritten(head, site.moved).startswith("# Methods\n\n[wgan](methods/wgan.md)")
    assert pages.rewritten(wgan, site.moved).rstrip().endswith("[back](../methods.md#many-words)")
    other = pages.Page("own.md", "docs/own.md", "[here](methods.md#in-python), [code](../src/gantlet/tasks/base.py)")
    assert pages.rewritten(other, site.moved) == (
        "[here](methods/wgan.md#in-python), [code](reference/python/tasks.md#gantlet.tasks.base)"
    )


def test_links_in_code_stay(scripts: dict[str, ModuleType]) -> None:
    pages = scripts["site_pages"]
    page = pages.Page("a/b.md", "docs/b.md", "```text\n[x](c.md)\n```\n[x](c.md) [out](https://example.org/c.md)\n")
    moved = {("docs/c.md", ""): ("c.md", "")}
    assert pages.rewritten(page, moved) == "```text\n[x](c.md)\n```\n[x](../c.md) [out](https://example.org/c.md)\n"


def test_what_a_block_tells_the_tests_is_not_told_to_readers(scripts: dict[str, ModuleType]) -> None:
    text = '```bash title="not run by the tests: it downloads"\ncurl\n```\n\n```toml title="study.toml"\na = 1\n```\n'
    page = scripts["site_pages"].Page("b.md", "docs/b.md", text)
    assert scripts["site_pages"].rewritten(page, {}) == text.replace(' title="not run by the tests: it downloads"', "")


def test_a_list_in_a_list_has_the_indent_that_the_site_asks_for(scripts: dict[str, ModuleType]) -> None:
    page = scripts["site_pages"].Page("b.md", "docs/b.md", "- a\n  - b\n  c\n\n```text\n  - code\n```\n")
    assert scripts["site_pages"].rewritten(page, {}) == "- a\n    - b\n  c\n\n```text\n  - code\n```\n"


def test_broken_links_are_found(scripts: dict[str, ModuleType], tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<a href="b.html#there">1</a><a href="b.html#gone">2</a><a href="c.html">3</a><a href="https://example.org/x">4</a>'
        '<img src="p.png"><a href="#top">5</a><p id="top">'
    )
    (tmp_path / "b.html").write_text(
        '<p id="there"><a href="a.html">back</a><script src="https://example.org/x.js"></script>'
    )
    assert scripts["site_check"].broken_links(tmp_path) == [
        "a.html: b.html#gone leads to no anchor",
        "a.html: c.html leads to no file",
        "a.html: p.png leads to no file",
    ]
    assert scripts["site_check"].outside_requests(tmp_path) == ["b.html: https://example.org/x.js"]


def test_code_that_looks_like_markup_stays_as_it_is(scripts: dict[str, ModuleType]) -> None:
    source = (
        'Kind = (\n    int\n    | str\n)\n\n\ndef f():\n    """One.\n\n    Reference:\n        | A paper\n    """\n'
    )
    assert scripts["site_reference"].plain_markup(source) == source.replace("| A paper", "- A paper")


def test_every_command_has_a_page_with_its_options(scripts: dict[str, ModuleType]) -> None:
    pages = dict(scripts["site_reference"].command_pages())
    assert {"reference/cli/run.md", "reference/cli/tune.md", "reference/cli/data.md"} <= pages.keys()
    assert "| `--seeds` | N for seeds 1 to N" in pages["reference/cli/run.md"]
    assert "gantlet run ring8 vanilla,alpha alpha_d=0.3,1.0 --seeds 20" in pages["reference/cli/run.md"]


def test_a_folder_that_is_no_site_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    words = [sys.executable, SCRIPTS / "site", "--out", tmp_path]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "is not a site, so it is not replaced" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


# As a browser opens it from disk

SEARCHED = {
    "gradient penalty": "reference/python/penalties.html",
    "mode collapse": "mode-collapse.html",
    "resume": "reference/cli/resume.html",
}
"""Words that are typed, and a page that must be among the first six that the search names."""

DIALOG = (
    "const r = [...document.querySelectorAll('*')].map(e => e.shadowRoot).find(r => r && r.querySelector('dialog'));"
)


@pytest.mark.slow
def test_the_site_opens_from_disk_asks_nothing_of_others_and_is_searched(
    scripts: dict[str, ModuleType], tmp_path: Path
) -> None:
    site = tmp_path / "site"
    done = subprocess.run(
        [sys.executable, SCRIPTS / "site", "--out", site], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert scripts["site_check"].outside_requests(site) == []
    with opened_browser() as browser:
        browser.open(site / "methods" / "wgan.html")
        browser.run("document.querySelector('.md-search__button').click()")
        for words, page in SEARCHED.items():
            browser.until(DIALOG + "return r && r.querySelector('input')")
            browser.run(
                DIALOG + f"const i = r.querySelector('input'); i.value = '{words}';"
                "i.dispatchEvent(new InputEvent('input', {bubbles: true}))"
            )
            links = "[...r.querySelectorAll('[role=listbox] a')].slice(0, 6).map(a => a.getAttribute('href'))"
            asked = f"h={words.replace(' ', '+')}"
            browser.until(DIALOG + f"const l = {links}; return l.length && l.every(a => a.includes('{asked}'))")
            found = browser.run(DIALOG + f"return {links}")
            assert any(f"/{page}?{asked}" in link for link in found), found
        loaded = browser.run("return performance.getEntriesByType('resource').map(e => e.name)")
        assert [name for name in loaded if not name.startswith("file:")] == []
        assert browser.complaints() == []
