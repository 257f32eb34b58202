"""Parts: keys and their prefixes, and which networks may play."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from gantlet import catalogue
from gantlet.errors import BadValue, Refused
from gantlet.methods.ebgan import EBGAN
from gantlet.methods.vanilla import VANILLA
from gantlet.methods.wgan_gp import WGAN_GP
from gantlet.networks.dcgan import DCGAN28
from gantlet.networks.mlp import MLP
from gantlet.objectives.vanilla import Vanilla
from gantlet.penalties.gradient import GradientPenalty
from gantlet.requests.parts import Catalogue, Parts
from gantlet.requests.training_settings import EarlyChoice, TrainingSettings
from gantlet.settings import setting
from gantlet.tasks.digits import DIGITS
from gantlet.tasks.gaussians import MIXTURE8, RING8

OWN = "torch.nn:Flatten"


def parts(**changes: Any) -> Parts:
    method = replace(VANILLA, **changes)
    return Parts(RING8, method, "mlp", MLP(), Vanilla, dict.fromkeys(method.penalties, GradientPenalty))


def prefixes(part: Parts, name: str) -> set[str]:
    return {key for key, known in part.keys.items() if known.part == name}


def choose(task: Any, method: Any, **early: str) -> tuple[str, Any]:
    """The network that is chosen, by name."""
    found = Catalogue().parts(task, method, EarlyChoice(**early))
    return found.network, found.family


def test_one_penalty_has_a_short_prefix_and_several_have_their_names() -> None:
    assert prefixes(parts(penalties=("gradient",)), "penalty/gradient") == {
        *("penalty_weight", "penalty_target", "penalty_every")
    }
    two = parts(penalties=("gradient", "other-one"))
    assert prefixes(two, "penalty/gradient") == {"gradient_weight", "gradient_target", "gradient_every"}
    assert prefixes(two, "penalty/other-one") == {"other_one_weight", "other_one_target", "other_one_every"}


def test_a_part_is_built_from_the_values_of_its_own_keys() -> None:
    found = parts(penalties=("gradient",))
    values = {name: key.setting.default for name, key in found.keys.items()} | {"penalty_weight": 3.0, "lr_g": 0.5}
    assert found.build("penalty/gradient", values) == GradientPenalty(weight=3.0)
    assert found.build("training", values) == TrainingSettings(lr_g=0.5)
    assert found.build("network", values | {"g_width": 7}) == MLP(g_width=7)
    assert found.build("objective", values) == Vanilla(**VANILLA.fixed)


def test_two_parts_may_not_share_a_key() -> None:
    @dataclass(frozen=True)
    class Clashing(MLP):
        lr_g: float = setting(1.0, "a clash")

    clashing = Parts(RING8, VANILLA, "own", Clashing(), Vanilla, {})
    with pytest.raises(BadValue, match=r"key lr_g of network clashes with that of training. Rename it"):
        _ = clashing.keys


def test_a_fixed_field_is_no_key() -> None:
    assert "saturating" not in parts().keys
    assert "saturating" in parts(fixed={}).keys


def test_a_network_that_a_method_cannot_play_is_not_offered() -> None:
    assert "dcgan28" in Catalogue().offered(DIGITS, VANILLA)
    offered = set(Catalogue().offered(DIGITS, WGAN_GP))
    assert {"fc-mnist", "dcgan28-plain", "wgan-gp-resnet"} <= offered
    assert not {"dcgan28", "dcgan", "ebgan"} & offered, "batch norm in the discriminator"
    assert set(Catalogue().offered(DIGITS, EBGAN)) == {"autoencoder", "ebgan", "began"}


def test_a_preferred_network_comes_first_where_it_is_offered() -> None:
    assert next(iter(Catalogue().offered(MIXTURE8, replace(VANILLA, prefers="mlp")))) == "mlp"
    assert next(iter(Catalogue().offered(MIXTURE8, replace(VANILLA, prefers="dcgan28")))) == "stackelberg-mixture"


def test_a_method_that_finds_no_network_is_refused_with_what_it_needs() -> None:
    demanding = replace(VANILLA, name="ebgan", requires=frozenset({"autoencoder"}))
    with pytest.raises(Refused, match=r"'ebgan' needs a discriminator with: autoencoder. The task 'ring8' offers none"):
        Catalogue().offered(RING8, demanding)
    with pytest.raises(Refused, match="needs autoencoder, which 'mlp' does not provide"):
        choose(RING8, demanding, network="mlp")
    assert choose(RING8, demanding, discriminator=OWN)[0] == "mlp"  # tried when it is built


def test_a_network_of_the_catalogue_may_be_named_on_any_task() -> None:
    assert choose(RING8, VANILLA, network="stackelberg-mixture")[0] == "stackelberg-mixture"
    assert choose(DIGITS, VANILLA, network="dcgan28-plain")[1] == DCGAN28(d_norm="none", g_norm="batch")


def test_a_family_of_ones_own_may_be_named_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text("from gantlet.networks.mlp import MLP\nclass Own(MLP):\n    pass\n")
    path = f"{tmp_path}/nets.py:Own"
    found = Catalogue().parts(RING8, VANILLA, EarlyChoice(network=path))
    assert (found.network, type(found.family).__name__) == (path, "Own")
    assert "g_width" in found.keys


def test_the_networks_of_a_task_need_a_name_no_more_than_the_penalties_of_a_method() -> None:
    """What a request chooses early changes the method that is played, and not the one of the catalogue."""
    found = Catalogue().parts(RING8, WGAN_GP, EarlyChoice(penalties="r1+lecam", constraint="weight-clipping"))
    assert (found.method.penalties, list(found.penalties)) == (("r1", "lecam"), ["r1", "lecam"])
    assert found.method.constraint == "weight-clipping"
    assert {"r1_weight", "lecam_weight", "clip"} <= found.keys.keys()
    bare = Catalogue().parts(RING8, WGAN_GP, EarlyChoice(penalties="none"))
    assert (bare.method.penalties, bare.constraint) == ((), None)
    assert WGAN_GP.penalties == ("gradient",)


def test_a_bare_objective_becomes_a_method() -> None:
    found = Catalogue().method("gantlet.objectives.alpha:Alpha")
    assert (found.objective, found.penalties, found.constraint) == ("gantlet.objectives.alpha:Alpha", (), None)
    assert found.summary == (catalogue.find("objective", "alpha").__doc__ or "").strip().splitlines()[0]
