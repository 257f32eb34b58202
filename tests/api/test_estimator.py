"""``gantlet.GAN``: fit, sample, save, load."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_matrix

import gantlet
import terminal
from gantlet.data.base import Dataset
from gantlet.errors import BadData, BadValue, FolderInUse, GantletError, StoreError, UnknownName
from gantlet.objectives.vanilla import Vanilla
from gantlet.studies.build import blueprint
from gantlet.studies.plan import route_alone
from gantlet.studies.store import Store
from gantlet.training import checkpoint
from gantlet.training.blueprint import Execution
from gantlet.training.fleet import Fleet

TINY: dict[str, Any] = {"g_width": 8, "d_width": 8, "g_depth": 1, "d_depth": 1, "steps": 5, "batch_size": 32}
POINTS = np.random.default_rng(1).normal(size=(128, 2))


def fitted(method: Any = "vanilla", *, seed: int = 1, **settings: Any) -> gantlet.GAN:
    return gantlet.GAN(method, seed=seed, **{**TINY, **settings}).fit(POINTS)


def test_fit_trains_what_a_fleet_of_the_same_blueprint_trains() -> None:
    gan = fitted(seed=3, lr=0.01)
    (resolved,) = terminal.resolve("points:x", "vanilla", "lr=0.01", *(f"{name}={TINY[name]}" for name in TINY))
    dataset = Dataset(torch.tensor(POINTS, dtype=torch.float32), torch.zeros(1, 2))
    fleet = Fleet(blueprint([(resolved, 3)], dataset.specification, Execution(route="loop")), dataset)
    for _ in range(5):
        fleet.advance()
    for name, parameter in fleet.generators.parameters.items():
        assert torch.equal(gan._tensors[f"generator/parameter/{name}"], parameter.detach()), name  # pyright: ignore[reportPrivateUsage]


def test_every_evaluation_is_told_and_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[tuple[int, Any]] = []
    gan = gantlet.GAN("vanilla", **TINY, evaluations=2)
    gan.fit(POINTS, progress=True, on_evaluation=lambda gan: seen.append((gan.step, gan.sample(4))))
    assert [step for step, _ in seen] == [3, 5]
    assert np.array_equal(seen[1][1], fitted(evaluations=2).sample(4))
    assert not np.array_equal(seen[0][1], seen[1][1])
    assert capsys.readouterr().out.splitlines() == ["step 3 of 5, 0 s left", "step 5 of 5, 0 s left"]
    teams: list[int] = []
    team = gantlet.StackelbergGAN(2, **TINY).fit(POINTS, on_evaluation=lambda team: teams.append(len(team.predict(3))))
    assert (teams, team.gan.step) == ([2] * 5, 5)


def test_fit_says_nothing_to_the_host_where_a_study_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU steps are recorded; here their static form trains a team to the same bits, whatever is told on the way."""
    settings: dict[str, Any] = {**TINY, "generators": 2, "steps": 60, "evaluations": 4}
    routes: list[str] = []
    advance = Fleet.advance

    def advanced(fleet: Fleet) -> None:
        routes.append(fleet.blueprint.execution.route)
        advance(fleet)

    monkeypatch.setattr(Fleet, "advance", advanced)
    stacked = gantlet.GAN("vanilla", **settings).fit(POINTS)
    monkeypatch.setattr("gantlet.api.estimator.route_alone", lambda sheet, sample: "static")
    static = gantlet.GAN("vanilla", **settings).fit(POINTS, on_evaluation=lambda gan: gan.sample(2))
    assert set(routes[:60]) == {"stacked"}
    assert set(routes[60:]) == {"static"}
    assert static.step == 60
    for name, tensor in stacked._tensors.items():  # pyright: ignore[reportPrivateUsage]
        assert torch.equal(static._tensors[name], tensor), name  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize(
    ("device", "generators", "route"),
    [
        ("cuda", 1, "captured"),
        ("cuda", 2, "captured"),
        ("cpu", 1, "loop"),
        ("cpu", 2, "captured"),
        ("mps", 2, "stacked"),
    ],
)
def test_the_route_of_fit_is_that_of_a_study(device: str, generators: int, route: str) -> None:
    (resolved,) = terminal.resolve("points:x", "vanilla", f"generators={generators}", "g_width=8", "d_width=8")
    sample = Dataset(torch.zeros(64, 2), torch.zeros(1, 2)).specification
    sheet = blueprint([(resolved, 1)], sample, Execution())
    assert route_alone(replace(sheet, execution=Execution(device=torch.device(device))), sample) == route


