"""What surrounds a release: the script that prepares it, the container, the templates, the security policy."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with what the script reads, and a package script that does nothing."""
    for name in ("src/gantlet/_version.py", "CITATION.cff", "scripts/release"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "src/gantlet/_version.py").write_text('VERSION = "3.1.0"\n')
    (tmp_path / "CITATION.cff").write_text("version: 3.1.0\n")
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changelog\n\n## [Unreleased]\n\n- later\n\n## [3.1.0] - 2026-01-02\n\n### Added\n\n- this\n\n## [3.0.0] - 2025-01-01\n\n- old\n"
    )
    (tmp_path / "scripts/package").write_text("#!/bin/sh\necho built\n")
    (tmp_path / "scripts/package").chmod(0o755)
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"]):
        git(tmp_path, *words)
    return tmp_path


def git(folder: Path, *words: str) -> None:
    names = {f"GIT_{who}_{what}": "x@y" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    subprocess.run(["git", *words], cwd=folder, check=True, env={**os.environ, **names})


def release(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([folder / "scripts/release", *words], capture_output=True, text=True, check=False)


def test_a_release_is_built_and_its_notes_are_its_section(project: Path, tmp_path: Path) -> None:
    done = release(project, "3.1.0")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "built\n### Added\n\n- this\ngantlet 3.1.0 is ready: git tag v3.1.0\n"
    assert release(project, "--notes", "3.0.0").stdout == "- old\n"


def test_what_is_not_ready_is_said(project: Path) -> None:
    assert release(project).returncode == 2
    assert "not of the form" in release(project, "v3").stderr
    assert "_version.py has another version than 3.0.0" in release(project, "3.0.0").stderr
    assert "no section ## [9.9.9]" in release(project, "--notes", "9.9.9").stderr
    git(project, "tag", "v3.1.0")
    assert "the tag v3.1.0 exists already" in release(project, "3.1.0").stderr
    (project / "new").touch()
    assert "the working tree has changes" in release(project, "3.1.0").stderr
    (project / "CITATION.cff").write_text("version: 3.0.0\n")
    assert "CITATION.cff has another version" in release(project, "3.1.0").stderr


# The container


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Containerfile, lines joined: (word, rest)."""
    text = (ROOT / "Containerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines())]


def test_the_container_is_what_a_linter_asks_for() -> None:
    known = {"FROM", "ENV", "COPY", "ARG", "RUN", "USER", "WORKDIR", "ENTRYPOINT", "CMD"}
    words = [word for word, _ in instructions()]
    assert set(words) <= known
    assert words[0] == "FROM"
    image = dict(instructions())["FROM"]
    assert re.fullmatch(r"docker\.io/library/python:3\.\d+-slim", image), "a pinned, small image"
    assert words.index("USER") < words.index("ENTRYPOINT"), "it does not run as root"
    for word, rest in instructions():
        assert word not in ("ENTRYPOINT", "CMD") or re.fullmatch(r'\["[^"]+"(, "[^"]+")*\]', rest)
        assert "sudo" not in rest
        assert word != "RUN" or "apt-get" not in rest or "rm -rf /var/lib/apt/lists" in rest


def test_the_container_copies_what_is_there_and_installs_extras_that_exist() -> None:
    for word, rest in instructions():
        if word == "COPY":
            assert all((ROOT / source).exists() for source in rest.split()[:-1]), rest
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = re.search(r"/src\[([\w,]+)\]", (ROOT / "Containerfile").read_text(encoding="utf-8"))
    assert asked is not None
    assert set(asked[1].split(",")) <= set(project["optional-dependencies"])
    version = re.search(r"python:(3\.\d+)-slim", (ROOT / "Containerfile").read_text(encoding="utf-8"))
    assert version is not None
    assert version[1] >= project["requires-python"].removeprefix(">=")


def test_templates_and_the_security_policy_are_there() -> None:
    for name in ("ISSUE_TEMPLATE/bug.md", "ISSUE_TEMPLATE/method.md"):
        text = (ROOT / ".github" / name).read_text(encoding="utf-8")
        assert re.match(r"---\nname: .+\nabout: .+\n---\n", text), name
    assert "make lint" in (ROOT / ".github" / "pull_request_template.md").read_text(encoding="utf-8")
    assert "How to report" in (ROOT / "SECURITY.md").read_text(encoding="utf-8")
