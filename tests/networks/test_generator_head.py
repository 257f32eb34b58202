"""Head surgery: what stays to the last bit, what is new, and who does not qualify."""

from __future__ import annotations

import copy
from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from gantlet.errors import BadValue, Refused
from gantlet.networks import DCGAN28, MLP
from gantlet.networks.autoencoders import DenseAutoEncoder
from gantlet.networks.began import BEGAN
from gantlet.networks.custom import ScorePerSample
from gantlet.networks.ebgan import EBGAN
from gantlet.networks.generator_head import Embedded, embedded, with_generator_head
from gantlet.networks.layers import Score
from gantlet.networks.r3gan import R3GAN
from gantlet.networks.resnet import ResNet
from gantlet.objectives.base import DiscriminatorOutput

IMAGE = (1, 16, 16)
SCORING = [
    pytest.param(MLP(d_width=4, d_depth=2), (3,), id="mlp"),
    pytest.param(DCGAN28(width=2), (1, 28, 28), id="dcgan28"),
    pytest.param(ResNet(width=2), IMAGE, id="resnet"),
    pytest.param(R3GAN(width=2, groups=2, blocks=1), IMAGE, id="r3gan"),
]
CODING = [
    pytest.param(DenseAutoEncoder(d_width=4, code=3), (5,), id="autoencoder"),
    pytest.param(EBGAN(width=2, d_norm="none"), IMAGE, id="ebgan"),
    pytest.param(BEGAN(width=2, code=3), IMAGE, id="began"),
]


class ConvolutionalEnd(nn.Module):
    """The head of a DCGAN without linear layers, behind one more level of nesting and a foreign shape of scores."""

    def __new__(cls) -> Any:
        inner = nn.Sequential(nn.Conv2d(1, 2, 4, stride=4), nn.Tanh())
        return ScorePerSample(nn.Sequential(inner, nn.Conv2d(2, 1, 4, bias=False)))


