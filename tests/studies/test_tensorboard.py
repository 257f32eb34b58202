"""TensorBoard event files: every point of the history, once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import games
import terminal
from gantlet.errors import MissingExtra
from gantlet.networks.spectral import SpectralLinear
from gantlet.requests.options import Options
from gantlet.studies.build import blueprint
from gantlet.studies.cache import Cache
from gantlet.studies.executors.base import Callbacks
from gantlet.studies.launch import resume, start
from gantlet.studies.plan import plan_of
from gantlet.studies.planning import plan_study
from gantlet.studies.store import Store
from gantlet.studies.tensorboard import check_tensorboard, write_events
from gantlet.studies.tensorboard_graph import network_graph
from gantlet.training import checkpoint
from gantlet.training.blueprint import Blueprint, Execution
from gantlet.training.fleet import Fleet
from gantlet.training.history import Rows
from gantlet.training.sampling import scores

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of tensorboard's own


def events(folder: Path) -> list[tuple[int, int, str, float]]:
    """Every scalar of every run: run, step, name, value."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found: list[tuple[int, int, str, float]] = []
    for place in sorted((folder / "tensorboard").iterdir()):
        read = EventAccumulator(str(place), size_guidance={"scalars": 0})
        read.Reload()
        for name in read.Tags()["scalars"]:
            if not name.startswith("final/"):
                found += [(int(place.name), event.step, name, event.value) for event in read.Scalars(name)]
    return sorted(found)


def test_events_are_the_history_also_after_a_stop(folder: Path) -> None:
    asked = iter([False] * 5 + [True] * 100)
    start(
        terminal.planned(folder, "vanilla", seeds="3", width=2, tensorboard=True),
        Callbacks(stopping=lambda: next(asked)),
    )
    resume(folder)
    history = Store(folder).history()
    expected = sorted(history[["run", "step", "name", "value"]].itertuples(index=False, name=None))
    assert [entry[:3] for entry in events(folder)] == [entry[:3] for entry in expected]
    assert [entry[3] for entry in events(folder)] == pytest.approx([entry[3] for entry in expected], rel=1e-6)


class Killed(BaseException):
    """What ends a process without a word."""


