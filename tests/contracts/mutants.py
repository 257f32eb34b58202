"""Mutants: the classes under test with one thing wrong, made from their own source.

Each is what a slip of the pen could leave behind: real and fake exchanged, a factor 1/2 dropped or added on one term,
a sum in place of a mean, one setting in place of another, a sign. A contract that a mutant passes is worth nothing.
"""

from __future__ import annotations

import ast
import copy
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from gantlet.settings import settings_of

__all__ = ["Mutant", "mutants_of"]

Change = Callable[[ast.AST], ast.AST]


@dataclass(frozen=True)
class Mutant:
    """A class with one thing wrong; ``what`` says which, ``make`` makes it."""

    what: str
    make: Callable[[], type]

    def __str__(self) -> str:
        return self.what


def mutants_of(original: type, methods: Sequence[str]) -> Iterator[Mutant]:
    """Every mutant of some methods of a class."""
    lines, start = inspect.getsourcelines(original)
    tree = ast.increment_lineno(ast.parse("".join(lines)), start - 1)
    numeric = tuple(name for name, entry in settings_of(original).items() if entry.kind is float)
    within = {
        id(part): method.name
        for method in ast.walk(tree)
        if isinstance(method, ast.FunctionDef) and method.name in methods
        for part in ast.walk(method)
    }
    for number, node in enumerate(ast.walk(tree)):
        if id(node) not in within:
            continue
        spot = _Spot(original, tree, number, numeric)
        for what, change in spot.changes(node):
            where = f"{within[id(node)]}, line {getattr(node, 'lineno', 0)}"
            yield Mutant(f"{what} in {where}", lambda spot=spot, change=change: spot.compiled(change))


@dataclass(frozen=True)
class _Spot:
    """A node of a class's source, by its number in the walk, and what can go wrong there."""

    original: type
    tree: ast.Module
    number: int
    numeric: tuple[str, ...]

    def changes(self, node: ast.AST) -> Iterator[tuple[str, Change]]:
        # A symmetric pair of losses stays the same when exchanged; its critic does not.
        told_apart = not getattr(self.original, "symmetric", False) or getattr(node, "name", "") == "critic"
        exchangeable = isinstance(node, ast.FunctionDef) and any(entry.arg == "real" for entry in node.args.kwonlyargs)
        if exchangeable and told_apart:
            yield "real and fake exchanged", _exchange
        if isinstance(node, ast.Return):
            yield "a constant returned", lambda n: _value(n, "({}) * 0 - 100")
            yield "the sign turned", lambda n: _value(n, "-({})")
            yield "no gradient", lambda n: _value(n, "({}).detach()")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "mean":
            yield "half of a term", lambda n: _expression("({}) * 0.5", n)
            yield "twice a term", lambda n: _expression("({}) * 2.0", n)
            yield "a sum for a mean", lambda n: _attribute(n, "sum")
            yield "a mean over everything", lambda n: _expression("({}).mean()", n)
        if isinstance(node, ast.keyword) and isinstance(node.value, ast.Constant) and node.value.value in (0, 1):
            yield f"the other {node.arg}", _turn
        if isinstance(node, ast.Attribute) and node.attr in self.numeric:
            yield f"0.125 for {node.attr}", lambda n: _expression("0.125", n)
            yield f"1.125 {node.attr}", lambda n: _expression("1.125 * ({})", n)
            yield f"{node.attr} along the batch", lambda n: _expression("_along_the_batch({})", n)
            for other in sorted(set(self.numeric) - {node.attr}):
                yield f"{other} for {node.attr}", lambda n, other=other: _rename(n, other)

    def compiled(self, change: Change) -> type:
        """The class with the change, among the names of its own module."""
        tree = copy.deepcopy(self.tree)
        target = list(ast.walk(tree))[self.number]
        tree = ast.fix_missing_locations(_Replace(target, change).visit(tree))
        names = {**vars(inspect.getmodule(self.original)), "_along_the_batch": _along_the_batch}
        exec(compile(tree, f"<mutant of {self.original.__name__}>", "exec"), names)
        return names[self.original.__name__]


class _Replace(ast.NodeTransformer):
    def __init__(self, target: ast.AST, change: Change) -> None:
        self.target, self.change = target, change

    def visit(self, node: ast.AST) -> ast.AST:
        return self.change(node) if node is self.target else self.generic_visit(node)


def _along_the_batch(setting: object) -> object:
    """Settings per member ``[S, 1, 1]`` laid along the last axis: no error at S = B, only wrong numbers."""
    return setting.flatten() if hasattr(setting, "flatten") else setting


def _expression(template: str, node: ast.AST) -> ast.AST:
    return ast.parse(template.format(ast.unparse(node)), mode="eval").body


def _value(node: ast.AST, template: str) -> ast.AST:
    assert isinstance(node, ast.Return)
    assert node.value is not None
    new = _expression(template, node.value)
    assert isinstance(new, ast.expr)
    return ast.Return(value=new)


def _attribute(node: ast.AST, name: str) -> ast.AST:
    assert isinstance(node, ast.Call)
    assert isinstance(node.func, ast.Attribute)
    node.func.attr = name
    return node


def _rename(node: ast.AST, name: str) -> ast.AST:
    assert isinstance(node, ast.Attribute)
    node.attr = name
    return node


def _turn(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.keyword)
    assert isinstance(node.value, ast.Constant)
    return ast.keyword(node.arg, ast.Constant(1 - int(bool(node.value.value))))


def _exchange(node: ast.AST) -> ast.AST:
    """Exchange the names real and fake in a body; the signature stays."""
    assert isinstance(node, ast.FunctionDef)
    other = {"real": "fake", "fake": "real"}
    for statement in node.body:
        for part in ast.walk(statement):
            if isinstance(part, ast.Name) and part.id in other:
                part.id = other[part.id]
    return node