def test_an_error_of_the_callable_keeps_what_was_trained() -> None:
    gan = gantlet.GAN("vanilla", **TINY, evaluations=2)
    with pytest.raises(ZeroDivisionError):
        gan.fit(POINTS, on_evaluation=lambda gan: 1 // 0)
    assert (gan.step, gan.sample(2).shape) == (3, (2, 2))
    assert gantlet.GAN().step == 0


def test_equal_seeds_make_equal_samples_and_others_do_not() -> None:
    one, again, other = fitted(seed=1), fitted(seed=1), fitted(seed=2)
    assert np.array_equal(one.sample(10, seed=4), again.sample(10, seed=4))
    assert not np.array_equal(one.sample(10, seed=4), one.sample(10, seed=5))
    assert not np.array_equal(one.sample(10), other.sample(10))
    assert (one.sample(10).shape, one.sample(10).dtype) == ((10, 2), np.float32)
    assert not one.diverged


@pytest.mark.parametrize("settings", [{}, {"generators": 3}, {"ema": 0.5}, {"dtype": "float64"}], ids=str)
def test_a_reloaded_one_makes_equal_samples(tmp_path: Path, settings: dict[str, Any]) -> None:
    gan = fitted("alpha", alpha_d=0.3, **settings)
    gan.save(tmp_path / "gan")
    again = gantlet.GAN.load(tmp_path / "gan")
    assert np.array_equal(again.sample(20, seed=2), gan.sample(20, seed=2))
    assert (again.method, again.seed, again.settings) == (gan.method, gan.seed, gan.settings)
    again.save(tmp_path / "gan")  # over itself
    assert np.array_equal(gantlet.GAN.load(tmp_path / "gan").sample(5), gan.sample(5))


def test_each_generator_of_a_team_can_be_asked() -> None:
    gan = fitted(generators=3)
    each = [gan.sample(30, seed=1, generator=k) for k in range(3)]
    mixed = gan.sample(30, seed=1)
    picks = [{k for k in range(3) if np.array_equal(each[k][row], mixed[row])} for row in range(30)]
    assert all(len(pick) == 1 for pick in picks)
    assert {next(iter(pick)) for pick in picks} == {0, 1, 2}
    for wrong in (-1, 3):
        with pytest.raises(BadValue, match=f"generator={wrong} does not exist: there are 3, counted from 0"):
            gan.sample(1, generator=wrong)


def test_no_samples_may_be_asked_for_but_no_fewer() -> None:
    gan = fitted()
    assert gan.sample(0).shape == (0, 2)
    with pytest.raises(BadValue, match=r"n=-1 is out of range: expected 0 ≤ n"):
        gan.sample(-1)


def test_images_are_fitted_in_their_shape() -> None:
    images = np.random.default_rng(1).uniform(-1, 1, size=(32, 3, 6, 5))
    gan = gantlet.GAN("vanilla", g_width=8, d_width=8, steps=2, batch_size=16, latent_dim=4).fit(images)
    made = gan.sample(7)
    assert made.shape == (7, 3, 6, 5)
    assert np.abs(made).max() <= 1


@pytest.mark.parametrize(
    ("scale", "shift", "said"),
    [
        (
            1,
            0,
            r"note: fit was given pixels from 0 to 1 and takes them as they are. If they are in [0, 1], give 2 * x - 1, in which",
        ),
        (0.2, -1, "note: fit was given pixels from -1 to -0.8 and takes them as they are. In [-1, 1] they look black"),
        (2, -1, ""),
    ],
)
def test_images_in_another_range_than_gantlets_are_noted(
    scale: float, shift: float, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    images = np.linspace(0, 1, 32 * 16).reshape(32, 4, 4) * scale + shift
    gan = gantlet.GAN(g_width=8, d_width=8, steps=2, batch_size=16, latent_dim=4).fit(images)
    notes = [record.getMessage() for record in caplog.records if "pixels" in record.getMessage()]
    assert len(notes) == bool(said)
    assert said in "".join(notes)
    caplog.clear()
    gan.score_samples(images)
    assert not caplog.records


def test_few_samples_make_a_smaller_batch_unless_the_user_gave_one() -> None:
    few = POINTS[:10]
    settings = {name: value for name, value in TINY.items() if name != "batch_size"}
    assert gantlet.GAN(**settings).fit(few).sample(3).shape == (3, 2)
    with pytest.raises(BadData, match=r"10 samples, fewer than one batch of 32. Lower batch_size"):
        gantlet.GAN(**TINY).fit(few)


def test_an_objective_of_ones_own_is_trained() -> None:
    class Mine(Vanilla):
        pass

    own = fitted(Mine, lr=1e-2)
    plain = fitted("vanilla", lr=1e-2, beta1=0.5, beta2=0.999, reuse_fake=False)  # what no task tunes for one's own
    assert np.array_equal(own.sample(5), plain.sample(5))
    assert not np.array_equal(own.sample(5), fitted("wgan-gp", lr=1e-2).sample(5))


def test_divergence_is_told() -> None:
    assert fitted(lr=1e30, optimiser="sgd").diverged


@pytest.mark.parametrize(
    ("x", "reason"),
    [
        (np.zeros((5, 1, 4, 4, 4)), r"points \[N, d\] or images \[N, C, H, W\]; this is \[5, 1, 4, 4, 4\]"),
        (np.float64(3.0), r"this is \[\]"),
        (np.full((5, 4, 4), 2.0), r"A sequence \[N, T, F\] is not an image: flatten it to \[N, T·F\]"),
        (np.ma.masked_less(POINTS, 0), "a masked array. Fill or drop what is masked first"),
        (list(np.ma.masked_less(POINTS, 0)), "a masked array. Fill or drop what is masked first"),
        ([[1.0, 2.0], [3.0]], "fit wants an array of numbers: setting an array element with a sequence"),
        (torch.ones(50, 2).to_sparse(), "fit wants an array of numbers: can't convert Sparse layout"),
        (torch.ones(50, 2, device="meta"), "fit wants an array of numbers: Cannot copy out of meta tensor"),
        (
            np.ones((50, 2), dtype=object),
            r"values of the type object came.*convert the rest, as with \.astype\(float\)",
        ),
        (np.ones((50, 2), dtype="M8[s]"), "values of the type datetime64"),
        (POINTS + 1j, "complex numbers. Give real ones"),
        (torch.complex(torch.zeros(50, 2), torch.ones(50, 2)), "complex numbers"),
        ("x.csv", "a str came. Files are read by gantlet.run"),
        (None, "a NoneType came"),
        ((row for row in POINTS), "a generator came"),
        (csr_matrix(POINTS), "a csr_matrix came. Give its toarray"),
        (pd.DataFrame({"a": [1.0, None]}), "Column 'a' of the data frame: it has missing values. Fill in or leave out"),
        (pd.DataFrame({"a": pd.array([1, None], "Int64")}), "Column 'a' of the data frame: it has missing values"),
        (pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}), r"Column 'b' of the data frame: .* values of the type"),
        (pd.DataFrame({"a": pd.date_range("2026", periods=2)}), "Column 'a' of the data frame: .* datetime64"),
        (
            pd.DataFrame({"id": 2**60 + 1 + np.arange(50), "x": POINTS[:50, 0]}),
            "Column 'id' .* has more digits than 64-bit",
        ),
        (pd.DataFrame(index=range(50)), r"no samples: \[50, 0\]"),
        (np.array([["a", "b"]] * 50), "fit wants an array of numbers"),
        (np.full((50, 2), np.nan), "values that are not finite"),
        (np.zeros((0, 2)), r"no samples: \[0, 2\]"),
        (np.zeros((50, 0)), r"no samples: \[50, 0\]"),
        (np.zeros((50, 2, 8, 8)), "2 channels; expected 1 or 3"),
        (np.full((50, 1, 8, 8), 255.0), r"from 255 to 255; expected \[-1, 1\]"),
        (np.arange(3200.0).reshape(50, 1, 8, 8) % 256, r"from 0 to 255; expected \[-1, 1\]. Give x / 127.5 - 1"),
        (np.full((50, 1, 8, 8), -0.5), "images of which every pixel is -0.5: there is nothing to learn"),
    ],
)
def test_what_cannot_be_fitted_is_refused(x: npt.NDArray[Any], reason: str) -> None:
    with pytest.raises(BadData, match=reason):
        gantlet.GAN(steps=1).fit(x)


