"""Data of one's own: ``points:FILE`` and ``images:FILE`` from .npy, .npz or CSV.

There are no modes to count, so the metrics are two-sample distances to a held-out part.
"""

from gantlet.data.images import ImageSource
from gantlet.data.points import Points
from gantlet.networks.mlp import MLP
from gantlet.settings import Scalar

from .base import CLASSIFIERS, Task, rows_for
from .task_networks import BEGAN_ROW, SMALL_IMAGES

__all__ = ["IMAGES", "POINTS"]

_ADAM_IMAGES: dict[str, Scalar] = {"lr_g": 2e-4, "lr_d": 2e-4, "beta1": 0.5, "beta2": 0.999}
_ADAM: dict[str, Scalar] = {"lr_g": 5e-4, "lr_d": 5e-4, "beta1": 0.5, "beta2": 0.999, "reuse_fake": True}


POINTS = Task(
    name="points",
    summary="points of your own: points:FILE.npy, .csv, .parquet or their like",
    paper="your own data",
    source=Points(),
    networks={"mlp": MLP(g_width=128, g_depth=2, d_width=128, d_depth=2)},
    metrics=("two-sample",),
    pictures="points",
    headline="sliced_wasserstein",
    shape=(2,),
    defaults={"batch_size": 64, "steps": 10000, "latent_dim": 8},
    rows=rows_for(_ADAM, CLASSIFIERS),
    presets={"quick": {"steps": 4000}},
)

IMAGES = Task(
    name="images",
    summary="images of your own: images:FILE.npy or .npz",
    paper="your own data",
    source=ImageSource(reader="array", size="native", colour="native", test_size=0),
    networks=SMALL_IMAGES,
    metrics=("two-sample",),
    pictures="images",
    headline="sliced_wasserstein",
    defaults={"batch_size": 64, "steps": 5000, "latent_dim": 64},
    rows={**rows_for(_ADAM_IMAGES, CLASSIFIERS), **BEGAN_ROW},
    presets={"quick": {"steps": 1500, "evaluations": 5}},
)
