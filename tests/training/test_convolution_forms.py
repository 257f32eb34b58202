"""Forms by shape: the numbers of the library's convolutions, what is asked of the table, and who is left alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gantlet.data.base import Dataset
from gantlet.studies.build import blueprint
from gantlet.training import checkpoint, convolution_forms, stack
from gantlet.training.blueprint import Execution
from gantlet.training.convolution_forms import LayerShape, by_shape, choice_on, faster_as_product, measured_shapes
from gantlet.training.fleet import Fleet
from gantlet.training.stack import Form, Stack
from terminal import resolve

N, B = 3, 4
CPU = torch.device("cpu")
SHAPE = LayerShape(False, (4, 4), (2, 2), 8, 3, 64, 100_000, "tf32")


def discriminator() -> nn.Module:
    """Convolutions with and without groups, one of another border, one with holes; 8 → 4 → 4 → 3 pixels."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(6, 4, (3, 1), padding=(1, 0), groups=2, bias=False),
        nn.BatchNorm2d(4),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
        nn.Softplus(),
        nn.Conv2d(4, 2, 2, dilation=1, bias=False),
        nn.Conv2d(2, 2, 2, dilation=2),
        nn.Flatten(),
    )


def maker() -> nn.Module:
    """Transposed convolutions with and without groups; 3 → 6 → 12 pixels."""
    return nn.Sequential(
        nn.Unflatten(-1, (6, 3, 3)),
        nn.ConvTranspose2d(6, 4, 4, stride=2, padding=1, groups=2),
        nn.BatchNorm2d(4),
        nn.Tanh(),
        nn.ConvTranspose2d(4, 2, 5, stride=2, padding=2, output_padding=1),
    )


MAKERS = {"discriminator": (discriminator, (3, 8, 8)), "maker": (maker, (54,))}


class Asked:
    """Says the same of each shape, and keeps what it was asked."""

    def __init__(self, says: bool) -> None:
        self.says, self.shapes = says, list[LayerShape]()

    def __call__(self, shape: LayerShape) -> bool:
        self.shapes.append(shape)
        return self.says

    def on(self, device: torch.device) -> Asked:
        """In the place of ``choice_on``."""
        return self


def networks(name: str, form: Form, count: int, dtype: torch.dtype = torch.float64) -> tuple[Stack, Tensor]:
    make, shape = MAKERS[name]
    torch.manual_seed(0)
    members = [make() for _ in range(count)]
    x = torch.randn(count, 2, B, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    return Stack(members, form=form, seeds=range(count), device=CPU, dtype=dtype), x.to(dtype)


def everything(stack: Stack, x: Tensor) -> list[Tensor]:
    """Values, a penalty's first and second derivatives, running statistics, and several batches with their own."""
    inputs = x[:, 0].clone().requires_grad_()
    out = stack(inputs, advance=True)["out"]
    (slope,) = torch.autograd.grad(out.square().sum(), inputs, create_graph=True)
    (slope.square().sum() + out.sin().sum() + stack.batches(x)["out"].cos().sum()).backward()
    stack.commit()
    leaves = [out, slope, *stack.parameters.values()]
    assert inputs.grad is not None
    gradients = [p.grad for p in stack.parameters.values()]
    return [
        value.detach() for value in (*leaves, *gradients, inputs.grad, *stack.buffers.values()) if value is not None
    ]


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize(("form", "count"), [("stacked", N), ("loop", 1), ("loop", N)])
def test_numbers_and_both_derivatives_are_those_of_the_library(
    name: str, form: Form, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = everything(*networks(name, form, count))
    asked = Asked(True)
    monkeypatch.setattr(stack, "choice_on", asked.on)
    products = everything(*networks(name, form, count))
    assert asked.shapes
    assert len(products) == len(library) > 6
    for mine, theirs in zip(products, library, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-10)


def test_where_the_table_says_no_the_bits_are_the_librarys(monkeypatch: pytest.MonkeyPatch) -> None:
    library = everything(*networks("discriminator", "stacked", N, torch.float32))
    asked = Asked(False)
    monkeypatch.setattr(stack, "choice_on", asked.on)
    same = everything(*networks("discriminator", "stacked", N, torch.float32))
    assert asked.shapes
    assert all(mine.equal(theirs) for mine, theirs in zip(same, library, strict=True))


def test_what_is_asked_for_each_layer() -> None:
    """Of 8 × 8 pixels a 4×4 kernel of stride 2 sees 16 windows; groups are those of all networks."""
    asked = Asked(False)
    network = discriminator()
    by_shape(network, 5, asked)
    network(torch.zeros(B, 3, 8, 8))
    pixels = B * 16
    assert asked.shapes == [
        LayerShape(False, (4, 4), (2, 2), 5, 3, 6, pixels, "float32"),
        LayerShape(False, (3, 1), (1, 1), 10, 3, 2, pixels, "float32"),
        LayerShape(False, (2, 2), (1, 1), 5, 4, 2, B * 9, "float32"),
    ]
    asked.shapes.clear()
    network = maker()
    by_shape(network, 1, asked)
    with torch.autocast("cpu", torch.bfloat16):
        network(torch.zeros(B, 54))
    assert asked.shapes == [
        LayerShape(True, (4, 4), (2, 2), 2, 2, 3, B * 9, "bfloat16"),
        LayerShape(True, (5, 5), (2, 2), 1, 2, 4, B * 36, "bfloat16"),
    ]


def test_products_are_computed_in_the_lower_precision_too() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(8, 16, 3, padding=1, groups=4), nn.ConvTranspose2d(16, 8, 4, 2, 1))
    x = torch.randn(B, 8, 6, 6)
    wanted = network(x)
    by_shape(network, 1, Asked(True))
    with torch.autocast("cpu", torch.bfloat16):
        found = network(x)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), wanted, rtol=0.05, atol=0.02)


