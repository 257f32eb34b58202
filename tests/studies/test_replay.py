"""Replay: the same numbers again, or the name of what differs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import terminal
from gantlet.errors import BadValue, ReplayMismatch
from gantlet.studies.replay import replay
from gantlet.studies.store import Store
from gantlet.training import checkpoint
from thinning import leading


@pytest.mark.parametrize(
    ("methods", "words", "seeds", "run"),
    leading(
        [
            pytest.param("vanilla", [], "1", 0, id="alone"),
            pytest.param("alpha", ["alpha_d=0.3,1"], "2", 3, id="two settings"),
            pytest.param("wgan-gp", ["generators=2", "ema=0.9"], "2", 1, id="team"),
            pytest.param("vanilla", ["optimiser=rmsprop", "pool=endless", "prior=uniform"], "3", 2, id="endless"),
            pytest.param("vanilla", ["latent=pool", "reuse_fake=true"], "3", 0, id="pool"),
        ],
        2,
    ),
)
def test_a_replay_is_equal_bit_for_bit(folder: Path, methods: str, words: list[str], seeds: str, run: int) -> None:
    terminal.study(folder, methods, *words, seeds=seeds)
    before = terminal.tree(folder)
    said: list[str] = []
    assert f"run {run}: " in (sentence := replay(folder, run, say=said.append))
    assert "equal bit for bit after 6 steps" in sentence
    assert terminal.tree(folder) == before
    members = int(seeds) * (2 if methods == "alpha" else 1)
    expected = f"training run {run} again, with the {members - 1} other members of its fleet (6 steps)"
    assert said == ([expected] if members > 1 else [])


def test_a_member_of_a_padded_fleet_is_replayed_with_its_pads(folder: Path) -> None:
    terminal.study(folder, "vanilla", seeds="5", width=3)
    assert "equal bit for bit" in replay(folder, 4)


@pytest.mark.parametrize("name", leading(["generator/optimiser", "generator/parameter", "discriminator/parameter"]))
def test_one_changed_bit_is_found_and_named(folder: Path, name: str) -> None:
    store = terminal.study(folder, "vanilla", seeds="2")
    place = store.checkpoint("0000")
    tensors, rest = checkpoint.read(place)
    full = next(key for key in tensors if key.startswith(name))
    bits = tensors[full][1].reshape(-1).view(torch.uint8)
    bits[0] ^= 1  # the last bit of one number of the second member
    checkpoint.write(place, tensors, rest)
    with pytest.raises(ReplayMismatch, match=rf"The replay differs from the record: {full} by up to"):
        replay(folder, 1)
    assert "equal bit for bit" in replay(folder, 0)


def test_another_version_is_said(folder: Path) -> None:
    store = terminal.study(folder, "vanilla")
    record = store.record()
    store.update(record.model_copy(update={"versions": record.versions | {"torch": "1.0"}}))
    said: list[str] = []
    replay(folder, 0, say=said.append)
    assert said == [f"note: torch was 1.0 then and is {torch.__version__} now"]


def test_a_diverged_member_is_replayed_to_where_it_stands(folder: Path) -> None:
    terminal.study(folder, "vanilla", "lr=1e30", "optimiser=sgd", seeds="2")
    assert "equal bit for bit" in replay(folder, 1)


def test_what_is_not_finished_cannot_be_replayed(folder: Path) -> None:
    store = terminal.study(folder, "vanilla")
    (store.fleet("0000") / "results.json").unlink()
    with pytest.raises(BadValue, match="Run 0 is not finished, so there is nothing to compare"):
        replay(folder, 0)


def test_a_run_that_does_not_exist_is_refused(finished: Store) -> None:
    with pytest.raises(BadValue, match="no run 99"):
        replay(finished.folder, 99)
