"""The catalogue: which names each family knows, and where each lives.

One line here is all that a new objective, penalty, network, data set, metric, method or task needs: the command line,
``gantlet list``, the contract tests and the report all read this table. Nothing is imported before it is asked for.
Third parties add names through entry points (groups ``gantlet.objectives``, ``gantlet.penalties``, …), and anything
importable can be named directly as ``package.module:Name``.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from contextvars import ContextVar
from functools import cache
from importlib.metadata import entry_points
from itertools import chain, count
from pathlib import Path
from typing import Any

from .errors import BadValue, UnknownName, UsageError
from .main_guard import only_defines

__all__ = [
    "FAMILIES",
    "find",
    "in_process",
    "is_path",
    "load_path",
    "names",
    "only_here",
    "plural",
    "refuse_while_importing",
    "remember",
]

FAMILIES: dict[str, dict[str, str]] = {
    "objective": {
        "vanilla": "gantlet.objectives.vanilla:Vanilla",
        "least-squares": "gantlet.objectives.least_squares:LeastSquares",
        "wasserstein": "gantlet.objectives.wasserstein:Wasserstein",
        "alpha": "gantlet.objectives.alpha:Alpha",
        "hinge": "gantlet.objectives.hinge:Hinge",
        "relativistic": "gantlet.objectives.relativistic:Relativistic",
        "relativistic-average": "gantlet.objectives.relativistic_average:RelativisticAverage",
        "energy": "gantlet.objectives.energy:Energy",
        "boundary-equilibrium": "gantlet.objectives.boundary_equilibrium:BoundaryEquilibrium",
        "coulomb": "gantlet.objectives.coulomb:Coulomb",
        "f-divergence": "gantlet.objectives.f_divergence:FDivergence",
        "mmd": "gantlet.objectives.mmd:MMD",
        "cramer": "gantlet.objectives.cramer:Cramer",
    },
    "penalty": {
        "gradient": "gantlet.penalties.gradient:GradientPenalty",
        "one-sided-gradient": "gantlet.penalties.one_sided:OneSidedGradient",
        "max-gradient": "gantlet.penalties.max_gradient:MaxGradient",
        "dragan": "gantlet.penalties.dragan:Dragan",
        "r1": "gantlet.penalties.r1:R1",
        "r2": "gantlet.penalties.r2:R2",
        "lecam": "gantlet.penalties.lecam:LeCam",
        "consistency": "gantlet.penalties.consistency:Consistency",
        "orthogonal": "gantlet.penalties.orthogonal:Orthogonal",
        "orthogonal-generator": "gantlet.penalties.orthogonal:OrthogonalGenerator",
        "pulling-away": "gantlet.penalties.pulling_away:PullingAway",
    },
    "constraint": {
        "weight-clipping": "gantlet.penalties.clipping:WeightClipping",
    },
    "network": {
        "mlp": "gantlet.networks.mlp:MLP",
        "stackelberg-mixture": "gantlet.networks.mlp:StackelbergMixture",
        "branch-mixture": "gantlet.networks.mlp:BranchMixture",
        "fc-mnist": "gantlet.networks.mlp:FullyConnected",
        "dcgan28": "gantlet.networks.dcgan:DCGAN28",
        "dcgan": "gantlet.networks.dcgan64:DCGAN",
        "lsgan": "gantlet.networks.lsgan:LSGAN",
        "dcgan4": "gantlet.networks.dcgan4:DCGAN4",
        "stacked-mnist": "gantlet.networks.stacked_mnist:StackedMNIST",
        "stackelberg-mnist": "gantlet.networks.stackelberg:StackelbergMNIST",
        "stackelberg-fashion": "gantlet.networks.stackelberg:StackelbergFashion",
        "stackelberg-cifar": "gantlet.networks.stackelberg:StackelbergCIFAR",
        "notebook-conv": "gantlet.networks.notebook:NotebookConv",
        "notebook-critic": "gantlet.networks.notebook:NotebookCritic",
        "dragan-mnist": "gantlet.networks.dragan_mnist:DRAGANMNIST",
        "autoencoder": "gantlet.networks.autoencoders:DenseAutoEncoder",
        "ebgan": "gantlet.networks.ebgan:EBGAN",
        "began": "gantlet.networks.began:BEGAN",
        "wgan-gp-resnet": "gantlet.networks.resnet:ResNet",
        "r3gan": "gantlet.networks.r3gan:R3GAN",
        "bogonet": "gantlet.networks.bogonet:BogoNet",
    },
    "data": {
        "ring8": "gantlet.data.gaussians:Ring8",
        "grid25": "gantlet.data.gaussians:Grid25",
        "mixture8": "gantlet.data.gaussians:Mixture8",
        "grid100": "gantlet.data.gaussians:Grid100",
        "rotated100": "gantlet.data.gaussians:Rotated100",
        "staggered100": "gantlet.data.gaussians:Staggered100",
        "digits": "gantlet.data.digits:digits",
        "mnist": "gantlet.data.digits:mnist",
        "fashion-mnist": "gantlet.data.digits:fashion_mnist",
        "stacked-mnist": "gantlet.data.stacked_mnist:StackedDigits",
        "points": "gantlet.data.points:Points",
        "images": "gantlet.data.images:ImageSource",
    },
    "reader": {
        "folder": "gantlet.data.readers.folder:FolderReader",
        "zip": "gantlet.data.readers.archive:ZipReader",
        "tar": "gantlet.data.readers.archive:TarReader",
        "idx": "gantlet.data.readers.arrays:IdxReader",
        "array": "gantlet.data.readers.arrays:ArrayReader",
        "cifar": "gantlet.data.readers.cifar:CifarReader",
        "lsun": "gantlet.data.readers.lsun:LsunReader",
        "hf": "gantlet.data.readers.tables:TableReader",
        "hdf5": "gantlet.data.readers.hdf5:HDF5Reader",
        "celeba": "gantlet.data.readers.celeba:CelebAReader",
        "tiny-imagenet": "gantlet.data.readers.tiny_imagenet:TinyImageNetReader",
        "shards": "gantlet.data.readers.shards:ShardReader",
        "emoji": "gantlet.data.readers.emoji:EmojiReader",
        "tfrecord": "gantlet.data.readers.tfrecord:TFRecordReader",
        "digits": "gantlet.data.readers.digits:DigitsReader",
        "prepared": "gantlet.data.readers.prepared:PreparedReader",
    },
    "metric": {
        "mixture": "gantlet.metrics.mixture:MixtureMetric",
        "classifier": "gantlet.metrics.images:ClassifierMetric",
        "stacked-modes": "gantlet.metrics.stacked:StackedModes",
        "two-sample": "gantlet.metrics.points:PointsMetric",
        "thumbnails": "gantlet.metrics.thumbnails:ThumbnailMetric",
        "features": "gantlet.metrics.feature_metric:FeaturesMetric",
        "classification-error": "gantlet.metrics.classification_error:ClassificationErrorMetric",
    },
    "extractor": {
        "efficientnet-lite0": "gantlet.metrics.features.efficientnet:EfficientNetLite0",
        "inception-2015": "gantlet.metrics.features.inception:Inception2015",
        "dinov2-vits14": "gantlet.metrics.features.dinov2:DINOv2",
        "lenet": "gantlet.metrics.features.lenet:LeNetFeatures",
    },
    "method": {
        "vanilla": "gantlet.methods.vanilla:VANILLA",
        "vanilla-saturating": "gantlet.methods.vanilla:VANILLA_SATURATING",
        "least-squares": "gantlet.methods.least_squares:LEAST_SQUARES",
        "wgan": "gantlet.methods.wgan:WGAN",
        "wgan-gp": "gantlet.methods.wgan_gp:WGAN_GP",
        "alpha": "gantlet.methods.alpha:ALPHA",
        "dcgan": "gantlet.methods.dcgan:DCGAN",
        "lsgan": "gantlet.methods.lsgan:LSGAN",
        "wgan-gp-resnet": "gantlet.methods.wgan_gp:WGAN_GP_RESNET",
        "wgan-lp": "gantlet.methods.wgan_gp:WGAN_LP",
        "ebgan": "gantlet.methods.ebgan:EBGAN",
        "ebgan-pt": "gantlet.methods.ebgan:EBGAN_PT",
        "began": "gantlet.methods.began:BEGAN",
        "dragan": "gantlet.methods.dragan:DRAGAN",
        "coulomb": "gantlet.methods.coulomb:COULOMB",
        "hinge": "gantlet.methods.hinge:HINGE",
        "sngan": "gantlet.methods.sngan:SNGAN",
        "relativistic": "gantlet.methods.relativistic:RELATIVISTIC",
        "relativistic-average": "gantlet.methods.relativistic:RELATIVISTIC_AVERAGE",
        "r3gan": "gantlet.methods.r3gan:R3GAN",
        "f-kl": "gantlet.methods.f_gan:F_KL",
        "f-reverse-kl": "gantlet.methods.f_gan:F_REVERSE_KL",
        "f-js": "gantlet.methods.f_gan:F_JS",
        "f-pearson": "gantlet.methods.f_gan:F_PEARSON",
        "f-neyman": "gantlet.methods.f_gan:F_NEYMAN",
        "f-hellinger": "gantlet.methods.f_gan:F_HELLINGER",
        "f-tv": "gantlet.methods.f_gan:F_TV",
        "f-alpha": "gantlet.methods.f_gan:F_ALPHA",
        "mmd": "gantlet.methods.mmd:MMD",
        "cramer": "gantlet.methods.cramer:CRAMER",
        "lecam": "gantlet.methods.lecam:LECAM",
        "cr-gan": "gantlet.methods.cr_gan:CR_GAN",
        "lgan": "gantlet.methods.lgan:LGAN",
        "pacgan": "gantlet.methods.pacgan:PACGAN",
    },
    "task": {
        "ring8": "gantlet.tasks.gaussians:RING8",
        "grid25": "gantlet.tasks.gaussians:GRID25",
        "mixture8": "gantlet.tasks.gaussians:MIXTURE8",
        "grid100": "gantlet.tasks.gaussians:GRID100",
        "rotated100": "gantlet.tasks.gaussians:ROTATED100",
        "staggered100": "gantlet.tasks.gaussians:STAGGERED100",
        "digits": "gantlet.tasks.digits:DIGITS",
        "mnist": "gantlet.tasks.digits:MNIST",
        "fashion-mnist": "gantlet.tasks.digits:FASHION_MNIST",
        "stacked-mnist": "gantlet.tasks.stacked:STACKED_MNIST",
        "points": "gantlet.tasks.custom:POINTS",
        "images": "gantlet.tasks.custom:IMAGES",
        "cifar10": "gantlet.tasks.images:CIFAR10",
        "cifar100": "gantlet.tasks.images:CIFAR100",
        "tiny-imagenet32": "gantlet.tasks.images:TINY_IMAGENET32",
        "celeba64": "gantlet.tasks.images:CELEBA64",
        "lsun-bedroom64": "gantlet.tasks.images:LSUN_BEDROOM64",
        "lsun-classroom112": "gantlet.tasks.images:LSUN_CLASSROOM112",
        "emoji64": "gantlet.tasks.images:EMOJI64",
        "folder": "gantlet.tasks.images:FOLDER",
        "zip": "gantlet.tasks.images:ZIP",
        "tar": "gantlet.tasks.images:TAR",
        "shards": "gantlet.tasks.images:SHARDS",
        "hf": "gantlet.tasks.images:HF",
        "hdf5": "gantlet.tasks.images:HDF5",
        "tfrecord": "gantlet.tasks.images:TFRECORD",
    },
    "figure": {
        "curves": "gantlet.reports.printed.curves:CURVES",
        "bars": "gantlet.reports.printed.bars:BARS",
        "profile": "gantlet.reports.printed.profile:PROFILE",
        "ranking": "gantlet.reports.printed.ranking:RANKING",
        "budget": "gantlet.reports.printed.budget:BUDGET",
        "modes": "gantlet.reports.printed.modes:MODES",
        "samples": "gantlet.reports.printed.samples:SAMPLES",
        "heatmap": "gantlet.reports.printed.heatmap:HEATMAP",
        "sweep": "gantlet.reports.printed.sweep:SWEEP",
    },
    "executor": {
        "local": "gantlet.studies.executors.local:LocalExecutor",
        "inline": "gantlet.studies.executors.inline:InlineExecutor",
        "slurm": "gantlet.studies.executors.slurm:SlurmExecutor",
    },
    "card": {
        "mnist": "gantlet.data.named.digits:MNIST",
        "fashion-mnist": "gantlet.data.named.digits:FASHION_MNIST",
        "emnist": "gantlet.data.named.digits:EMNIST",
        "stacked-mnist": "gantlet.data.named.digits:STACKED_MNIST",
        "cifar10": "gantlet.data.named.small:CIFAR10",
        "cifar100": "gantlet.data.named.small:CIFAR100",
        "tiny-imagenet": "gantlet.data.named.small:TINY_IMAGENET",
        "emoji": "gantlet.data.named.small:EMOJI",
        "celeba": "gantlet.data.named.large:CELEBA",
        "lsun-bedroom": "gantlet.data.named.large:LSUN_BEDROOM",
        "lsun-classroom": "gantlet.data.named.large:LSUN_CLASSROOM",
    },
}


def names(family: str) -> list[str]:
    """Every name of a family, its own first, then those of installed third parties."""
    return list(_table(family))


def find(family: str, name: str) -> Any:
    """The object behind a name (or behind ``package.module:Name``).

    Raises:
        UnknownName: No such name in the family; the nearest ones are offered.
        BadValue: A ``package.module:Name`` that cannot be imported.
    """
    table = _table(family)
    if name in table:
        return load_path(table[name])
    if is_path(name) or name in _REMEMBERED:
        return load_path(name)
    raise UnknownName(family, name, table)


def plural(family: str) -> str:
    """A family's name for many, as ``gantlet list`` and the groups of entry points have it.

    Example:
        >>> plural("method"), plural("penalty"), plural("data")
        ('methods', 'penalties', 'data')
    """
    return family if family == "data" else f"{family[:-1]}ies" if family.endswith("y") else f"{family}s"


def is_path(name: str) -> bool:
    """Whether a name reads ``package.module:Name`` or ``file.py:Name``, or stands for what this process was given itself."""
    module, colon, attribute = name.rpartition(":")
    dotted = module.endswith(".py") or all(part.isidentifier() for part in module.split("."))
    return name in _REMEMBERED or (bool(colon) and attribute.isidentifier() and dotted)


def remember(thing: Any) -> str:
    """The path of a class or instance of the user's own, kept so that this process need not import it again.

    A path stands for one thing: where another one has it, as the class of an instance or an instance with other values, a
    number is appended.
    """
    owner = thing if isinstance(thing, type) or callable(thing) else type(thing)
    name = getattr(owner, "__qualname__", type(thing).__name__)
    here = getattr(sys.modules.get(owner.__module__), "__file__", None)
    script = str(Path(here).resolve()) if here and owner.__module__ == "__main__" else ""
    plain = f"{script or owner.__module__}:{name}"
    numbered = (f"{plain}_{number}" for number in count(2))
    path = next(path for path in chain([plain], numbered) if _is_free(path, thing))
    _REMEMBERED[path] = thing
    return path


def _is_free(path: str, thing: Any) -> bool:
    if path in _REMEMBERED:
        return _REMEMBERED[path] is thing
    return not any(path in _table(family).values() for family in FAMILIES) or load_path(path) is thing


def in_process(path: str) -> bool:
    """Whether a path names what this process was given itself, by :func:`remember`."""
    return path in _REMEMBERED


def only_here(path: str) -> bool:
    """Whether another process could not import what :func:`remember` kept under this path.

    It cannot import what is defined in a notebook, an interactive session or a function, nor an instance with values of
    its own; and it must not import a script that does its work without a main guard, which would run again.
    """
    thing = _REMEMBERED.get(path)
    if thing is None:
        return False
    module, _, name = path.rpartition(":")
    if not (isinstance(thing, type) or callable(thing)) or "<locals>" in name or module == "__main__":
        return True
    if name != getattr(thing, "__qualname__", None):  # an instance, or numbered, since another thing has its path
        return True
    return module.endswith(".py") and not only_defines(Path(module))


def refuse_while_importing(what: str) -> None:
    """Make sure that a module or file whose part is being looked up does not train anything itself.

    Raises:
        UsageError: It does; the message says how to prevent it.
    """
    if importing := _IMPORTING.get():
        raise UsageError(
            f"{what} is called while {importing} is imported for a part that it defines. Put the call under "
            "if __name__ == '__main__': so that importing it does not train."
        )


def load_path(path: str) -> Any:
    """Import ``package.module:Name`` or ``file.py:Name``; the current folder counts as importable, as for ``python -m``.

    Raises:
        BadValue: The module or the name in it does not exist, or importing it failed.
        UsageError: It asks gantlet for something that is wrong, such as to train while it is imported.
    """
    if path in _REMEMBERED:
        return _REMEMBERED[path]
    module_name, _, attribute = path.rpartition(":")
    before = _IMPORTING.set(module_name)
    try:
        module = _import_file(Path(module_name)) if module_name.endswith(".py") else _import_module(module_name)
    except UsageError:
        raise
    except Exception as error:  # whatever a user's module does when it is imported
        usual = isinstance(error, (ImportError, OSError, SyntaxError))
        what = str(error) if usual else f"{type(error).__name__}: {error}"
        raise BadValue(f"'{path}' cannot be imported: {what}. Give package.module:Name or file.py:Name.") from error
    finally:
        _IMPORTING.reset(before)
    if not hasattr(module, attribute):
        raise BadValue(f"The module '{module_name}' has no '{attribute}'.")
    return getattr(module, attribute)


_REMEMBERED: dict[str, Any] = {}
_IMPORTED: dict[tuple[Path, int], Any] = {}
_IMPORTING: ContextVar[str] = ContextVar("importing", default="")  # another thread may train meanwhile


def _import_module(name: str) -> Any:
    here = str(Path.cwd())
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    finally:
        if added:
            sys.path.remove(here)


def _import_file(path: Path) -> Any:
    """The module of a file; a file that was not changed is executed once."""
    name = f"gantlet_user_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None or not path.exists():
        raise ImportError(f"there is no file {path}")
    version = (path.resolve(), path.stat().st_mtime_ns)
    if version not in _IMPORTED:
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # dataclasses look their module up
        spec.loader.exec_module(module)
        _IMPORTED[version] = module
    return _IMPORTED[version]


def _table(family: str) -> dict[str, str]:
    if family not in FAMILIES:
        raise UnknownName("family", family, FAMILIES)
    return _tables()[family]


@cache
def _tables() -> dict[str, dict[str, str]]:
    """Every family's table; to read what is installed takes as long for one of them as for all."""
    found = entry_points()
    added = {name: {e.name: e.value for e in found.select(group=f"gantlet.{plural(name)}")} for name in FAMILIES}
    return {name: own | added[name] | own for name, own in FAMILIES.items()}
