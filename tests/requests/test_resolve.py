"""Who decides a value, which grid points exist, and what is refused."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest

from gantlet import catalogue
from gantlet.errors import BadGrid, BadValue, GantletError, Refused, UnknownName
from gantlet.methods.vanilla import VANILLA
from gantlet.penalties.r1 import R1
from gantlet.requests.parts import keys_of
from gantlet.requests.resolve import expand
from gantlet.studies.cache import Cache
from gantlet.tasks.gaussians import RING8
from terminal import request, resolve

LEVELS = ("default", "method", "task", "task × method", "preset first", "preset second", "user")
OWN_TASK, OWN_METHOD = f"{__name__}:TASK", f"{__name__}:METHOD"
TASK, METHOD = RING8, VANILLA
"""What these two paths name; tests put their own here."""


def ladder(monkeypatch: pytest.MonkeyPatch, key: str, level: int, values: tuple[Any, ...]) -> tuple[Any, str]:
    """The value and source of a key that every level up to ``level`` sets, each to its own value."""
    said: list[dict[str, Any]] = [{key: value} if place <= level else {} for place, value in enumerate(values)]
    task = replace(RING8, defaults=said[2], rows={OWN_METHOD: said[3]}, presets={"first": said[4], "second": said[5]})
    monkeypatch.setattr(sys.modules[__name__], "TASK", task)
    monkeypatch.setattr(sys.modules[__name__], "METHOD", replace(VANILLA, defaults=said[1]))
    words = [f"{key}={values[6]}"] if level == 6 else []
    (found,) = resolve(OWN_TASK, OWN_METHOD, *words, preset="first,second")
    return found.values[key], found.sources[key]


@pytest.mark.parametrize("level", range(len(LEVELS)), ids=LEVELS)
@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("beta1", (0.5, 0.1, 0.2, 0.3, 0.4, 0.6, 0.7)),  # the training's
        ("g_width", (400, 1, 2, 3, 4, 5, 6)),  # the network's
        ("train_size", (50000, 11, 12, 13, 14, 15, 16)),  # the data set's
    ],
)
def test_the_highest_level_decides(
    monkeypatch: pytest.MonkeyPatch, key: str, values: tuple[Any, ...], level: int
) -> None:
    assert ladder(monkeypatch, key, level, values) == (values[level], LEVELS[level])


def test_a_methods_options_are_defaults_of_its_objective(monkeypatch: pytest.MonkeyPatch) -> None:
    method = replace(VANILLA, objective="alpha", fixed={}, options={"alpha_g": 3.0})
    monkeypatch.setattr(sys.modules[__name__], "METHOD", method)
    (found,) = resolve("ring8", OWN_METHOD, "alpha_d=2")
    assert (found.values["alpha_g"], found.sources["alpha_g"]) == (3.0, "method")
    assert (found.values["alpha_d"], found.sources["alpha_d"]) == (2.0, "user")


def test_defaults_for_a_part_that_a_method_lacks_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    task = replace(RING8, defaults={"penalty_weight": 3.0, "clip": 1.0})
    monkeypatch.setattr(sys.modules[__name__], "TASK", task)
    plain, penalised = resolve(OWN_TASK, "vanilla,wgan-gp")
    assert "penalty_weight" not in plain.values
    assert penalised.values["penalty_weight"] == 3.0
    assert "clip" not in penalised.values


def test_every_value_has_a_source_and_its_declared_type() -> None:
    for found in resolve("ring8", "vanilla,wgan,wgan-gp,alpha", "lr=1e-3", preset=""):
        assert found.values.keys() == found.sources.keys()
        declared = keys_of("ring8", found.method.name)
        assert {name: type(value) for name, value in found.values.items()} == {
            name: declared[name].setting.kind for name in found.values
        }


def test_the_chosen_network_is_named() -> None:
    (found,) = resolve("ring8", "vanilla")
    assert (found.parts.network, found.values["network"], found.sources["network"]) == ("mlp", "mlp", "task")
    (found,) = resolve("mixture8", "vanilla", "network=mlp")
    assert (found.training.network, found.sources["network"]) == ("mlp", "user")


def test_epochs_of_the_user_win_over_steps_of_the_task() -> None:
    (found,) = resolve("points:any.npy", "vanilla", "epochs=3")
    assert (found.values["steps"], found.sources["steps"]) == (0, "epochs")
    (found,) = resolve("points:any.npy", "vanilla")
    assert (found.values["steps"], found.sources["steps"]) == (10000, "task")


def test_epochs_of_a_preset_win_over_steps_of_the_task_but_not_over_those_of_the_user() -> None:
    (found,) = resolve("cifar10", "vanilla", preset="stackelberg")
    assert (found.values["epochs"], found.values["steps"], found.sources["steps"]) == (500.0, 0, "epochs")
    (found,) = resolve("cifar10", "vanilla", "steps=7", preset="stackelberg")
    assert (found.values["steps"], found.sources["steps"]) == (7, "user")


# The grid


def test_settings_come_method_by_method_with_the_last_axis_fastest() -> None:
    found = resolve("ring8", "alpha,vanilla", "lr_g=0.1,0.2", "lr_d=0.3,0.4")
    points = [(setting.method.name, setting.values["lr_g"], setting.values["lr_d"]) for setting in found]
    each = [(0.1, 0.3), (0.1, 0.4), (0.2, 0.3), (0.2, 0.4)]
    assert points == [(method, *pair) for method in ("alpha", "vanilla") for pair in each]
    assert found[1].label == "alpha lr_g=0.1 lr_d=0.4"


def test_a_label_names_what_varies_only() -> None:
    assert [found.label for found in resolve("ring8", "alpha", "lr=1e-3", "alpha_d=0.3,1.0")] == [
        "alpha alpha_d=0.3",
        "alpha alpha_d=1.0",
    ]


@pytest.mark.parametrize(("word", "keys"), [("lr=0.003", ("lr_g", "lr_d")), ("alpha=0.7", ("alpha_d", "alpha_g"))])
def test_a_short_key_sets_both_players(word: str, keys: tuple[str, str]) -> None:
    (found,) = resolve("ring8", "alpha", word)
    value = float(word.partition("=")[2])
    assert [(found.values[key], found.sources[key]) for key in keys] == [(value, "user")] * 2


def test_what_is_recorded_of_penalties_is_what_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    (bare,) = resolve("ring8", "wgan-gp", "penalties+constraint=none")
    assert (bare.values["penalties"], bare.penalties, bare.constraint) == ("none", (), None)
    (tied,) = resolve("ring8", "wgan-gp", "constraint+penalties=none", "lr_g=0.1")
    assert (tied.values["penalties"], tied.penalties) == ("none", ())
    monkeypatch.setattr(sys.modules[__name__], "METHOD", replace(VANILLA, defaults={"penalties": "r1"}))
    (own,) = resolve("ring8", OWN_METHOD)
    assert (own.values["penalties"], own.sources["penalties"]) == ("r1", "method")
    assert [type(penalty) for penalty in own.penalties] == [R1]
    (other,) = resolve("ring8", OWN_METHOD, "penalties=none")
    assert (other.values["penalties"], other.penalties) == ("none", ())


def test_tied_keys_move_together() -> None:
    found = resolve("ring8", "alpha", "alpha_d+alpha_g=0.5,2", "beta1=0.1")
    assert [(f.values["alpha_d"], f.values["alpha_g"]) for f in found] == [(0.5, 0.5), (2.0, 2.0)]
    assert [f.label for f in found] == ["alpha alpha_d+alpha_g=0.5", "alpha alpha_d+alpha_g=2"]


def test_a_key_of_some_methods_multiplies_only_those() -> None:
    found = resolve("ring8", "vanilla,alpha,wgan-gp", "alpha_d=0.3,1", "penalty_weight=1,10", "lr=1e-3")
    assert [f.label for f in found] == [
        "vanilla",
        "alpha alpha_d=0.3",
        "alpha alpha_d=1",
        "wgan-gp penalty_weight=1",
        "wgan-gp penalty_weight=10",
    ]


def test_a_key_of_some_networks_multiplies_only_those() -> None:
    found = resolve("mixture8", "vanilla", "network=stackelberg-mixture,mlp", "g_width=8,16")
    assert [f.label for f in found] == [
        "vanilla network=stackelberg-mixture",
        "vanilla network=mlp g_width=8",
        "vanilla network=mlp g_width=16",
    ]
    assert "g_width" not in found[0].values
    assert found[2].values["g_width"] == 16


def test_infinity_is_a_value_where_it_means_something() -> None:
    (found,) = resolve("ring8", "alpha", "alpha_d=inf")
    assert found.values["alpha_d"] == float("inf")


@pytest.mark.parametrize(
    ("task", "methods", "words", "kind", "reason"),
    [
        ("rign8", "vanilla", [], UnknownName, "no task called 'rign8'. Did you mean 'ring8'"),
        ("ring8", "vanila", [], UnknownName, "no method called 'vanila'. Did you mean 'vanilla'"),
        ("ring8", "vanilla", ["lr_x=1"], UnknownName, "no key called 'lr_x'. Did you mean"),
        ("ring8", "vanilla", ["saturating=true"], UnknownName, "no key called 'saturating'"),  # the method fixes it
        ("ring8", "wgan-gp", ["weight=3"], UnknownName, "no key called 'weight'. Did you mean 'penalty_weight'?"),
        ("ring8", "vanilla", ["width=3"], BadGrid, "'width' is ambiguous: it could be d_width or g_width."),
        ("ring8", "vanilla", ["alpha=2"], BadGrid, "'alpha' belongs to none of the named methods"),
        ("ring8", "vanilla,alpha", ["beta1+alpha_d=0.1"], BadGrid, "combines keys of which this method has only some"),
        ("ring8", "vanilla,vanilla", [], BadGrid, "A method is named twice in vanilla,vanilla."),
        ("ring8", "vanilla", ["lr=0.001,1e-3"], BadGrid, "has the same setting twice"),
        ("ring8", "vanilla", ["lr=1", "lr_g=2"], BadGrid, "sets lr_g twice"),
        ("ring8", "vanilla", ["steps=5", "epochs=3"], BadGrid, "steps=5 and epochs=3"),
        ("ring8", "vanilla", ["lr_g=0"], BadValue, "lr_g=0 is out of range: expected 0 < lr_g"),
        ("ring8", "vanilla", ["lr_g=fast"], BadValue, "lr_g=fast is not a number"),
        ("ring8", "vanilla", ["batch_size=2.5"], BadValue, "not a whole number"),
        ("ring8", "vanilla", ["optimiser=lion"], BadValue, "is not one of adam, rmsprop, sgd"),
        ("ring8:file.npy", "vanilla", [], BadValue, "brings its own data"),
        ("gantlet.errors:BadData", "vanilla", [], BadValue, "is not a gantlet Task but a type"),
        ("ring8", "gantlet.data.base:Dataset", [], BadValue, "neither a gantlet Method nor an objective"),
        ("ring8", "vanilla", ["network=mpl"], UnknownName, "no network called 'mpl'. Did you mean 'mlp'"),
        ("digits", "wgan-gp", ["network=dcgan28"], Refused, "a per-sample gradient has no meaning"),
    ],
)
def test_a_wrong_request_is_refused(
    task: str, methods: str, words: list[str], kind: type[GantletError], reason: str
) -> None:
    with pytest.raises(kind) as caught:
        resolve(task, methods, *words)
    assert reason in str(caught.value)


def test_a_preset_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UnknownName, match=r"preset of 'ring8' with 'alpha' called 'sede'. Did you mean 'seed'"):
        resolve("ring8", "alpha", preset="sede")


def test_a_preset_of_a_method_and_of_a_task_are_applied() -> None:
    (found,) = resolve("ring8", "alpha", preset="seed")
    assert (found.values["latent"], found.sources["latent"]) == ("pool", "preset seed")


def test_no_method_is_an_empty_grid() -> None:
    with pytest.raises(BadGrid, match="No method was named"):
        expand(replace(request("ring8", "vanilla"), methods=()))


def test_a_file_behind_a_colon_is_the_data_path() -> None:
    (found,) = resolve("points:a/b:c.npy", "vanilla")
    assert (found.task.name, found.sources["data_path"]) == ("points", "user")
    assert found.values["data_path"] == str(Path.cwd() / "a" / "b:c.npy")  # from wherever it is resumed


def test_an_objective_of_ones_own_is_a_method_with_the_tasks_budget(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "from gantlet.objectives.vanilla import Vanilla\nclass Own(Vanilla):\n    '''Mine.'''\n"
    )
    (found,) = resolve("ring8", f"{tmp_path}/own.py:Own")
    assert found.method.name == f"{tmp_path}/own.py:Own"
    assert (found.values["batch_size"], found.sources["batch_size"]) == (128, "task")
    assert Cache().dataset(replace(found, source=replace(found.source, train_size=200))).shape == (2,)


def test_methods_of_ones_own_with_one_name_have_labels_of_their_own(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.py").write_text(
            "from gantlet.objectives.vanilla import Vanilla\nclass Own(Vanilla):\n    pass\n"
        )
    one, other = (f"{tmp_path}/{name}.py:Own" for name in "ab")
    assert [found.label for found in resolve("ring8", f"{one},{other},vanilla")] == [one, other, "vanilla"]
    assert [found.label for found in resolve("ring8", f"{one},vanilla", "lr=1,2")] == [
        *("Own lr=1", "Own lr=2", "vanilla lr=1", "vanilla lr=2")
    ]


def test_keys_cover_every_network_that_a_method_can_play() -> None:
    assert {"g_width", "g_hidden", "data_seed", "alpha_d"} <= keys_of("mixture8", "alpha").keys()
    plain = keys_of("digits", "wgan-gp")
    assert plain["penalty_weight"].part == "penalty/gradient"
    assert {"width", "d_width"} <= plain.keys()


SURVEY = """
from dataclasses import dataclass, replace
from gantlet.catalogue import find
from gantlet.data.points import Points
from gantlet.settings import setting

@dataclass(frozen=True)
class Survey(Points):
    year: int = setting(2026, "which year")
    where: str = setting("", "the folder of the survey", path=True)
    data_path: str = ""

SURVEY = replace(find("task", "points"), source=Survey())
"""


def test_a_path_of_ones_own_data_is_what_stands_behind_the_colon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_survey.py").write_text(SURVEY)
    theirs = EntryPoint(name="survey", value="own_survey:SURVEY", group="gantlet.tasks")
    monkeypatch.setattr(catalogue, "entry_points", lambda: EntryPoints([theirs]))
    catalogue._tables.cache_clear()  # pyright: ignore[reportPrivateUsage]
    try:
        (found,) = resolve("survey:a/b", "vanilla")
        (named,) = resolve("survey", "vanilla", "where=c")
    finally:
        catalogue._tables.cache_clear()  # pyright: ignore[reportPrivateUsage]
    assert (found.values["where"], named.values["where"]) == (str(tmp_path / "a" / "b"), str(tmp_path / "c"))
