"""Every code block of the pages of Start and Guides is executed, or says in its title why not."""

from __future__ import annotations

from pathlib import Path

from page_desk import blocks_of, fault_of, guides

SKIPPED = {
    "start.md": 2,
    "processes.md": 1,
    "cluster.md": 4,
    "data.md": 3,
    "board.md": 1,
    "metrics.md": 3,
}
"""How many blocks of each page are not executed; each says so, and why, in its title."""


def test_every_block_of_start_and_guides_is_executed_or_says_why_not() -> None:
    blocks = {page.name: blocks_of(page) for page in guides()}
    faults = [
        f"{block.page}:{block.line}: {fault}"
        for page in blocks.values()
        for block in page
        if (fault := fault_of(block, page))
    ]
    assert faults == []
    assert {page: n for page, found in blocks.items() if (n := sum(bool(block.skipped) for block in found))} == SKIPPED
    assert sum(map(len, blocks.values())) > 60


def test_a_block_that_nothing_executes_is_found() -> None:
    page = blocks_of(
        Path("page.md"),
        '```bash\nls\n```\n```bash title="not run by the tests: it downloads"\ncurl x\n```\n```\nx\n```\n'
        "```py\nx\n```\n```toml\n# a.toml\n```\n  ```bash\n  # one\n  gantlet show \\\n    runs\n  ```\n"
        '```toml\n# b.toml\n```\n```bash title="not run by the tests: "\nls\n```\n~~~text\n8\n~~~\n'
        "```bash\ngantlet run b.toml\n```\n```python\n# file: c.py\n```\n```python\n# file: d.py\n```\n```python\nimport d\n```\n",
    )
    assert [fault_of(block, page) for block in page] == [
        "'ls' is no gantlet command",
        "",
        "nothing executes the language ''",
        "nothing executes the language 'py'",
        "no command uses this file",
        "",
        "",
        "'ls' is no gantlet command",
        "",
        "",
        "nothing names this file",
        "",
        "",
    ]