def test_bfloat16_and_long_doubles_are_fitted_as_what_they_are() -> None:
    rounded = torch.tensor(POINTS).bfloat16()
    wide = rounded.double().numpy().astype(np.longdouble)
    for points in (rounded, wide):
        assert np.array_equal(
            gantlet.GAN(**TINY).fit(points).sample(5), gantlet.GAN(**TINY).fit(rounded.float()).sample(5)
        )


@pytest.mark.parametrize("second", ["Int64", "boolean", "int8", "float32", "int64[pyarrow]"])
def test_a_data_frame_is_fitted_as_the_array_of_its_numbers(second: str) -> None:
    frame = pd.DataFrame({"x": POINTS[:, 0], "n": pd.array(POINTS[:, 1] > 0, "boolean").astype(second)})
    plain = np.stack([POINTS[:, 0], POINTS[:, 1] > 0], axis=1)
    one, other = gantlet.GAN(**TINY).fit(frame), gantlet.GAN(**TINY).fit(plain)
    assert np.array_equal(one.sample(5), other.sample(5))
    assert np.array_equal(one.score_samples(frame), other.score_samples(plain))


def test_numbers_of_which_float32_keeps_too_few_digits_are_refused() -> None:
    seconds = 1.7e9 + np.arange(64)  # as float32 all but one of these timestamps become equal
    with pytest.raises(
        BadData, match=r"column 1, counted from 0, has numbers near 1.7e\+09 .* Subtract an offset first"
    ):
        gantlet.GAN(**TINY).fit(np.stack([np.arange(64.0), seconds], axis=1))
    with pytest.raises(BadData, match=r"column 0, counted from 0, has numbers near 2e\+07"):
        gantlet.GAN(**TINY).fit(20_000_001 + np.arange(64))
    ids = np.random.default_rng(1).integers(1 << 62, size=(64, 2))
    for given in (ids, ids.tolist(), torch.tensor(ids)):
        with pytest.raises(
            BadData, match=rf"fit was given: {ids[0, 0]} has more digits than 64-bit floating point keeps"
        ):
            gantlet.GAN(**TINY).fit(given)
    constant = np.stack([np.full(64, 0.1), seconds - 1.7e9], axis=1)
    assert gantlet.GAN(**TINY).fit(constant).sample(2).shape == (2, 2)


