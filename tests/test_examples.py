"""The examples do what they say: the same bits as gantlet without gantlet, and a loss of one's own to the report."""

from __future__ import annotations

import ast
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gantlet
from gantlet.cpu import threads_set
from gantlet.objectives.alpha import Alpha
from gantlet.requests.grid import parse_axis
from gantlet.requests.resolve import Request, expand

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
WHOLE, OWN = EXAMPLES / "the_whole_algorithm.py", EXAMPLES / "your_own_loss.py"


def imported(path: Path) -> set[str]:
    """The top-level packages that a file imports, wherever it does so."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
    return found


def settings_of_docstring(path: Path) -> dict[str, str]:
    """The settings in the ``gantlet run`` command of a file's docstring."""
    words = re.search(r"gantlet run (.*)", path.read_text(encoding="utf-8"))
    assert words is not None
    return dict(word.split("=") for word in shlex.split(words[1]) if "=" in word)


# The whole algorithm


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    return runpy.run_path(str(WHOLE))


@pytest.fixture
def train(whole: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[nn.Module, nn.Module]]:
    """The example's training, on narrower networks and a smaller pool, whose last batch is not whole."""
    monkeypatch.setitem(whole["train"].__globals__, "WIDTH", 64)
    monkeypatch.setitem(whole["train"].__globals__, "POOL", 12_850)
    return whole["train"]


def test_the_whole_algorithm_is_short_and_needs_no_gantlet() -> None:
    assert len(WHOLE.read_text(encoding="utf-8").splitlines()) <= 80
    assert imported(WHOLE) <= {"torch", "numpy", "hashlib", "math", "sys"}


def test_its_constants_are_those_of_the_command_in_its_docstring(whole: dict[str, Any]) -> None:
    asked = settings_of_docstring(WHOLE)
    (resolved,) = expand(Request("ring8", ("vanilla",), tuple(parse_axis(f"{k}={v}") for k, v in asked.items())))
    values = resolved.values
    assert {values["g_width"], values["d_width"]} == {whole["WIDTH"]}
    assert {values["g_depth"], values["d_depth"]} == {2}
    assert {values["lr_g"], values["lr_d"]} == {whole["RATE"]}
    assert (values["batch_size"], values["train_size"]) == (whole["BATCH"], whole["POOL"])
    assert whole["train"].__defaults__ == (values["steps"], 1)
    game = {"reuse_fake": True, "order": "d_first", "n_critic": 1, "prior": "normal", "latent": "fresh"}
    assert game.items() <= values.items()


def test_its_data_are_gantlets(whole: dict[str, Any]) -> None:
    from gantlet.data.gaussians import Ring8

    data = Ring8().load()
    assert torch.equal(whole["ring"](len(data.train), "train"), data.train)
    assert torch.equal(whole["ring"](len(data.test), "test"), data.test)


@pytest.mark.slow
def test_it_ends_with_the_same_bits_and_numbers_as_a_study(
    whole: dict[str, Any],
    train: Callable[..., tuple[nn.Module, nn.Module]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seed, steps = 3, 300
    smaller = {"g_width": "64", "d_width": "64", "train_size": "12850", "steps": str(steps), "evaluations": "1"}
    asked = settings_of_docstring(WHOLE) | smaller
    study = gantlet.run("ring8", "vanilla", seeds=[seed], out=tmp_path / "study", **asked)
    with threads_set(1), torch.random.fork_rng(devices=[]):
        players = train(steps, seed)
        found = whole["judge"](*players)
    for player, mine in zip(("generator", "discriminator"), players, strict=True):
        theirs = gantlet.load(study.folder, run=0, player=player).state_dict().values()
        for parameter, expected in zip(mine.parameters(), theirs, strict=True):
            assert torch.equal(parameter, expected)
    row = study.runs.iloc[0]
    assert found["modes"] > 0, "the comparison would say little"
    exact = ("modes", "high_quality", "classification_error")
    assert {name: found[name] for name in exact} == {name: row[name] for name in exact}
    assert found["kl"] == pytest.approx(row["kl"], rel=1e-12)


def test_it_takes_steps_and_seed_from_the_command_line(
    whole: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [str(WHOLE), "2", "7"])
    with torch.random.fork_rng(devices=[]):
        runpy.run_path(str(WHOLE), run_name="__main__")
        assert ast.literal_eval(capsys.readouterr().out) == whole["judge"](*whole["train"](2, 7))


# A loss of one's own


@pytest.fixture(scope="module")
def exponential() -> Any:
    return runpy.run_path(str(OWN))["Exponential"]


def scores() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    real, fake = torch.randn(2, 4, 4, 4, generator=generator, dtype=torch.float64)
    return real, fake


def test_the_exponential_loss_is_the_alpha_loss_at_one_half(exponential: Any) -> None:
    # ℓ_½(s) = 1/s - 1 = e^-l
    real, fake = scores()
    mine, alpha = exponential(), Alpha(alpha_d=0.5, alpha_g=0.5, form="stable")
    assert torch.allclose(mine.discriminator(real=real, fake=fake), alpha.discriminator(real=real, fake=fake))
    assert torch.allclose(mine.generator(fake=fake), alpha.generator(fake=fake))
    assert not torch.allclose(mine.discriminator(real=fake, fake=real), alpha.discriminator(real=real, fake=fake))


def test_its_steepness_is_a_number_per_member(exponential: Any) -> None:
    real, fake = scores()  # [S, K, B]
    steepness = torch.tensor([0.5, 1.0, 2.0, 3.0], dtype=torch.float64)
    together = exponential(steepness.reshape(-1, 1, 1)).discriminator(real=real, fake=fake)
    for member, value in enumerate(steepness.tolist()):
        assert torch.equal(together[member], exponential(value).discriminator(real=real[member], fake=fake[member]))


def test_the_loss_is_ten_lines() -> None:
    (loss,) = [node for node in ast.parse(OWN.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef)]
    lines = ast.unparse(loss).splitlines()
    assert len([line for line in lines if line.strip()]) <= 10


def test_the_command_in_its_docstring_is_a_grid_over_the_steepness(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLES.parent)
    axes = tuple(parse_axis(f"{key}={value}") for key, value in settings_of_docstring(OWN).items())
    methods = ("vanilla", f"{OWN.relative_to(EXAMPLES.parent)}:Exponential")
    assert f"{','.join(methods)} " in OWN.read_text(encoding="utf-8")
    settings = expand(Request("ring8", methods, axes))
    assert [resolved.values.get("steepness") for resolved in settings] == [None, 0.5, 1.0]


@pytest.mark.slow
def test_your_own_loss_goes_from_its_file_to_the_report(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, str(OWN), "4"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    page = tmp_path / done.stdout.splitlines()[-1]
    assert re.fullmatch(r"runs/ring8-\d{8}-\d{6}/report\.html", str(page.relative_to(tmp_path)))
    assert "Exponential" in page.read_text(encoding="utf-8")
    runs = gantlet.Study(page.parent).runs
    assert runs.groupby("setting")["status"].agg(list).to_dict() == {
        "vanilla": ["finished"] * 3,
        "Exponential": ["finished"] * 3,
    }