def test_layers_of_classes_of_their_own_stay() -> None:
    class Own(nn.Conv2d):
        pass

    asked = Asked(True)
    network = nn.Sequential(Own(1, 1, 3))
    by_shape(network, 1, asked)
    network(torch.zeros(1, 1, 4, 4))
    assert not asked.shapes
    assert type(network[0]) is Own


def test_an_empty_batch_and_a_compiler_have_the_librarys() -> None:
    asked = Asked(True)
    network = nn.Sequential(nn.Conv2d(1, 2, 3))
    by_shape(network, 1, asked)
    assert network(torch.zeros(0, 1, 4, 4)).shape == (0, 2, 2, 2)
    torch.compile(network, backend="eager", fullgraph=True)(torch.zeros(1, 1, 4, 4))
    assert not asked.shapes


# The table


def test_counts_are_rounded_to_powers_of_two() -> None:
    near = LayerShape(False, (4, 4), (2, 2), 9, 4, 60, 140_000, "tf32")
    far = LayerShape(False, (4, 4), (2, 2), 12, 4, 60, 140_000, "tf32")
    assert near.key == SHAPE.key != far.key


def test_what_is_not_in_the_table_or_slower_is_the_librarys(monkeypatch: pytest.MonkeyPatch) -> None:
    table: dict[str, float] = {}
    monkeypatch.setattr(convolution_forms, "measured_shapes", lambda: table)
    assert not faster_as_product(SHAPE)
    table[SHAPE.key] = 0.9
    assert not faster_as_product(SHAPE)
    table[SHAPE.key] = 1.2
    assert faster_as_product(SHAPE)


def test_forms_are_chosen_on_a_gpu_only_and_by_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(factor > 1 for factor in measured_shapes().values())
    table: dict[str, float] = {}
    monkeypatch.setattr(convolution_forms, "measured_shapes", lambda: table)
    gpu = torch.device("cuda", 1)
    assert choice_on(gpu) is choice_on(CPU) is None
    table[SHAPE.key] = 1.2
    assert choice_on(gpu) is faster_as_product
    assert choice_on(CPU) is None


# Training


@pytest.mark.parametrize(
    ("method", "words", "seeds"),
    [
        ("wgan-gp", ("network=dcgan28-plain", "width=4"), (1, 2, 3)),
        ("r3gan", ("network=r3gan", "width=4", "groups=2", "blocks=1"), (1,)),
    ],
)
def test_fleets_train_alike(method: str, words: tuple[str, ...], seeds: tuple[int, ...], monkeypatch: Any) -> None:
    """Members under ``vmap``, and a lone one whose layers have groups; with penalties, three steps in double precision."""
    side = 28 if method == "wgan-gp" else 8
    images = torch.rand(32, 1, side, side, generator=torch.Generator().manual_seed(3))
    data = Dataset(images * 2 - 1, torch.zeros(8, 1, side, side))
    (resolved,) = resolve("digits", method, "batch_size=8", "steps=3", "n_critic=1", "dtype=float64", *words)
    execution = Execution(route="stacked" if len(seeds) > 1 else "loop")
    sheet = blueprint([(resolved, seed) for seed in seeds], data.specification, execution)
    snapshots: list[dict[str, Tensor]] = []
    asked = Asked(True)
    for choice in (choice_on, asked.on):
        monkeypatch.setattr(stack, "choice_on", choice)
        fleet = Fleet(sheet, data)
        for _ in range(3):
            fleet.advance()
        snapshots.append(checkpoint.snapshot(fleet)[0])
    assert max(shape.groups for shape in asked.shapes) > 2
    library, products = snapshots
    for name, theirs in library.items():
        torch.testing.assert_close(products[name], theirs, rtol=1e-9, atol=1e-9, msg=name)