@pytest.mark.parametrize("key", ["standardise", "test_share", "data_path"])
def test_settings_of_data_that_gantlet_reads_are_no_settings_of_fit(key: str) -> None:
    value: Any = {"standardise": True, "test_share": 0.5, "data_path": "x.npy"}[key]
    with pytest.raises(
        BadValue, match=rf"{key} is a setting of data that gantlet reads; GAN.fit takes samples as they are"
    ):
        gantlet.GAN(**TINY, **{key: value}).fit(POINTS)


def test_numbers_of_arguments_are_whole() -> None:
    seeds: tuple[Any, ...] = (1.5, None, "1", -1, 2**64)
    for seed in seeds:
        with pytest.raises(BadValue, match=r"^seed="):
            gantlet.GAN(seed=seed, **TINY).fit(POINTS)
    gan = fitted()
    wrongs: list[dict[str, Any]] = [{"n": 2.5}, {"n": "5"}, {"n": 2, "seed": 0.5}, {"n": 2, "generator": 0.0}]
    for wrong in wrongs:
        with pytest.raises(BadValue, match="is not a whole number"):
            gan.sample(**wrong)
    with pytest.raises(
        BadValue, match=r"1,000,000,000,000 samples take some .* GB of memory, and .* are free. Draw fewer"
    ):
        gan.sample(10**12)
    with pytest.raises(BadValue, match=r"n_generators=1\.5 is not a whole number"):
        gantlet.StackelbergGAN(1.5)  # pyright: ignore[reportArgumentType]


