"""Loading a member: the module that comes back makes the samples that the checkpoint holds."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import gantlet
import terminal
from gantlet.api.loading import load
from gantlet.errors import BadValue, StoreError
from gantlet.studies.build import blueprint
from gantlet.studies.cache import Cache
from gantlet.studies.executors.fake import FakeExecutor
from gantlet.studies.launch import start
from gantlet.studies.members import find_member
from gantlet.studies.store import Store
from gantlet.training import checkpoint
from gantlet.training.blueprint import Execution
from gantlet.training.fleet import Fleet
from gantlet.training.sampling import draw_latents, sample, scores
from gantlet.training.trained import Team, latents


def restored(store: Store, run: int) -> tuple[Fleet, int]:
    """The fleet of a run as its checkpoint holds it, and the run's slot."""
    found = find_member(store, run)
    dataset = Cache().dataset(found.resolved)
    fleet = Fleet(blueprint(found.slots, dataset.specification, Execution(route=found.fleet.route)), dataset)
    checkpoint.restore(fleet, *checkpoint.read(store.checkpoint(found.fleet.id)))
    return fleet, found.slot


@pytest.mark.parametrize(
    ("words", "seeds"),
    [
        pytest.param([], "3", id="plain"),
        pytest.param(["ema=0.5"], "2", id="average"),
        pytest.param(["generators=3"], "2", id="team"),
        pytest.param(["generators=2", "ema=0.5", "dtype=float64"], "2", id="averaged team in float64"),
        pytest.param(["network=branch-mixture", "g_hidden=4", "d_hidden=8"], "2", id="batch norm"),
    ],
)
def test_a_loaded_generator_makes_the_samples_of_its_checkpoint(folder: Path, words: list[str], seeds: str) -> None:
    other = any(word.startswith("network=") for word in words)
    store = bare(folder, words, seeds) if other else terminal.study(folder, "vanilla", *words, seeds=seeds)
    for run in range(int(seeds)):
        fleet, slot = restored(store, run)
        draw = draw_latents(fleet, 40)
        expected = sample(fleet, draw, [slot])[0]
        net = gantlet.load(folder, run=run)
        assert not net.training
        z = draw.latents.to(fleet.blueprint.execution.dtype)
        with torch.no_grad():
            made = net(z, draw.owners) if isinstance(net, Team) else net(z)
        assert made.dtype == expected.dtype
        torch.testing.assert_close(made, expected, rtol=1e-6, atol=1e-7)


def bare(folder: Path, words: list[str], seeds: str) -> Store:
    """A tiny study whose networks have other keys than those of TINY."""

    kept = [word for word in terminal.TINY if not word.startswith(("g_", "d_"))]
    request = terminal.request("ring8", "vanilla", *kept, *words, seeds=seeds)
    return terminal.trained(request, folder)


def test_a_loaded_discriminator_scores_as_its_checkpoint(folder: Path) -> None:
    store = terminal.study(folder, "alpha", seeds="2")
    fleet, slot = restored(store, 1)
    x = torch.randn(30, 2, generator=torch.Generator().manual_seed(1))
    judged = load(folder, run=1, player="discriminator")(x).detach()
    torch.testing.assert_close(judged, scores(fleet, x, [slot])[0], rtol=1e-6, atol=1e-7)


def test_members_differ(finished: Store) -> None:
    z = torch.ones(1, 2)
    made = {tuple(load(finished.folder, run=run)(z).flatten().tolist()) for run in range(8)}
    assert len(made) == 8


def test_a_team_sends_each_latent_to_its_generator() -> None:
    torch.manual_seed(1)
    team = Team([torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)])
    z, owners = torch.randn(6, 2), torch.tensor([0, 1, 1, 0, 1, 0])
    expected = torch.stack([team.generators[owner](row) for owner, row in zip(owners.tolist(), z, strict=True)])
    torch.testing.assert_close(team(z, owners), expected)
    picked = team(z[:1].expand(400, -1))
    shares = [torch.isclose(picked, team.generators[k](z[0])).all(1).float().mean().item() for k in (0, 1)]
    assert sum(shares) == pytest.approx(1)
    assert shares[0] == pytest.approx(0.5, abs=0.1)


def test_latents_follow_the_prior_and_the_seed(finished: Store) -> None:
    found = find_member(finished, 0)
    sheet = blueprint([(found.resolved, 1)], found.record.sample, Execution())
    z, owners = latents(sheet, 4000, seed=3)
    assert torch.equal(z, latents(sheet, 4000, seed=3)[0])
    assert not torch.equal(z, latents(sheet, 4000, seed=4)[0])
    assert float(z.mean()) == pytest.approx(0, abs=0.05)
    assert float(z.std()) == pytest.approx(1, abs=0.05)
    assert set(owners.tolist()) == {0}


def test_loading_leaves_the_global_random_state_alone(finished: Store) -> None:
    torch.manual_seed(5)
    expected = torch.get_rng_state()
    load(finished.folder, run=0)
    assert torch.equal(torch.get_rng_state(), expected)


@pytest.mark.parametrize("run", [-1, 8, 100])
def test_a_run_that_does_not_exist_is_refused(finished: Store, run: int) -> None:
    with pytest.raises(BadValue, match=rf"no run {run} in .*: the runs are 0 to 7"):
        load(finished.folder, run=run)


def test_other_players_are_refused(finished: Store) -> None:
    with pytest.raises(BadValue, match="player=critic is not generator or discriminator"):
        load(finished.folder, run=0, player="critic")


def test_what_was_not_trained_yet_cannot_be_loaded(folder: Path) -> None:
    start(terminal.planned(folder, "vanilla"), executor=FakeExecutor())
    with pytest.raises(StoreError, match=r"Run 0 has no checkpoint yet. Train it with: gantlet resume"):
        load(folder, run=0)


def test_a_folder_that_is_no_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is not a study folder"):
        load(tmp_path)