@pytest.mark.parametrize("written", [False, True])
def test_a_kill_around_a_checkpoint_loses_no_event_and_doubles_none(
    folder: Path, written: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second checkpoint is the last thing that is written, or is not written any more."""
    write, calls = checkpoint.write, iter(range(100))

    def dying(*given: Any) -> None:
        last = next(calls) == 1
        if written or not last:
            write(*given)
        if last:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "write", dying)
        with pytest.raises(Killed):
            start(terminal.planned(folder, "vanilla", "evaluations=3", seeds="2", tensorboard=True))
    resume(folder)
    history = Store(folder).history()
    expected = sorted(history[["run", "step", "name"]].itertuples(index=False, name=None))
    assert [entry[:3] for entry in events(folder)] == expected


def test_histograms_hold_what_the_discriminator_says_at_evaluations(folder: Path) -> None:
    """As many as evaluations; their numbers, means and ends are those of the scores."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    start(terminal.planned(folder, "vanilla", tensorboard=True))
    read = EventAccumulator(str(folder / "tensorboard" / "0"), size_guidance={"histograms": 0})
    read.Reload()
    assert set(read.Tags()["histograms"]) == {"score_fake", "score_real"}
    plan = plan_of(Store(folder).record())
    sheet = blueprint(
        plan.slots(plan.fleets[0]), Cache().dataset(plan.settings[0]).specification, Execution(route="loop")
    )
    dataset = Cache().dataset(plan.settings[0])
    fleet = Fleet(sheet, dataset)
    checkpoint.restore(fleet, *checkpoint.read(Store(folder).checkpoint(plan.fleets[0].id)))
    said = scores(fleet, dataset.test[:1024], [0])[0].double()
    last = read.Histograms("score_real")[-1]
    assert last.step == fleet.step
    assert last.histogram_value.num == len(said)
    assert last.histogram_value.sum == pytest.approx(float(said.sum()), rel=1e-4)
    assert (last.histogram_value.min, last.histogram_value.max) == pytest.approx(
        (float(said.min()), float(said.max())), rel=1e-4
    )


@pytest.mark.slow
def test_settings_images_and_final_metrics_are_there_once_also_after_a_stop(folder: Path, recorded: None) -> None:
    from PIL import Image
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    asked = iter([False] * 4 + [True] * 100)
    start(
        terminal.planned(folder, "vanilla", seeds="2", tensorboard=True),
        Callbacks(stopping=lambda: next(asked)),
    )
    resume(folder)
    runs = Store(folder).history()["run"].unique()
    for run in runs:
        read = EventAccumulator(str(folder / "tensorboard" / str(run)), size_guidance={"images": 0, "tensors": 0})
        read.Reload()
        drawn = {path.stem: path for path in (folder / "samples" / str(run)).glob("0*.png")}
        images = read.Images("samples")
        assert [f"{image.step:09d}" for image in images] == sorted(drawn)
        with Image.open(drawn[f"{images[-1].step:09d}"]) as last:
            assert (images[-1].width, images[-1].height) == last.size
        (text,) = read.Tensors("settings/text_summary")
        assert "| lr_g | 0.0001 |" in text.tensor_proto.string_val[0].decode()
        nodes = {node.name: (node.op, list(node.input)) for node in read.Graph().node}
        assert nodes["generator/0"] == ("Linear", ["latents"])
        assert nodes["samples"] == ("Samples", ["generator/output", "data"])
        assert nodes["discriminator/0"] == ("Flatten", ["samples"])
        row = terminal.results(Store(folder))[run]
        (scalar,) = read.Scalars("final/modes")
        assert (scalar.value, scalar.step) == (row["modes"], row["generator_steps"])
        started = HParamsPluginData.FromString(read.SummaryMetadata("_hparams_/session_start_info").plugin_data.content)
        assert started.session_start_info.hparams["lr_g"].number_value == pytest.approx(0.0001)


class Choosing(nn.Module):
    """Decides by a value, which symbols do not have."""

    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


def nodes_of(sheet: Blueprint) -> dict[str, Any]:
    from tensorboard.compat.proto.graph_pb2 import GraphDef

    return {node.name: node for node in GraphDef.FromString(network_graph(sheet)).node}


def test_the_graph_leads_from_the_latents_to_the_scores_through_every_layer() -> None:
    sheet = games.sheet((1,), k=1, steps=1)
    graph = nodes_of(sheet)
    for player, given in (("generator", "latents"), ("discriminator", "samples")):
        parts = getattr(sheet, player).build().named_modules()
        layers = [
            f"{player}/{name}" for name, part in parts if type(part).__module__.startswith("torch.nn.modules.") and name
        ]
        place, seen = f"{player}/output", list[str]()
        while place != given:
            seen.insert(0, place)
            (place,) = graph[place].input
        assert [name for name in seen if name in layers] == layers
    (first,) = [node for node in graph.values() if list(node.input) == ["latents"]]
    assert b"in_features=" in first.attr["settings"].s
    own = nodes_of(replace(sheet, discriminator=replace(sheet.discriminator, build=Choosing)))
    assert (own["discriminator"].op, list(own["discriminator"].input)) == ("Choosing", ["samples"])
    assert torch.equal(random_state_after(network_graph, sheet), random_state_after(id, sheet))


class Drawing(nn.Module):
    """Draws a number of its own, with one layer used twice, which describes itself badly."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = Mute(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.layer(x + torch.randn(1)))


class Mute(nn.Linear):
    __module__ = "torch.nn.of_ones_own"  # not looked into, as torch's own layers

    def extra_repr(self) -> str:
        raise RuntimeError("no words")


class Again(nn.Module):
    """Uses one layer three times, in a sequence whose names are like those of numbered ones."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.a_1 = nn.Linear(2, 2), nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.a_1(self.a(self.a(self.a_1(self.a(x)))))


def test_a_graph_never_stops_a_training_or_changes_what_it_draws() -> None:
    sheet = games.sheet((1,), k=1, steps=1)
    strange = replace(sheet, discriminator=replace(sheet.discriminator, build=Drawing))
    assert torch.equal(random_state_after(network_graph, strange), random_state_after(id, strange))
    assert nodes_of(strange)["discriminator"].op == "Drawing"


def test_each_use_of_a_layer_is_a_node_of_its_own() -> None:
    sheet = games.sheet((1,), k=1, steps=1)
    graph = nodes_of(replace(sheet, discriminator=replace(sheet.discriminator, build=Again)))
    place, seen = "discriminator/output", list[str]()
    while place != "samples":
        (place,) = graph[place].input
        seen.insert(0, place.removeprefix("discriminator/"))
    assert seen == ["samples", "a", "a_1", "a_2", "a_3", "a_1_1"]


def test_layers_that_decide_by_values_are_nodes_among_the_others() -> None:
    sheet = games.sheet((1,), k=1, steps=1)
    build = partial(nn.Sequential, SpectralLinear(2, 3), Choosing(), nn.Linear(3, 1))
    graph = nodes_of(replace(sheet, discriminator=replace(sheet.discriminator, build=build)))
    operations = [graph[f"discriminator/{place}"].op for place in range(3)]
    assert operations == ["SpectralLinear", "Choosing", "Linear"]


def random_state_after(work: Callable[[Any], object], given: Any) -> Tensor:
    torch.manual_seed(3)
    work(given)
    return torch.get_rng_state()


def test_events_stand_behind_those_of_the_same_second_whatever_process_wrote_them(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def write(step: int) -> None:
        write_events(tmp_path, step - 1, Rows([0], [step], ["modes"], [float(step)]), {0: 0})

    write(1)
    (first,) = (tmp_path / "0").iterdir()
    second, writing = first.name.removeprefix("events.out.tfevents.").split(".", 1)
    late = first.with_name(
        f"events.out.tfevents.{int(second) + 30:010d}.{writing}~"
    )  # a name behind all of this second
    first.rename(late)
    for step in range(2, 14):
        write(step)
    assert sorted(path.name for path in (tmp_path / "0").iterdir())[0] == late.name
    read = EventAccumulator(str(tmp_path / "0"))
    read.Reload()
    assert [(event.step, event.value) for event in read.Scalars("modes")] == [(n, float(n)) for n in range(1, 14)]


def test_without_being_asked_there_are_none(finished: Store) -> None:
    assert not (finished.folder / "tensorboard").exists()


def test_a_missing_package_is_named_before_anything_is_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gantlet.studies.tensorboard.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'gantlet\[tensorboard\]'"):
        check_tensorboard()
    planned = terminal.planned(folder, "vanilla")
    with pytest.raises(MissingExtra):
        plan_study(planned.request, Options(out=folder, tensorboard=True))
    assert not folder.exists()