def test_a_gan_replaces_nothing_but_a_gan(tmp_path: Path) -> None:
    gan = fitted()
    for name in ("mine", "model.old", "model.new", "model.gone"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "precious.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for place in ("mine", "file", "model"):
        with pytest.raises(FolderInUse, match="is something else than a GAN that was saved; nothing was written"):
            gan.save(tmp_path / place)
    for name in ("mine", "model.old", "model.new", "model.gone"):
        assert (tmp_path / name / "precious.txt").read_text() == "mine"
    assert (tmp_path / "file").read_text() == "mine"
    for nameless in ("", ".", ".."):
        with pytest.raises(BadValue, match=r"save wants the name of a folder|name of a file or folder is empty"):
            gan.save(nameless)
    (tmp_path / "empty").mkdir()
    for _ in range(3):  # over an empty folder, then over itself and the one before
        gan.save(tmp_path / "empty")
    assert np.array_equal(gantlet.GAN.load(tmp_path / "empty").sample(5), gan.sample(5))


def test_a_gan_does_not_replace_the_checkpoint_of_a_study(finished: Store) -> None:
    with pytest.raises(FolderInUse):
        fitted().save(finished.checkpoint("0000"))


def test_a_refusal_names_who_was_given_the_data() -> None:
    with pytest.raises(BadData, match=r"^fit was given values that are not finite"):
        gantlet.GAN(steps=1).fit(np.full((50, 2), np.nan))
    with pytest.raises(BadData, match=r"^score_samples was given values that are not finite"):
        fitted().score_samples(np.full((5, 2), np.nan))


@pytest.mark.parametrize(
    ("method", "settings", "kind", "reason"),
    [
        ("vanila", {}, UnknownName, "no method called 'vanila'"),
        ("vanilla", {"wings": 2}, UnknownName, "no key called 'wings'"),
        ("vanilla", {"lr": [0.1, 0.2]}, BadValue, "give each setting one value"),
        ("vanilla", {"lr": -1}, BadValue, "out of range"),
    ],
)
def test_a_wrong_setting_is_refused(
    method: str, settings: dict[str, Any], kind: type[GantletError], reason: str
) -> None:
    with pytest.raises(kind, match=reason):
        gantlet.GAN(method, **settings).fit(POINTS)


def test_nothing_can_be_drawn_or_saved_before_fit(tmp_path: Path) -> None:
    for act in (lambda gan: gan.sample(1), lambda gan: gan.save(tmp_path / "gan")):
        with pytest.raises(BadValue, match="not fitted yet: call fit"):
            act(gantlet.GAN())
    assert list(tmp_path.iterdir()) == []


def test_loading_something_else_is_refused(tmp_path: Path, finished: Store) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        gantlet.GAN.load(tmp_path / "absent")
    with pytest.raises(StoreError, match="is a checkpoint, but not of a GAN that was saved"):
        gantlet.GAN.load(finished.checkpoint("0000"))
    with pytest.raises(
        StoreError, match=r"is no GAN that was saved: it has no state\.json\. It is a study: gantlet\.load "
    ):
        gantlet.GAN.load(finished.folder)
    fitted().save(tmp_path / "gan")
    with pytest.raises(
        StoreError, match=r"has no study\.json\. It is a GAN that was saved: gantlet\.GAN\.load takes it\."
    ):
        gantlet.load(tmp_path / "gan")


@pytest.mark.parametrize(
    "damage",
    [
        lambda gan: gan.pop("resolved"),
        lambda gan: gan.pop("settings"),
        lambda gan: gan.update(resolved=3),
        lambda gan: gan.update(settings=[1]),
        lambda gan: gan.update(shape=None),
        lambda gan: gan["resolved"].pop("method"),
        lambda gan: gan["resolved"].update(values=7),
    ],
    ids=["no setting", "no arguments", "number", "list", "no shape", "no method", "no values"],
)
def test_a_damaged_folder_is_an_error_in_one_sentence(tmp_path: Path, damage: Callable[[Any], object]) -> None:
    fitted().save(tmp_path / "gan")
    tensors, rest = checkpoint.read(tmp_path / "gan")
    damage(rest["gan"])
    checkpoint.write(tmp_path / "gan", tensors, rest)
    with pytest.raises(StoreError, match=r"gan is damaged: what it says of its GAN cannot be read\."):
        gantlet.GAN.load(tmp_path / "gan")
    checkpoint.write(tmp_path / "gan", tensors, rest | {"gan": 3})
    with pytest.raises(StoreError, match="is damaged"):
        gantlet.GAN.load(tmp_path / "gan")


def test_weights_that_do_not_fit_are_damage(tmp_path: Path) -> None:
    fitted().save(tmp_path / "gan")
    tensors, rest = checkpoint.read(tmp_path / "gan")
    rest["gan"]["shape"] = [3]
    checkpoint.write(tmp_path / "gan", tensors, rest)
    with pytest.raises(StoreError, match="its weights do not fit the networks that it names"):
        gantlet.GAN.load(tmp_path / "gan")


def test_numpy_numbers_may_be_given_and_saved(tmp_path: Path) -> None:
    gan = fitted(generators=np.int64(2), lr=np.float32(0.5))
    gan.save(tmp_path / "gan")
    assert np.array_equal(gantlet.GAN.load(tmp_path / "gan").sample(4), gan.sample(4))