def build(family: Any, shape: tuple[int, ...], seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return family.discriminator(shape=shape).double()


def batch(shape: tuple[int, ...], *leading: int) -> Tensor:
    return torch.randn(*leading, *shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def judged(module: nn.Module, x: Tensor) -> DiscriminatorOutput:
    said = module(x)
    assert isinstance(said, DiscriminatorOutput)
    return said


def score(said: Any) -> Tensor:
    return said.score if isinstance(said, DiscriminatorOutput) else said


def filled(tensor: Tensor | None) -> Tensor:
    assert tensor is not None
    return tensor


@pytest.mark.parametrize(("family", "shape"), SCORING + CODING)
def test_a_generator_head_leaves_scores_to_the_last_bit(family: Any, shape: tuple[int, ...]) -> None:
    module, x = build(family, shape), batch(shape, 4)
    before = module(x)
    headed = with_generator_head(module, 3)
    said = judged(headed, x)
    assert torch.equal(said.score, score(before))
    logits = filled(said.generator_logits)
    assert logits.shape == (4, 3)
    if isinstance(before, DiscriminatorOutput):
        assert torch.equal(filled(said.code), filled(before.code))
    kept = {id(parameter) for parameter in headed.parameters()}
    assert kept > {id(parameter) for parameter in module.parameters()}


@pytest.mark.parametrize(("family", "shape"), SCORING)
def test_the_generator_head_is_linear_on_what_the_score_sees(family: Any, shape: tuple[int, ...]) -> None:
    """A head whose every row is the score's own weights says the score K times."""
    module, x = build(family, shape).eval(), batch(shape, 4)
    headed = with_generator_head(module, 3)
    old = [layer for layer in module.modules() if isinstance(layer, nn.Linear)][-1]
    new = headed.generator
    with torch.no_grad():
        new.weight.copy_(old.weight.expand(3, -1))
        if new.bias is not None:
            new.bias.copy_(old.bias.expand(3))
    assert (new.bias is None) == (old.bias is None)
    said = judged(headed, x)
    torch.testing.assert_close(filled(said.generator_logits), said.score.unsqueeze(1).expand(4, 3))


@pytest.mark.parametrize(("family", "shape"), CODING)
def test_an_auto_encoders_code_is_the_trunk(family: Any, shape: tuple[int, ...]) -> None:
    headed = with_generator_head(build(family, shape), 3)
    said = judged(headed, batch(shape, 4))
    head = headed.generator
    expected = filled(said.code) @ head.weight.T + head.bias
    torch.testing.assert_close(filled(said.generator_logits), expected)


@pytest.mark.parametrize(("family", "shape"), SCORING)
def test_an_embedding_of_the_old_head_repeats_the_score(family: Any, shape: tuple[int, ...]) -> None:
    """With rows 1, 2, 3 times the score's weights the code is (1, 2, 3) times the score, and their mean is 2 scores."""
    module, x = build(family, shape).eval(), batch(shape, 4)
    before = module(x)
    made = embedded(module, 3)
    assert isinstance(made, Embedded)
    old = [layer for layer in module.modules() if isinstance(layer, nn.Linear)][-1]
    factors = torch.arange(1.0, 4.0, dtype=torch.float64)
    with torch.no_grad():
        made.head.weight.copy_(factors.unsqueeze(1) * old.weight)
        if made.head.bias is not None:
            made.head.bias.copy_(factors * old.bias)
    said = judged(made, x)
    torch.testing.assert_close(filled(said.code), before.unsqueeze(1) * factors)
    torch.testing.assert_close(said.score, 2 * before)
    assert id(old.weight) not in {id(parameter) for parameter in made.parameters()}


def test_an_embedding_of_an_auto_encoder_keeps_the_encoder_only() -> None:
    module = build(EBGAN(width=2, d_norm="none"), IMAGE)
    made, x = embedded(module, 3), batch(IMAGE, 4)
    code = filled(module(x).code)
    torch.testing.assert_close(filled(judged(made, x).code), code @ made.head.weight.T + made.head.bias)
    gone = {id(parameter) for parameter in module.decoder.parameters()}
    assert not gone & {id(parameter) for parameter in made.parameters()}


def test_an_embedding_may_take_a_generator_head() -> None:
    made = embedded(build(MLP(d_width=4), (2,)), 5)
    headed, x = with_generator_head(made, 3), batch((2,), 4)
    said = judged(headed, x)
    assert torch.equal(said.score, judged(made, x).score)
    torch.testing.assert_close(filled(said.generator_logits), headed.generator(filled(said.code)))


def test_a_convolution_at_the_end_is_exchanged_in_kind() -> None:
    torch.manual_seed(0)
    module, x = ConvolutionalEnd().double(), batch(IMAGE, 5)
    before = module(x)
    assert before.shape == (5,)
    headed, made = with_generator_head(module, 3), embedded(module, 2)
    said = judged(headed, x)
    assert torch.equal(said.score, before)
    assert filled(said.generator_logits).shape == (5, 3)
    assert filled(judged(made, x).code).shape == (5, 2)
    for layer, outputs in ((headed.generator, 3), (made.head, 2)):
        assert (layer.kernel_size, layer.out_channels, layer.bias) == ((4, 4), outputs, None)


@pytest.mark.parametrize("surgery", [embedded, with_generator_head])
@pytest.mark.parametrize(("family", "shape"), SCORING + CODING)
def test_stacks_equal_their_networks(surgery: Any, family: Any, shape: tuple[int, ...]) -> None:
    modules = [surgery(build(family, shape, seed), 3).double() for seed in range(2)]
    x = batch(shape, 2, 4)
    parameters, buffers = stack_module_state(modules)
    template = copy.deepcopy(modules[0])

    def one(p: dict[str, Tensor], b: dict[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
        said = functional_call(template, {**p, **b}, (x,))
        return said.score, said.code if said.generator_logits is None else said.generator_logits

    together = vmap(one)(parameters, buffers, x)
    for n, module in enumerate(modules):
        said = judged(module, x[n])
        torch.testing.assert_close(together[0][n], said.score, rtol=1e-11, atol=1e-13)
        other = filled(said.code if said.generator_logits is None else said.generator_logits)
        torch.testing.assert_close(together[1][n], other, rtol=1e-11, atol=1e-13)


class Chain(nn.Sequential):
    """A chain that may do something else than its layers in a row."""


@pytest.mark.parametrize(
    ("module", "last"),
    [
        (nn.Sequential(nn.Linear(2, 4), nn.Linear(4, 2)), "Linear"),
        (nn.Sequential(nn.Linear(2, 1), nn.Sigmoid(), Score()), "Sigmoid"),
        (nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten()), "Conv2d"),
        (nn.Sequential(nn.Flatten(), Score()), "Sequential"),
        (nn.Bilinear(2, 2, 1), "Bilinear"),
        (Chain(OrderedDict(last=nn.Linear(2, 1))), "Chain"),
        (nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(2, 1)), Score()), "ParametrizedLinear"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("surgery", [embedded, with_generator_head])
def test_others_are_refused(surgery: Any, module: nn.Module, last: str) -> None:
    with pytest.raises(Refused, match=rf"ends in {last}, .* a chain \(nn.Sequential\) is expected"):
        surgery(module, 2)


def test_heads_of_nothing_are_refused() -> None:
    module = build(MLP(), (2,))
    with pytest.raises(BadValue, match="embedding of 0 features"):
        embedded(module, 0)
    with pytest.raises(BadValue, match="needs at least 1 generator, and 0 came"):
        with_generator_head(module, 0)
