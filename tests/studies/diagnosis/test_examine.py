"""A whole study is looked at: its trained networks without its data, and its data only where it is trusted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import gantlet
from gantlet.api.loading import load
from gantlet.cli.app import app
from gantlet.errors import Damaged, StoreError
from gantlet.objectives.alpha import Alpha
from gantlet.objectives.coulomb import Coulomb
from gantlet.objectives.hinge import Hinge
from gantlet.objectives.least_squares import LeastSquares
from gantlet.objectives.relativistic import Relativistic
from gantlet.objectives.wasserstein import Wasserstein
from gantlet.studies.checkpoints import read_trained
from gantlet.studies.diagnosis.examine import examine_study, undecided_loss
from gantlet.studies.diagnosis.samples import draw_generators
from gantlet.studies.members import find_member
from gantlet.studies.store import Store
from gantlet.training.batch_loader import fixed_latents

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "studies"
TINY = {"g_width": 8, "g_depth": 1, "d_width": 8, "d_depth": 1, "samples": 200}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> gantlet.Study:
    """Three dozen points that two members of a team were shown a hundred times, by steps that are far too large for one."""
    root = tmp_path_factory.mktemp("doctor")
    np.save(root / "few.npy", np.random.default_rng(1).normal(size=(36, 2)).astype(np.float32))
    return gantlet.run(
        f"points:{root / 'few.npy'}",
        "vanilla",
        seeds=2,
        out=root / "a study",
        options={"executor": "inline", "recorded": 1},
        generators=2,
        batch_size=18,
        steps=120,
        evaluations=2,
        test_share=0.5,
        **TINY,
    )


@pytest.mark.slow
def test_a_starved_study_is_found_to_be_so_by_every_door(study: gantlet.Study) -> None:
    found = gantlet.doctor(study.folder)
    assert found.members == 2
    starved = [finding for finding in found.findings if finding.symptom == "starved-input"]
    assert [finding.run for finding in starved] == [0, 1]
    assert starved[0].numbers == {"pool": 18.0, "passes": 120.0}
    assert found == study.doctor()
    table = found.as_table()
    assert list(table["symptom"]) == [finding.symptom for finding in found.findings]
    told = CliRunner().invoke(app, ["doctor", str(study.folder)])
    assert told.exit_code == 1
    assert "starved-input: vanilla, runs 0, 1" in told.stdout
    assert f"gantlet extend '{study.folder}' vanilla" in told.stdout
    written = CliRunner().invoke(app, ["doctor", str(study.folder), "--json"])
    assert written.exit_code == 1
    assert [each["symptom"] for each in json.loads(written.stdout)["findings"]] == list(table["symptom"])


def test_samples_are_those_of_the_trained_networks(study: gantlet.Study) -> None:
    store = Store(study.folder)
    member = find_member(store, 1)
    tensors, _ = read_trained(store, member.fleet, member.record)
    samples = draw_generators(member, tensors, 50)
    latents = fixed_latents(50, int(member.resolved.training.latent_dim), "normal", name="latent/diagnosis")
    parts = load(study.folder, run=1).generators
    with torch.no_grad():
        expected = torch.stack([part(latents) for part in parts])
    torch.testing.assert_close(samples.made, expected)
    assert samples.weights.tolist() == [0.5, 0.5]


def test_a_checkpoint_that_lacks_a_tensor_is_damaged(study: gantlet.Study) -> None:
    store = Store(study.folder)
    member = find_member(store, 1)
    tensors, _ = read_trained(store, member.fleet, member.record)
    lost = next(name for name in tensors if name.startswith("generator/parameter/"))
    whole = {name: value for name, value in tensors.items() if name.split("/", 2)[-1] != lost.split("/", 2)[-1]}
    with pytest.raises(Damaged, match=lost.rpartition("/")[2]):
        draw_generators(member, whole, 5)


def test_many_samples_are_drawn_part_by_part(study: gantlet.Study) -> None:
    store = Store(study.folder)
    member = find_member(store, 0)
    tensors, _ = read_trained(store, member.fleet, member.record)
    samples = draw_generators(member, tensors, 250)
    latents = fixed_latents(250, int(member.resolved.training.latent_dim), "normal", name="latent/diagnosis")
    with torch.no_grad():
        expected = torch.stack([part(latents) for part in load(study.folder, run=0).generators])
    torch.testing.assert_close(samples.made, expected)


def test_a_page_that_is_drawn_again_and_again_draws_no_images(tmp_path: Path) -> None:
    shutil.copytree(FIXTURES / "v1" / "images", tmp_path / "images")
    shutil.copytree(FIXTURES / "v1" / "finished", tmp_path / "points")
    assert [finding.numbers.keys() for finding in examine_study(tmp_path / "images").findings] == [{"deviation"}]
    none = examine_study(tmp_path / "images", most_drawn=0)
    assert none.findings == ()
    assert none.notes == ("Images are drawn of 0 members here; gantlet doctor draws those of all.",)
    assert examine_study(tmp_path / "images", most_drawn=1).notes == ()
    assert examine_study(tmp_path / "points", most_drawn=0) == examine_study(tmp_path / "points")  # points are cheap


def test_of_a_large_study_the_page_looks_at_the_first_members(study: gantlet.Study) -> None:
    whole, part = examine_study(study.folder), examine_study(study.folder, most_members=1)
    assert {finding.run for finding in whole.findings} == {0, 1}
    assert part.findings == tuple(finding for finding in whole.findings if finding.run == 0)
    assert part.notes[0] == "1 of 2 members are looked at here; gantlet doctor looks at all."


def test_the_training_data_are_read_only_where_trusted(study: gantlet.Study, tmp_path: Path) -> None:
    data = study.folder.parent / "few.npy"
    away = data.rename(data.with_suffix(".away"))
    try:
        plain = examine_study(study.folder)
        assert not plain.notes
        asked = examine_study(study.folder, trust=True)
        assert any("Copies of training data are not looked for" in note for note in asked.notes)
    finally:
        away.rename(data)
    assert not examine_study(study.folder, trust=True).notes


def test_a_study_without_checkpoints_is_looked_at_by_what_there_is(study: gantlet.Study, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(study.folder, copy)
    for folder in copy.glob("fleets/*/checkpoint*"):
        shutil.rmtree(folder)
    found = examine_study(copy)
    assert any("are not looked at" in note for note in found.notes)
    assert {finding.symptom for finding in found.findings} >= {"starved-input"}


def test_what_is_no_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is not a study folder"):
        examine_study(tmp_path)


def test_the_loss_of_an_undecided_discriminator() -> None:
    assert undecided_loss(LeastSquares()) == pytest.approx(0.25)
    assert undecided_loss(Hinge()) == pytest.approx(2)
    assert undecided_loss(Relativistic()) == pytest.approx(np.log(2))
    assert undecided_loss(Alpha(alpha_d=1.0)) == pytest.approx(2 * np.log(2))
    assert np.isnan(undecided_loss(Wasserstein()))
    assert np.isnan(undecided_loss(Coulomb()))
