"""``gantlet.GAN``: one adversarial network with scikit-learn's habits: fit, sample, save, load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gantlet.data.base import Dataset
from gantlet.errors import BadData, BadValue, StoreError
from gantlet.settings import Scalar
from gantlet.training import checkpoint
from gantlet.training.blueprint import Execution
from gantlet.training.fleet import Fleet

from .build import blueprint
from .grid import axes_from_mapping
from .loading import Team, latents, network
from .spec import Request, Resolved, expand
from .study import choose_device

__all__ = ["GAN", "StackelbergGAN"]

_ROUNDING = 1e-4  # how far beyond [-1, 1] a pixel may lie, as resizing leaves it


class GAN:
    """One adversarial network.

    Arguments:
        method: A method's name, or an objective of your own (a class).
        seed: The seed of everything.
        device: ``auto``, ``cpu`` or ``cuda``.
        settings: Any key of the command line, one value each.

    Example:
        >>> import torch
        >>> points = torch.randn(256, 2, generator=torch.Generator().manual_seed(1)).numpy()
        >>> gan = GAN("vanilla", steps=5, g_width=8, d_width=8).fit(points)
        >>> gan.sample(3).shape
        (3, 2)
    """

    def __init__(self, method: Any = "vanilla", *, seed: int = 1, device: str = "auto", **settings: Scalar) -> None:
        from gantlet.catalogue import remember

        self.method = method if isinstance(method, str) else remember(method)
        self.seed, self.device = seed, device
        plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in settings.items()}
        self.settings: dict[str, Any] = plain
        self._fitted: tuple[Resolved, tuple[int, ...]] | None = None
        self._tensors: dict[str, Tensor] = {}
        self._rest: dict[str, Any] = {}

    def fit(self, x: npt.ArrayLike | Tensor) -> GAN:
        """Train on samples.

        Arguments:
            x: Points ``[N, d]``, or images ``[N, C, H, W]`` in [-1, 1] (C is 1 or 3).

        Raises:
            BadData: The wrong rank, range or type, too few samples, or values that are not finite.
        """
        samples = _checked(x)
        resolved = self._resolve("points" if samples.dim() == 2 else "images", len(samples))
        dataset = Dataset(samples, samples)
        route = "stacked" if int(resolved.values["generators"]) > 1 else "loop"
        execution = Execution(route=route, device=choose_device(self.device))
        fleet = Fleet(blueprint([(resolved, self.seed)], dataset, execution), dataset)
        while fleet.step < fleet.blueprint.sizes.steps and any(fleet.alive):
            fleet.advance()
        self._tensors, self._rest = checkpoint.snapshot(fleet)
        self._fitted = (resolved, dataset.shape)
        return self

    def sample(self, n: int, *, seed: int = 0, generator: int | None = None) -> npt.NDArray[np.float32]:
        """``n`` samples ``[n, *x]``; of one generator of a team if ``generator`` names it.

        Raises:
            BadValue: Nothing was fitted yet, there is no such generator, or ``n`` is below 0.
        """
        if n < 0:
            raise BadValue(f"sample wants n ≥ 0; {n} came.")
        net, sheet = self._network()
        z, owners = latents(sheet, n, seed, net)
        team = sheet.makers
        if generator is not None:
            if not 0 <= generator < team:
                raise BadValue(f"generator={generator} does not exist: there are {team}, counted from 0.")
            owners = torch.full((n,), generator)
        with torch.no_grad():
            made = net(z, owners) if isinstance(net, Team) else net(z)
        return made.float().numpy()

    @property
    def diverged(self) -> bool:
        """Whether training stopped early because a loss or gradient was not finite."""
        return bool(self._rest.get("exits"))

    def save(self, folder: str | Path) -> None:
        """Write the trained networks and settings: safetensors and JSON.

        Raises:
            BadValue: Nothing was fitted yet.
            StoreError: The folder cannot be written.
        """
        resolved, shape = self._need_fit()
        about = {"method": self.method, "seed": self.seed, "settings": self.settings, "shape": list(shape)}
        about["resolved"] = dict(resolved.__dict__)
        checkpoint.write(Path(folder), self._tensors, {**self._rest, "gan": about})

    @classmethod
    def load(cls, folder: str | Path) -> GAN:
        """What :meth:`save` wrote.

        Raises:
            StoreError: It cannot be read.
        """
        tensors, rest = checkpoint.read(Path(folder))
        if "gan" not in rest:
            raise StoreError(
                f"{folder} is a checkpoint, but not of a GAN that was saved; use gantlet.load for a study."
            )
        about: Mapping[str, Any] = rest.pop("gan")
        gan = cls(about["method"], seed=about["seed"], **about["settings"])
        gan._tensors, gan._rest = tensors, rest
        gan._fitted = (Resolved(**about["resolved"]), tuple(about["shape"]))
        return gan

    def _resolve(self, task: str, count: int) -> Resolved:
        axes = axes_from_mapping(self.settings)
        found = expand(Request(f"{task}:in memory", (self.method,), tuple(axes), (self.seed,)))
        if len(found) != 1:
            raise BadValue("GAN trains one network; give each setting one value, or use gantlet.run for a grid.")
        resolved = found[0]
        size = int(resolved.values["batch_size"])
        if count >= size:
            return resolved
        if resolved.sources["batch_size"] == "user":
            raise BadData(f"fit was given {count} samples, fewer than one batch of {size}. Lower batch_size.")
        return replace(resolved, values={**resolved.values, "batch_size": count})

    def _network(self) -> tuple[torch.nn.Module, Any]:
        resolved, shape = self._need_fit()
        empty = torch.zeros(int(resolved.values["batch_size"]), *shape)
        sheet = blueprint([(resolved, self.seed)], Dataset(empty, empty), Execution())
        return network(sheet, self._tensors, 0, "generator"), sheet

    def _need_fit(self) -> tuple[Resolved, tuple[int, ...]]:
        if self._fitted is None:
            raise BadValue("This GAN was not fitted yet: call fit(x) first.")
        return self._fitted


class StackelbergGAN:
    """A team of generators against one discriminator, with the habits of scikit-learn.

    Stackelberg GAN (Zhang et al., 2018, https://arxiv.org/abs/1811.08010): the generators minimise the mean of their losses
    together, and a sample is from one that is picked uniformly.

    Arguments:
        n_generators: K, at least 1.
        method: Any method of gantlet, or an objective of your own.
        seed: The seed of everything.
        device: ``auto``, ``cpu`` or ``cuda``.
        settings: Any key of the command line, one value each; ``which_generator=0.1`` gives the discriminator the head that
            tells generators apart.

    Example:
        >>> import torch
        >>> points = torch.randn(256, 2, generator=torch.Generator().manual_seed(1)).numpy()
        >>> team = StackelbergGAN(n_generators=3, steps=5, g_width=8, d_width=8).fit(points)
        >>> team.sample(4, generator=2).shape, [made.shape for made in team.predict(2)]
        ((4, 2), [(2, 2), (2, 2), (2, 2)])
    """

    def __init__(
        self,
        n_generators: int = 10,
        *,
        method: Any = "vanilla",
        seed: int = 1,
        device: str = "auto",
        **settings: Scalar,
    ) -> None:
        if n_generators < 1:
            raise BadValue(f"StackelbergGAN wants at least one generator; n_generators={n_generators} came.")
        self.n_generators = n_generators
        self.gan = GAN(method, seed=seed, device=device, generators=n_generators, **settings)

    def fit(self, x: npt.ArrayLike | Tensor) -> StackelbergGAN:
        """Train on points ``[N, d]`` or images ``[N, C, H, W]`` in [-1, 1]; see :meth:`GAN.fit`."""
        self.gan.fit(x)
        return self

    def sample(self, n: int, *, seed: int = 0, generator: int | None = None) -> npt.NDArray[np.float32]:
        """``n`` samples ``[n, *x]`` of generators picked uniformly (by their weights if learned), or of the one that ``generator`` names."""
        return self.gan.sample(n, seed=seed, generator=generator)

    def predict(self, n: int, *, seed: int = 0) -> list[npt.NDArray[np.float32]]:
        """``n`` samples of each generator, ``K × [n, *x]``, all from the same latents."""
        return [self.gan.sample(n, seed=seed, generator=place) for place in range(self.n_generators)]


def _checked(x: npt.ArrayLike | Tensor) -> Tensor:
    try:
        samples = torch.as_tensor(np.asarray(x), dtype=torch.float32)
    except (TypeError, ValueError) as error:
        raise BadData(f"fit wants an array of numbers: {error}.") from error
    came = list(samples.shape)
    if samples.dim() not in (2, 4):
        raise BadData(f"fit wants points [N, d] or images [N, C, H, W]; this is {came}.")
    if not samples.numel():
        raise BadData(f"fit was given no samples: {came}.")
    if not bool(samples.isfinite().all()):
        raise BadData("fit was given values that are not finite. Remove or fill them first.")
    if samples.dim() == 4 and came[1] not in (1, 3):
        raise BadData(f"fit was given images with {came[1]} channels; expected 1 or 3, as [N, C, H, W].")
    low, high = (float(end) for end in samples.aminmax())
    if samples.dim() == 4 and max(-low, high) > 1 + _ROUNDING:
        raise BadData(f"fit was given pixels from {low:g} to {high:g}; expected [-1, 1]. Scale them first.")
    return samples
