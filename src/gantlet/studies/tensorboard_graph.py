"""A run's two networks as the graph that TensorBoard shows: each layer with its settings, and what it is given.

The networks are traced with symbols in the place of tensors (``torch.fx``), so nothing is computed. One that decides by values
of its input outside of its layers cannot be traced, and is a single node. ``samples`` stands for what a discriminator is given:
the generator's, or the data's.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from torch import fx, nn

from gantlet.randomness import seeded
from gantlet.training.blueprint import Blueprint

__all__ = ["network_graph"]


def network_graph(blueprint: Blueprint) -> bytes:
    """A serialised ``GraphDef`` of a fleet's generator (the generators of a team are alike) and discriminator.

    TensorBoard must be installed.
    """
    node_def, attr, graph_def, versions = (
        import_module(f"tensorboard.compat.proto.{name}_pb2")
        for name in ("node_def", "attr_value", "graph", "versions")
    )
    with seeded(0):
        generator, discriminator = blueprint.generator.build(), blueprint.discriminator.build()
    made_of = _traced("generator", generator, "latents")
    nodes = [
        *(("latents", "Placeholder", [], ""), *made_of),
        *(("data", "Placeholder", [], ""), ("samples", "Samples", [made_of[-1][0], "data"], "")),
        *_traced("discriminator", discriminator, "samples"),
    ]
    made = [
        node_def.NodeDef(
            name=name,
            op=op,
            input=given,
            attr={"settings": attr.AttrValue(s=said.encode(errors="replace"))} if said else {},
        )
        for name, op, given, said in nodes
    ]
    return graph_def.GraphDef(node=made, versions=versions.VersionDef(producer=22)).SerializeToString()


class _Layers(fx.Tracer):
    """Looks into modules that are made of others; a layer is a node, whatever it does with its input."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return super().is_leaf_module(m, module_qualified_name) or next(m.children(), None) is None


def _traced(player: str, module: nn.Module, given: str) -> list[tuple[str, str, list[str], str]]:
    """Name, operation, inputs and settings of every node of a network; the last is its result."""
    try:
        with seeded(0):  # a module that draws numbers of its own draws them here, too
            return _nodes(player, module, _Layers().trace(module), given)
    except Exception:  # whatever a user's module does with a symbol
        return [(player, type(module).__name__, [given], "")]


def _nodes(player: str, module: nn.Module, graph: fx.Graph, given: str) -> list[tuple[str, str, list[str], str]]:
    names: dict[fx.Node, str] = {}
    taken: dict[str, int] = {}
    found: list[tuple[str, str, list[str], str]] = []
    for node in graph.nodes:
        if node.op == "placeholder":
            names[node] = given
            continue
        inputs = list(dict.fromkeys(names[each] for each in node.all_input_nodes))
        names[node] = f"{player}/{_place(node, taken)}"
        part = module.get_submodule(str(node.target)) if node.op == "call_module" else None
        found.append((names[node], _operation(node, part), inputs, part.extra_repr() if part is not None else ""))
    return found


def _place(node: fx.Node, taken: dict[str, int]) -> str:
    """A layer's path in its network, or an operation's name; numbered where it is there already.

    ``taken`` has the places so far, and to which number each was counted.
    """
    path = place = str(node.target).replace(".", "/") if node.op in ("call_module", "get_attr") else node.name
    while place in taken:
        taken[path] += 1
        place = f"{path}_{taken[path]}"
    taken[place] = 0
    return place


def _operation(node: fx.Node, part: nn.Module | None) -> str:
    if part is not None:
        return type(part).__name__
    target: Any = node.target
    kinds = {"output": "Result", "get_attr": "Parameter"}
    return kinds.get(node.op, str(getattr(target, "__name__", target)))
