"""Parts: keys and their prefixes, and which networks may play."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from gantlet import catalogue
from gantlet.errors import BadValue, Refused
from gantlet.methods.ebgan import EBGAN
from gantlet.methods.vanilla import VANILLA
from gantlet.methods.wgan_gp import WGAN_GP
from gantlet.networks.custom import CustomNetworks
from gantlet.networks.dcgan import DCGAN28
from gantlet.networks.mlp import MLP
from gantlet.requests.parts import Parts, choose_network, find_method, offered_networks, with_own
from gantlet.settings import setting
from gantlet.tasks.digits import DIGITS
from gantlet.tasks.gaussians import MIXTURE8, RING8

OWN = "torch.nn:Flatten"


def parts(**changes: Any) -> Parts:
    return Parts(RING8, replace(VANILLA, **changes), "mlp", MLP())


def prefixes(part: Parts, name: str) -> set[str]:
    return {key for key, known in part.keys().items() if known.part == name}


def test_one_penalty_has_a_short_prefix_and_several_have_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    penalty = catalogue.find("penalty", "gradient")
    monkeypatch.setitem(catalogue.FAMILIES["penalty"], "other-one", "gantlet.penalties.gradient:GradientPenalty")
    catalogue._table.cache_clear()  # pyright: ignore[reportPrivateUsage]
    try:
        assert prefixes(parts(penalties=("gradient",)), "penalty/gradient") == {
            *("penalty_weight", "penalty_target", "penalty_every")
        }
        two = parts(penalties=("gradient", "other-one"))
        assert prefixes(two, "penalty/gradient") == {"gradient_weight", "gradient_target", "gradient_every"}
        assert prefixes(two, "penalty/other-one") == {"other_one_weight", "other_one_target", "other_one_every"}
        assert catalogue.find("penalty", "other-one") is penalty
    finally:
        monkeypatch.undo()
        catalogue._table.cache_clear()  # pyright: ignore[reportPrivateUsage]


def test_picked_values_carry_the_parts_own_field_names() -> None:
    values: Mapping[str, Any] = {"penalty_weight": 3.0, "penalty_target": 2.0}
    rest = {name: key.setting.default for name, key in parts(penalties=("gradient",)).keys().items()}
    picked = parts(penalties=("gradient",)).pick("penalty/gradient", rest | dict(values))
    assert picked == {"weight": 3.0, "target": 2.0, "every": 1}


def test_two_parts_may_not_share_a_key() -> None:
    @dataclass(frozen=True)
    class Clashing(MLP):
        lr_g: float = setting(1.0, "a clash")

    with pytest.raises(BadValue, match=r"key lr_g of network clashes with that of training. Rename it"):
        Parts(RING8, VANILLA, "own", Clashing()).keys()


def test_a_fixed_field_is_no_key() -> None:
    fixed, free = parts().keys(), parts(fixed={}).keys()
    assert "saturating" not in fixed
    assert "saturating" in free


def test_a_network_that_a_method_cannot_play_is_not_offered() -> None:
    assert "dcgan28" in offered_networks(DIGITS, VANILLA)
    offered = set(offered_networks(DIGITS, WGAN_GP))
    assert {"fc-mnist", "dcgan28-plain", "wgan-gp-resnet"} <= offered
    assert not {"dcgan28", "dcgan", "ebgan"} & offered, "batch norm in the discriminator"
    assert set(offered_networks(DIGITS, EBGAN)) == {"autoencoder", "ebgan", "began"}


def test_a_preferred_network_comes_first_where_it_is_offered() -> None:
    assert next(iter(offered_networks(MIXTURE8, replace(VANILLA, prefers="mlp")))) == "mlp"
    assert next(iter(offered_networks(MIXTURE8, replace(VANILLA, prefers="dcgan28")))) == "stackelberg-mixture"


def test_a_method_that_finds_no_network_is_refused_with_what_it_needs() -> None:
    demanding = replace(VANILLA, name="ebgan", requires=frozenset({"autoencoder"}))
    with pytest.raises(Refused, match=r"'ebgan' needs a discriminator with: autoencoder. The task 'ring8' offers none"):
        offered_networks(RING8, demanding)
    with pytest.raises(Refused, match="needs autoencoder, which 'mlp' does not provide"):
        choose_network(RING8, demanding, {"network": "mlp"})
    assert choose_network(RING8, demanding, {"discriminator": OWN})[0] == "mlp"  # tried when it is built


def test_a_network_of_the_catalogue_may_be_named_on_any_task() -> None:
    assert choose_network(RING8, VANILLA, {"network": "stackelberg-mixture"})[0] == "stackelberg-mixture"
    assert choose_network(DIGITS, VANILLA, {"network": "dcgan28-plain"})[1] == DCGAN28(d_norm="none", g_norm="batch")


def test_a_family_of_ones_own_may_be_named_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text("from gantlet.networks.mlp import MLP\nclass Own(MLP):\n    pass\n")
    name, family = choose_network(RING8, VANILLA, {"network": f"{tmp_path}/nets.py:Own"})
    assert (name, type(family).__name__) == (f"{tmp_path}/nets.py:Own", "Own")
    assert "g_width" in Parts(RING8, VANILLA, name, family).keys()  # noqa: SIM118 - keys() is a method of Parts


def test_own_players_replace_those_of_the_family() -> None:
    family = with_own(MLP(), {"generator": "", "discriminator": OWN}, (2,))
    assert family == CustomNetworks(own_generator="", own_discriminator=OWN, rest=MLP(), shape=(2,))
    assert with_own(MLP(), {"generator": "", "discriminator": ""}, (2,)) == MLP()


def test_a_bare_objective_becomes_a_method() -> None:
    found = find_method("gantlet.objectives.alpha:Alpha")
    assert (found.objective, found.penalties, found.constraint) == ("gantlet.objectives.alpha:Alpha", (), None)
    assert found.summary == (catalogue.find("objective", "alpha").__doc__ or "").strip().splitlines()[0]
