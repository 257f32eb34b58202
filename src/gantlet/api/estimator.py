"""``gantlet.GAN``: one adversarial network with scikit-learn's habits: fit, sample, score_samples, save, load, clone."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gantlet.catalogue import refuse_while_importing, remember
from gantlet.data.base import Dataset
from gantlet.data.specification import SampleSpec
from gantlet.devices import choose_device
from gantlet.errors import BadData, BadValue, StoreError
from gantlet.places import user_path, what_is_there
from gantlet.requests.grid import axes_from_mapping
from gantlet.requests.keeping import Keeping, parse_keeping
from gantlet.requests.parts import Catalogue
from gantlet.requests.resolve import Request, Resolved, expand
from gantlet.studies.batches import fitting
from gantlet.studies.build import blueprint
from gantlet.studies.initial import begin, read_sources
from gantlet.studies.migrations import migrated_setting
from gantlet.studies.plan import recorded_setting, resolve_setting, route_alone
from gantlet.studies.record import SettingRecord
from gantlet.studies.runner import evaluation_steps
from gantlet.studies.trust import allow, require_trust
from gantlet.training import checkpoint
from gantlet.training.blueprint import Blueprint, Execution
from gantlet.training.fleet import Fleet
from gantlet.training.trained import Team, latents, network

from .given import as_samples, check_place, sklearn_tags, whole_number
from .latents import check_fits

__all__ = ["GAN", "StackelbergGAN"]


class GAN:
    """One adversarial network.

    Arguments:
        method: A method's name, or an objective of your own (a class).
        seed: The seed of everything.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:i`` or ``mps``.
        settings: Any key of the command line, one value each.

    Example:
        >>> import torch
        >>> points = torch.randn(256, 2, generator=torch.Generator().manual_seed(1)).numpy()
        >>> gan = GAN("vanilla", steps=5, g_width=8, d_width=8).fit(points)
        >>> gan.sample(3).shape, gan.score_samples(points[:4]).shape
        ((3, 2), (4,))
        >>> gan
        GAN('vanilla', seed=1, device='auto', steps=5, g_width=8, d_width=8)
    """

    def __init__(self, method: Any = "vanilla", *, seed: int = 1, device: str = "auto", **settings: Any) -> None:
        self.method, self.seed, self.device = method, seed, device
        self.settings: dict[str, Any] = settings
        self._fitted: tuple[Resolved, SampleSpec] | None = None
        self._tensors: dict[str, Tensor] = {}
        self._rest: dict[str, Any] = {}

    def __repr__(self) -> str:
        given = {"seed": self.seed, "device": self.device, **self.settings}
        return f"GAN({self.method!r}, {', '.join(f'{name}={value!r}' for name, value in given.items())})"

    def __sklearn_tags__(self) -> Any:
        return sklearn_tags()

    def __sklearn_is_fitted__(self) -> bool:
        return self._fitted is not None

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments, as scikit-learn asks for them; ``deep`` has no meaning here."""
        return {"method": self.method, "seed": self.seed, "device": self.device, **self.settings}

    def set_params(self, **params: Any) -> GAN:
        """Set arguments of the constructor; what was fitted before stays until the next ``fit``."""
        given = self.get_params() | params
        self.method, self.seed, self.device = given.pop("method"), given.pop("seed"), given.pop("device")
        self.settings = given
        return self

    def fit(
        self,
        x: npt.ArrayLike | Tensor,
        y: object = None,
        *,
        progress: bool = False,
        on_evaluation: Callable[[GAN], object] | None = None,
    ) -> GAN:
        """Train on samples.

        Arguments:
            x: Points ``[N, d]`` (``[N]`` is read as ``[N, 1]``), or images ``[N, C, H, W]`` in [-1, 1] (C is 1 or 3;
                ``[N, H, W]`` is read as grey). Images that seem to be in [0, 1] are taken as they are, with a note.
            y: Ignored; scikit-learn's pipelines give it.
            progress: Whether to print how far it is at each evaluation.
            on_evaluation: Called with this GAN, as it is by then, ``evaluations`` times, evenly, the last time at the end: for
                a live picture. An error in it ends training and is raised; what was trained until then is kept.

        Raises:
            BadData: The wrong rank, range or type, too few samples, values that are masked, complex or not finite.
            BadValue: A setting that only a study can have, or weights to start from that do not fit.
        """
        refuse_while_importing("GAN.fit")
        seed = whole_number("seed", self.seed)
        samples = as_samples(x, "fit")
        resolved = self._resolve("points" if samples.dim() == 2 else "images", len(samples))
        if resolved.training.stop or parse_keeping(resolved.training.checkpoints) != Keeping():
            raise BadValue(
                "GAN measures no metrics and has no folder, which stop= and checkpoints= need. Use gantlet.run."
            )
        dataset = Dataset(samples, samples)
        sheet = blueprint([(resolved, seed)], dataset.specification, Execution(device=choose_device(self.device)))
        execution = replace(sheet.execution, route=route_alone(sheet, dataset.specification))
        fleet = Fleet(replace(sheet, execution=execution), dataset)
        for source in read_sources([resolved], [dataset.specification]).values():
            begin(fleet, source.tensors)
        steps, started = fleet.blueprint.sizes.steps, time.monotonic()
        due = set(evaluation_steps(steps, resolved.training.evaluations))
        while fleet.step < steps and any(fleet.alive):
            fleet.advance()
            at_the_end = fleet.step == steps or not any(fleet.alive)
            if at_the_end or (fleet.step in due and (progress or on_evaluation is not None)):
                self._tensors, self._rest = checkpoint.snapshot(fleet)
                self._fitted = (resolved, dataset.specification)
                if progress:
                    left = (time.monotonic() - started) * (steps - fleet.step) / fleet.step
                    print(f"step {fleet.step:,} of {steps:,}, {left:.0f} s left", flush=True)
                if on_evaluation is not None:
                    on_evaluation(self)
        return self

    @property
    def step(self) -> int:
        """Generator updates that the networks have had; 0 before ``fit``."""
        return int(self._rest.get("step", 0))

    def sample(self, n: int, *, seed: int = 0, generator: int | None = None) -> npt.NDArray[np.float32]:
        """``n`` samples ``[n, *x]``; of one generator of a team if ``generator`` names it.

        Raises:
            BadValue: Nothing was fitted yet, there is no such generator, or ``n`` is below 0.
        """
        n, seed = whole_number("n", n), whole_number("seed", seed, low=None)
        net, sheet = self._network("generator")
        team = sheet.makers
        chosen = None if generator is None else whole_number("generator", generator, low=None)
        if chosen is not None and not 0 <= chosen < team:
            raise BadValue(f"generator={chosen} does not exist: there are {team}, counted from 0.")
        check_fits(n, sheet.sizes.latent, self._need_fit()[1].shape)
        z, owners = latents(sheet, n, seed, net)
        if chosen is not None:
            owners = torch.full((n,), chosen)
        with torch.no_grad():
            samples = net(z, owners) if isinstance(net, Team) else net(z)
        return samples.float().numpy()

    def score_samples(self, x: npt.ArrayLike | Tensor) -> npt.NDArray[np.float32]:
        """The discriminator's output on data of yours: a logit, critic value or energy by method, ``[N]``.

        Raises:
            BadValue: Nothing was fitted yet.
            BadData: The data have another shape than those that were fitted.
        """
        _, specification = self._need_fit()
        samples = as_samples(x, "score_samples")
        if tuple(samples.shape[1:]) != specification.shape:
            raise BadData(
                f"score_samples was given samples of shape {list(samples.shape[1:])}; this GAN was fitted to "
                f"{list(specification.shape)}."
            )
        net, sheet = self._network("discriminator")
        if sheet.sizes.pack > 1:
            raise BadValue(f"This discriminator scores {sheet.sizes.pack} samples as one; it has no score for each.")
        with torch.no_grad():
            output = net(samples.to(sheet.execution.dtype))
        score: Tensor = getattr(output, "score", output)
        return score.reshape(len(samples), -1)[:, 0].float().numpy()

    @property
    def diverged(self) -> bool:
        """Whether training stopped early because a loss or gradient was not finite."""
        return bool(self._rest.get("exits"))

    def save(self, folder: str | Path) -> None:
        """Write the trained networks and settings: safetensors and JSON.

        Raises:
            BadValue: Nothing was fitted yet, or the folder has no name.
            FolderInUse: There is something else than a GAN that was saved, which is replaced.
            StoreError: The folder cannot be written.
        """
        resolved, specification = self._need_fit()
        place = user_path(folder)
        check_place(place)
        setting, key = recorded_setting(resolved), uuid.uuid4().hex
        allow((setting,), key)
        about = {
            "id": key,
            "method": resolved.method.name,
            "seed": int(self.seed),
            "settings": {name: _plain(value) for name, value in self.settings.items()},
            "shape": list(specification.shape),
            "resolved": setting.model_dump(),
        }
        checkpoint.write(place, self._tensors, {**self._rest, "gan": about})

    @classmethod
    def load(cls, folder: str | Path, *, trust: bool = False) -> GAN:
        """What :meth:`save` wrote; ``trust`` lets parts of somebody's own, which it may name, run here.

        Raises:
            StoreError: It cannot be read.
            Untrusted: It names parts of somebody's own.
        """
        place = user_path(folder)
        if place.is_dir() and not any((each / "state.json").exists() for each in checkpoint.places(place)):
            raise StoreError(f"{folder} is no GAN that was saved: it has no state.json.{what_is_there(place)}")
        tensors, rest = checkpoint.read(place)
        if "gan" not in rest:
            raise StoreError(
                f"{folder} is a checkpoint, but not of a GAN that was saved; use gantlet.load for a study."
            )
        try:
            about: Mapping[str, Any] = rest.pop("gan")
            setting = SettingRecord.model_validate(migrated_setting(about["resolved"]))
            gan = cls(about["method"], seed=about["seed"], **about["settings"])
            shape, key = tuple(int(side) for side in about["shape"]), str(about.get("id", ""))
        except (KeyError, AttributeError, TypeError, ValueError) as error:  # pydantic's errors are ValueErrors
            raise StoreError(
                f"{folder} is damaged: what it says of its GAN cannot be read. Save the GAN again, or restore the folder."
            ) from error
        key = key if key.isalnum() else "unknown"
        if trust:
            allow((setting,), key)
        require_trust((setting,), key)
        gan._tensors, gan._rest = tensors, rest
        resolved = resolve_setting(Catalogue(), setting)
        gan._fitted = (resolved, SampleSpec(shape, pool=resolved.training.batch_size))
        try:
            gan._network("generator")
        except (KeyError, RuntimeError) as error:  # torch's own, of tensors that are missing or of other sizes
            raise StoreError(
                f"{folder} is damaged: its weights do not fit the networks that it names. Save the GAN again, or restore the folder."
            ) from error
        return gan

    def _resolve(self, task: str, count: int) -> Resolved:
        method = self.method if isinstance(self.method, str) else remember(self.method)
        axes = axes_from_mapping({name: _plain(value) for name, value in self.settings.items()})
        found = expand(Request(f"{task}:in memory", (method,), tuple(axes), (self.seed,)))
        if len(found) != 1:
            raise BadValue("GAN trains one network; give each setting one value, or use gantlet.run for a grid.")
        (resolved,) = fitting(found, lambda _: count)
        of_data = (name for name, key in resolved.parts.keys.items() if key.part == "data")
        ignored = [
            name
            for name in of_data
            if resolved.sources.get(name) == "user" and (name != "data_path" or name in self.settings)
        ]
        if ignored:
            raise BadValue(
                f"{ignored[0]} is a setting of data that gantlet reads; GAN.fit takes samples as they are. Leave it out and prepare "
                f"the array yourself, or use gantlet.run('{task}:FILE', …)."
            )
        size = resolved.training.batch_size
        if count < size:
            raise BadData(f"fit was given {count} samples, fewer than one batch of {size}. Lower batch_size.")
        return resolved

    def _network(self, player: str) -> tuple[torch.nn.Module, Blueprint]:
        resolved, specification = self._need_fit()
        sheet = blueprint([(resolved, self.seed)], specification, Execution(), to_train=False)
        return network(sheet, self._tensors, 0, player), sheet

    def _need_fit(self) -> tuple[Resolved, SampleSpec]:
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
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:i`` or ``mps``.
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
        **settings: Any,
    ) -> None:
        n_generators = whole_number("n_generators", n_generators, low=None)
        if n_generators < 1:
            raise BadValue(f"StackelbergGAN wants at least one generator; n_generators={n_generators} was given.")
        self.n_generators = n_generators
        self.gan = GAN(method, seed=seed, device=device, generators=n_generators, **settings)

    def __repr__(self) -> str:
        given = {name: value for name, value in self.get_params().items() if name != "n_generators"}
        words = ", ".join(f"{name}={value!r}" for name, value in given.items())
        return f"StackelbergGAN({self.n_generators}, {words})"

    def __sklearn_tags__(self) -> Any:
        return sklearn_tags()

    def __sklearn_is_fitted__(self) -> bool:
        return self.gan.__sklearn_is_fitted__()

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments, as scikit-learn asks for them."""
        params = {name: value for name, value in self.gan.get_params(deep).items() if name != "generators"}
        return {"n_generators": self.n_generators, **params}

    def set_params(self, **params: Any) -> StackelbergGAN:
        """Set arguments of the constructor; what was fitted before stays until the next ``fit``."""
        self.n_generators = params.pop("n_generators", self.n_generators)
        self.gan.set_params(generators=self.n_generators, **params)
        return self

    def fit(
        self,
        x: npt.ArrayLike | Tensor,
        y: object = None,
        *,
        progress: bool = False,
        on_evaluation: Callable[[StackelbergGAN], object] | None = None,
    ) -> StackelbergGAN:
        """Train on points or images; see :meth:`GAN.fit`."""
        told = on_evaluation
        self.gan.fit(x, progress=progress, on_evaluation=None if told is None else lambda _: told(self))
        return self

    def sample(self, n: int, *, seed: int = 0, generator: int | None = None) -> npt.NDArray[np.float32]:
        """``n`` samples ``[n, *x]`` of generators picked uniformly (by their weights if learned), or of ``generator``."""
        return self.gan.sample(n, seed=seed, generator=generator)

    def score_samples(self, x: npt.ArrayLike | Tensor) -> npt.NDArray[np.float32]:
        """The discriminator's output on data of yours, ``[N]``; see :meth:`GAN.score_samples`."""
        return self.gan.score_samples(x)

    def predict(self, n: int, *, seed: int = 0) -> list[npt.NDArray[np.float32]]:
        """``n`` samples of each generator, ``K × [n, *x]``, all from the same latents."""
        return [self.gan.sample(n, seed=seed, generator=place) for place in range(self.n_generators)]


def _plain(value: object) -> Any:
    return value.item() if isinstance(value, np.generic) else value
