"""The code blocks of the site's pages: which are executed, and their commands on a small scale, on a desk that has what they name."""

from __future__ import annotations

import ast
import pickle
import re
import shlex
import shutil
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import terminal
from gantlet.api.export import export
from gantlet.requests.grid import parse_axis

__all__ = [
    "NOT_RUN",
    "SMALL",
    "WIDTHS",
    "Block",
    "blocks_of",
    "fault_of",
    "file_named",
    "guides",
    "prepare",
    "small",
    "words_of",
]

ROOT = Path(__file__).resolve().parent.parent
SMALL = {
    "steps": "2",
    "evaluations": "1",
    "samples": "32",
    "train_size": "256",
    "test_size": "32",
    "batch_size": "16",
}
"""Settings with which a member of any task takes a moment."""
WIDTHS = {"g_width": "8", "d_width": "8"}
FEW = {"train_size": "24", "test_size": "16", "width": "2"}
"""Those of a task on the folders of images that a desk has."""
NOT_RUN = "not run by the tests: "
"""How the title of a block begins that is not executed; the reason follows."""

_FENCE = re.compile(r"^( {0,3})(```+|~~~+)([^\n]*)\n(.*?)^ {0,3}\2", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A code block: its page, line, language, title (of ``title="…"``) and text."""

    page: str
    line: int
    language: str
    title: str
    text: str

    @property
    def skipped(self) -> str:
        """Why it is not executed, as its title says; empty if it is."""
        return self.title.removeprefix(NOT_RUN) if self.title.startswith(NOT_RUN) else ""

    @property
    def commands(self) -> list[list[str]]:
        """The words after ``gantlet`` on each line, comments left out."""
        return [shlex.split(line, comments=True)[1:] for line in self.lines if line.startswith("gantlet ")]

    @property
    def lines(self) -> list[str]:
        """Its lines without indent; continued ones are one."""
        return [line.strip() for line in self.text.replace("\\\n", " ").splitlines()]


def blocks_of(page: Path, text: str | None = None) -> list[Block]:
    """The code blocks of a page, or of a text in its place."""
    text = page.read_text(encoding="utf-8") if text is None else text
    found: list[Block] = []
    for match in _FENCE.finditer(text):
        language, _, rest = match[3].strip().partition(" ")
        title = re.search(r'title="([^"]*)"', rest)
        line = text[: match.start()].count("\n") + 1
        found.append(Block(page.name, line, language, title[1] if title else "", match[4]))
    return found


def guides() -> list[Path]:
    """The pages of the tabs Start and Guides of the site."""
    tree = ast.parse((ROOT / "scripts" / "site_pages.py").read_text(encoding="utf-8"))
    tables = [node for node in tree.body if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "CONTENTS"]
    contents = eval(ast.unparse(tables[0].value or tables[0]), {})
    return [ROOT / "docs" / f"{name}.md" for tab in ("Start", "Guides") for name in contents[tab]]


def file_named(block: Block) -> str:
    """The file that a block is, by its first line; empty if it is none."""
    match = re.match(r"# (?:file: )?([\w.]+\.(?:py|toml))\n", block.text)
    return match[1] if match else ""


def fault_of(block: Block, page: Sequence[Block]) -> str:
    """Why a block is neither executed nor marked, in words; empty if it is one of them. ``page`` are all blocks of its page."""
    if block.skipped or block.language == "text":
        return ""  # what a program prints, and formulas
    if block.language == "python":  # all is executed, and files are imported by who names them
        stem = file_named(block).removesuffix(".py")
        named = any(re.search(rf"\b{stem}\b", other.text) for other in page if other is not block)
        return "" if named or not stem else "nothing names this file"
    if block.language == "bash":
        foreign = [line for line in block.lines if line and not line.startswith(("gantlet ", "#"))]
        return f"'{foreign[0]}' is no gantlet command" if foreign else ""
    if block.language == "toml":
        played = any(file_named(block) in words for other in page for words in other.commands)
        installed = "gantlet.methods" in block.text  # the package that the desk has
        return "" if (file_named(block) and played) or installed else "no command uses this file"
    return f"nothing executes the language '{block.language}'"


# On a small scale


def words_of(words: Sequence[str]) -> list[str]:
    """A command line without what a shell would do, and on a small scale."""
    words = list(words[: words.index(">")] if ">" in words else words)
    return small(words)


def small(words: Sequence[str]) -> list[str]:
    """The command with few seeds, steps and samples; what it names, chooses and writes stays."""
    name, *rest = words
    if name == "run" and not rest[0].endswith(".toml") and "--dry-run" not in rest:
        own = FEW if rest[0].startswith("folder:") else WIDTHS if rest[0] == "ring8" else {}
        return [name, *rest[:2], *_shrunk(rest[2:], SMALL | own)]
    if name == "tune":
        return [name, *_shrunk(rest, SMALL | WIDTHS), "--trials", "2", "--fresh-seeds", "1"]
    if name == "extend":
        return [name, *(re.sub(r"^steps=.*", "steps=4", word) for word in _option(rest, "--seeds", "3"))]
    if name == "compare":
        return [name, *rest, "--n", "40"]
    if name == "project":
        return [name, *rest, "--restarts", "1", "--steps", "3"]
    return list(words)


def _shrunk(words: Sequence[str], fixed: Mapping[str, str]) -> list[str]:
    """Settings of a run in which the fixed ones have their small values, two seeds, and no limit of time."""
    if any(word.startswith("generator=") for word in words):  # which has widths of its own
        fixed = {key: value for key, value in fixed.items() if key not in WIDTHS}
    words = ["architecture=0:1:1" if word.startswith("architecture=") else word for word in words]
    if "--preset" in words and "bogonet" in words:
        fixed = {**fixed, "width": "2"}
    kept = [word for word in words if "=" not in word or word.startswith("-") or not _keys(word) & {*fixed, "epochs"}]
    for option, value in (("--seeds", "2"), ("--trials", ""), ("--minutes", "")):
        kept = _option(kept, option, value)
    return [*kept, *(f"{key}={value}" for key, value in fixed.items())]


def _keys(word: str) -> set[str]:
    try:
        return set(parse_axis(word).keys)
    except Exception:  # a value of an option, such as --slurm "partition=gpu gpus=1"
        return set()


def _option(words: Sequence[str], name: str, value: str) -> list[str]:
    """The words with the value of an option changed, or the option left out where the value is empty."""
    if name not in words:
        return list(words)
    place = list(words).index(name)
    return [*words[:place], *([name, value] if value else []), *words[place + 2 :]]


# What the commands of a page name


def prepare(page: str, desk: Path, patch: Any) -> None:
    """Put what the commands of a page name and do not make into the current folder, the desk."""
    makers: Mapping[str, Callable[[], None]] = {
        "checkpoints.md": lambda: _checkpoints(desk),
        "conform.md": lambda: _file(desk / "mine.py", _MINE),
        "data.md": lambda: _images(desk / "holiday", size=40),
        "doctor.md": lambda: _points(desk / "runs/ring8-20261127-101500"),
        "export.md": lambda: _exports(desk),
        "images.md": lambda: _images(desk / "photos", size=40),
        "metrics.md": lambda: _sets(desk, patch),
        "processes.md": lambda: _cifar(desk, patch),
        "stackelberg.md": lambda: _idx(desk / "FOLDER"),
        "statistics.md": lambda: _statistics(desk),
        "studies.md": lambda: _study_file(desk),
        "trust.md": lambda: _points(desk / "runs/alpha"),
    }
    if page in ("checkpoints.md", "studies.md"):  # whose commands animate a member
        patch.delenv("GANTLET_RECORDED", raising=False)
    if page in makers:
        makers[page]()


_MINE = """
from dataclasses import dataclass

import numpy as np

from gantlet.objectives.alpha import Alpha


def d_loss(real, fake):
    return np.logaddexp(0, -real).mean() + np.logaddexp(0, fake).mean()


def g_loss(fake):
    return np.logaddexp(0, -fake).mean()
"""

_NETS = '''
from torch import Tensor, nn


class Net(nn.Module):
    """Means of an image's corners and channels: [B, 3, H, W] to [B, 12]."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(x, 2).flatten(1)
'''


def _file(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _points(folder: Path, *words: str) -> None:
    """A study of four members."""
    terminal.study(folder, "vanilla,alpha", *words, seeds="2")


def _checkpoints(desk: Path) -> None:
    words = [f"{key}={value}" for key, value in (SMALL | WIDTHS | {"steps": "500"}).items()]
    asked = terminal.request("ring8", "vanilla", *words, "checkpoints=every:500+best:modes", seeds="4")
    terminal.trained(asked, desk / "runs/a")
    export(desk / "runs/a", 3, format="hub", out=desk / "model")


def _images(folder: Path, *, size: int, count: int = 40) -> None:
    """Colour images in a folder."""
    folder.mkdir()
    for place in range(count):
        pixels = np.random.default_rng(place).integers(0, 256, (size, size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{place}.png")


def _image_study(folder: Path, images: Path) -> None:
    """A study of four members on images, with latents of two numbers."""
    words = [f"{key}={value}" for key, value in (SMALL | FEW).items()]
    asked = terminal.request(f"folder:{images}", "vanilla", *words, "size=32", "latent_dim=2", seeds="4")
    terminal.trained(asked, folder)


def _exports(desk: Path) -> None:
    _images(desk / "real", size=32)
    _image_study(desk / "runs/mine", desk / "real")
    np.save(desk / "z.npy", np.random.default_rng(1).normal(size=(3, 2)).astype("float32"))
    shutil.copy(desk / "real/0.png", desk / "photo.png")


def _sets(desk: Path, patch: Any) -> None:
    _cifar(desk, patch)
    for name in ("real", "fake", "train"):
        _images(desk / name, size=32)
    shutil.make_archive(str(desk / "fake"), "zip", desk / "fake")
    np.save(desk / "fake.npy", np.random.default_rng(1).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8))
    _file(desk / "nets.py", _NETS)
    _image_study(desk / "runs/mine", desk / "real")


def _cifar(desk: Path, patch: Any) -> None:
    """CIFAR-10 as pickled, of 600 random images, in a data directory of the page's own."""
    folder = desk / "home/cifar10/cifar-10-batches-py"
    folder.mkdir(parents=True)
    for place, name in enumerate([*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]):
        rows = np.random.default_rng(place).integers(0, 256, (104, 3 * 32 * 32), dtype=np.uint8)
        batch = {b"data": rows, b"labels": [row % 10 for row in range(len(rows))], b"batch_label": name.encode()}
        (folder / name).write_bytes(pickle.dumps(batch, protocol=2))
    names = [f"kind {place}".encode() for place in range(10)]
    (folder / "batches.meta").write_bytes(pickle.dumps({b"label_names": names}, protocol=2))
    patch.setenv("GANTLET_DATA", str(desk / "home"))


def _idx(folder: Path) -> None:
    """The four files of Fashion-MNIST, of few random images."""
    folder.mkdir()
    for part, count in (("train", 300), ("t10k", 100)):
        pixels = np.random.default_rng(count).integers(0, 256, (count, 28, 28), dtype=np.uint8)
        for kind, values in (("images-idx3", pixels), ("labels-idx1", np.arange(count).astype(np.uint8) % 10)):
            sizes = b"".join(size.to_bytes(4, "big") for size in values.shape)
            content = bytes([0, 0, 8, values.ndim]) + sizes + values.tobytes()
            (folder / f"{part}-{kind}-ubyte").write_bytes(content)


def _statistics(desk: Path) -> None:
    grid = ("lr=1e-3,2e-3", "penalty_weight=1,10", "g_width=8,16")
    terminal.study(desk / "runs/x", "wgan-gp,dragan", *grid, seeds="2")
    for task in ("ring8", "grid25"):
        words = [*terminal.TINY, "epochs=1"]
        terminal.trained(terminal.request(task, "vanilla,alpha", *words[:-1], seeds="3"), desk / "runs" / task)


def _study_file(desk: Path) -> None:
    """study.toml on a small scale, and another study."""
    text = (desk / "study.toml").read_text(encoding="utf-8")
    tiny = "".join(f"{key} = {value}\n" for key, value in (SMALL | WIDTHS).items())
    text = text.replace("epochs = 12\n", tiny).replace("seeds = 8 ", "seeds = 2 ")
    assert tomllib.loads(text)["settings"]["steps"] == 2
    _file(desk / "study.toml", text)
    _points(desk / "runs/other")
