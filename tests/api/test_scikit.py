"""``GAN`` and ``StackelbergGAN`` behave as scikit-learn's estimators do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

import gantlet
from gantlet.errors import BadData, BadValue

TINY: dict[str, Any] = {"g_width": 8, "d_width": 8, "steps": 2, "batch_size": 16}
POINTS = np.random.default_rng(1).normal(size=(64, 2)).astype("float32")


@pytest.mark.parametrize(
    "made", [gantlet.GAN(**TINY), gantlet.StackelbergGAN(3, **TINY)], ids=lambda e: type(e).__name__
)
def test_a_clone_has_the_same_parameters_and_nothing_fitted(made: Any) -> None:
    made.fit(POINTS)
    copy = clone(made)
    assert copy.get_params() == made.get_params()
    assert repr(copy) == repr(made)
    assert eval(repr(made), vars(gantlet) | {"GAN": gantlet.GAN, "StackelbergGAN": gantlet.StackelbergGAN})
    with pytest.raises(BadValue, match="not fitted yet"):
        copy.sample(1)
    assert np.array_equal(copy.fit(POINTS).sample(4), made.sample(4))


@pytest.mark.parametrize(
    "made", [gantlet.GAN(**TINY), gantlet.StackelbergGAN(2, **TINY)], ids=lambda e: type(e).__name__
)
def test_it_is_the_last_step_of_a_pipeline_and_is_cross_validated(made: Any) -> None:
    line = make_pipeline(StandardScaler(), made)
    with pytest.raises(NotFittedError):
        check_is_fitted(line)
    line.fit(POINTS)
    check_is_fitted(line)
    scaled = StandardScaler().fit_transform(POINTS)
    assert np.array_equal(line[-1].sample(3), clone(made).fit(scaled).sample(3))
    assert type(made).__name__ in line._repr_html_()
    assert np.array_equal(line.score_samples(POINTS), line[-1].score_samples(scaled))
    search = GridSearchCV(made, {"lr": [1e-3, 1e-2]}, cv=2, scoring=lambda gan, x: float(gan.score_samples(x).mean()))
    assert set(search.fit(POINTS).best_params_) == {"lr"}


def test_parameters_are_set_by_name() -> None:
    gan = gantlet.GAN("vanilla", lr=0.1)
    assert gan.set_params(method="alpha", seed=3, lr=0.2, alpha_d=0.5) is gan
    assert gan.get_params() == {"method": "alpha", "seed": 3, "device": "auto", "lr": 0.2, "alpha_d": 0.5}
    team = gantlet.StackelbergGAN(2).set_params(n_generators=4, steps=1)
    assert (team.n_generators, team.get_params()["n_generators"], team.gan.settings["generators"]) == (4, 4, 4)


def test_samples_are_scored_by_the_discriminator() -> None:
    gan = gantlet.GAN(**TINY).fit(POINTS, y=np.zeros(64))
    scores = gan.score_samples(POINTS)
    assert (scores.shape, scores.dtype) == ((64,), np.float32)
    assert gan.score_samples(POINTS[:5]) == pytest.approx(scores[:5], rel=1e-5)
    with pytest.raises(BadData, match=r"samples of shape \[3\]; this GAN was fitted to \[2\]"):
        gan.score_samples(np.zeros((4, 3)))
    with pytest.raises(BadValue, match="scores 2 samples as one"):
        gantlet.GAN("pacgan", pack=2, **TINY).fit(POINTS).score_samples(POINTS)


@pytest.mark.parametrize(
    ("x", "shape"),
    [
        (POINTS[:, 0], (1,)),
        (POINTS[:, :1].repeat(30, 1).reshape(64, 5, 6).clip(-1, 1), (1, 5, 6)),
        (torch.tensor(POINTS, requires_grad=True), (2,)),
    ],
    ids=["column", "grey", "requires grad"],
)
def test_plain_shapes_are_read_as_what_they_mean(x: Any, shape: tuple[int, ...]) -> None:
    gan = gantlet.GAN(**TINY).fit(x)
    assert gan.sample(3).shape == (3, *shape)
    assert gan.score_samples(x).shape == (64,)
