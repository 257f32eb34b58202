"""A package as a graph: its files, which part of the architecture each belongs to, and what they import and define.

Read by ``scripts/shape``. Imports follow the order of the architecture, see ``ORDER``; no two modules import each other,
not even by way of others or for types alone; nothing imports the package's own face, which stands above everything; and
no public name is defined twice.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeGuard

__all__ = ["Documentable", "File", "Function", "Graph", "Signature", "documented", "read"]

PACKAGE = "gantlet"

ORDER = (
    (
        "errors",
        "main_guard",
        "stopping",
        "settings",
        "names",
        "catalogue",
        "families",
        "files",
        "leftovers",
        "places",
        "cpu",
        "memory",
        "devices",
        "randomness",
        "_version",
    ),
    ("data", "networks", "objectives", "penalties"),
    ("training",),
    ("metrics", "conformance"),
    ("methods", "tasks"),
    ("statistics",),
    ("requests",),
    ("figures",),
    ("studies",),
    ("exports", "reports"),
    ("api",),
    ("cli", "__main__"),
)
"""A part may import itself and every part of an earlier line; the package's own ``__init__`` all of them."""

SIBLINGS = {
    ("settings", "errors"),
    ("catalogue", "errors"),
    ("catalogue", "main_guard"),
    ("catalogue", "names"),
    ("families", "errors"),
    ("families", "settings"),
    ("families", "catalogue"),
    ("families", "names"),
    ("files", "errors"),
    ("files", "leftovers"),
    ("places", "errors"),
    ("places", "leftovers"),
    ("devices", "errors"),
    ("catalogue", "settings"),
    ("penalties", "objectives"),
    ("networks", "objectives"),
    ("__main__", "cli"),
}
"""Who may import whom within one line of ``ORDER``; under ``TYPE_CHECKING`` every sibling may."""

TYPES_ONLY = ("TYPE_CHECKING", "typing.TYPE_CHECKING")

SILENT = {"COMMENT", "NL", "NEWLINE", "INDENT", "DEDENT", "ENDMARKER"}
"""The tokens that hold no code."""

LEVEL = {part: level for level, parts in enumerate(ORDER) for part in parts}

SETTINGS_FROM = LEVEL["statistics"]
"""From this line of ``ORDER`` on, settings are typed: no subscript names one by a string. Below, strings are of files."""

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documentable = ast.Module | ast.ClassDef | Function


@dataclass(frozen=True)
class Signature:
    """A function or method as it was found; ``bound`` says that its first argument is self or cls."""

    node: Function
    bound: bool

    @property
    def length(self) -> int:
        """Lines from ``def`` to the last one."""
        return (self.node.end_lineno or self.node.lineno) - self.node.lineno + 1

    @property
    def arguments(self) -> list[ast.arg]:
        """All arguments but self or cls; ``*args`` and ``**kwargs`` count as one each."""
        given = self.node.args
        plain = [*given.posonlyargs, *given.args][1 if self.bound else 0 :]
        return [*plain, *given.kwonlyargs, *(arg for arg in (given.vararg, given.kwarg) if arg)]

    @property
    def untyped(self) -> list[str]:
        """The arguments without annotation, and ``return``."""
        bare = [arg.arg for arg in self.arguments if arg.annotation is None]
        return bare if self.node.returns else [*bare, "return"]


@dataclass(frozen=True, eq=False)
class File:
    """A source file; ``parts`` is its path within the package, without suffix."""

    path: Path
    parts: tuple[str, ...]
    text: str
    tree: ast.Module

    def __str__(self) -> str:
        return f"{'/'.join(self.parts)}.py"

    @property
    def length(self) -> int:
        """Physical lines."""
        return len(self.text.splitlines())

    @property
    def place(self) -> str:
        """The part of the architecture it belongs to; empty for the package's own ``__init__``."""
        return "" if self.parts == ("__init__",) else self.parts[0]

    @property
    def signatures(self) -> list[Signature]:
        """Every function, nested ones too."""
        owners = [node for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef)]
        bound = {id(node) for owner in owners for node in owner.body if not _is_static(node)}
        functions = [node for node in ast.walk(self.tree) if isinstance(node, Function)]
        return [Signature(node, id(node) in bound) for node in functions]

    @property
    def public(self) -> list[ast.ClassDef | Function]:
        """The classes and functions of the module that have no underscore or stand in ``__all__``."""
        named = _exported(self.tree)
        found = [node for node in self.tree.body if isinstance(node, ast.ClassDef | Function)]
        return [node for node in found if node.name in named or not node.name.startswith("_")]

    @cached_property
    def code_lines(self) -> int:
        """Lines that hold code: no blank ones, comments or docstrings."""
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        spans = [(token.start[0], token.end[0]) for token in tokens if tokenize.tok_name[token.type] not in SILENT]
        prose = [(node.lineno, node.end_lineno or 0) for node in ast.walk(self.tree) if _is_prose(node)]
        return len(_lines(spans) - _lines(prose))


@dataclass(frozen=True)
class Graph:
    """The files of a package, and what holds between them."""

    files: Sequence[File]

    def upward(self) -> Iterator[tuple[File, str]]:
        """Imports against the order of the architecture, as ``line: why``."""
        for file in self.files:
            for line, target, typing in _imports(file):
                if reason := _misplaced(file.place, target, typing=typing):
                    yield file, f"{line}: {reason}"

    def of_the_face(self) -> Iterator[tuple[File, str]]:
        """Imports of the package itself from within it, as ``line: what``."""
        for file in self.files:
            for line in sorted({line for line, target, _ in _imports(file) if target == "" and file.place}):
                yield file, f"{line}: imports the face of {PACKAGE}; import the module that has the name"

    def twice(self) -> Iterator[tuple[File, str]]:
        """Public classes and functions whose name another file has defined before, as ``line: which``."""
        known: dict[str, File] = {}
        for file in self.files:
            for node in file.tree.body:
                if isinstance(node, ast.ClassDef | Function) and not node.name.startswith("_"):
                    first = known.setdefault(node.name, file)
                    if first is not file:
                        yield file, f"{node.lineno}: {node.name} is defined in {first}, too"

    def circles(self) -> Iterator[tuple[File, str]]:
        """Modules that import each other, directly or through others, as ``1: which``; each set of them once."""
        edges = self._edges
        after = {file: _reached(file, edges) for file in self.files}
        told: set[File] = set()
        for file in self.files:
            circle = [other for other in self.files if other in after[file] and file in after[other]]
            if file in circle and file not in told:
                told |= set(circle)
                yield file, f"1: modules import each other: {' ↔ '.join(map(str, circle))}"

    def subscripts(self) -> Iterator[tuple[File, str]]:
        """Settings that are looked up by a string where they should be a typed field, as ``line: which``."""
        names = {name for file in self.files for name in _settings(file.tree)}
        for file in self.files:
            if LEVEL.get(file.place, -1) >= SETTINGS_FROM:
                found = [
                    node for node in ast.walk(file.tree) if isinstance(node, ast.expr) and _looked_up(node) in names
                ]
                for node in sorted(found, key=lambda node: node.lineno):
                    yield file, f"{node.lineno}: {ast.unparse(node)} looks a setting up by a string"

    @property
    def _edges(self) -> Mapping[File, set[File]]:
        modules = {file.parts: file for file in self.files if file.place}
        return {file: set(_modules(file, modules)) - {file} for file in self.files if file.place}


def _reached(start: File, edges: Mapping[File, set[File]]) -> set[File]:
    """Every module that a module leads to; itself only where a circle leads back."""
    found: set[File] = set()
    waiting = list(edges.get(start, ()))
    while waiting:
        if (file := waiting.pop()) not in found:
            found.add(file)
            waiting += edges[file]
    return found


def _modules(file: File, modules: Mapping[tuple[str, ...], File]) -> Iterator[File]:
    """The modules that a file imports: the longest beginning of each dotted path that is one."""
    for node, _ in _with_typing(file.tree, typing=False):
        for dotted in _targets(node, file.parts):
            for length in range(len(dotted), 1, -1) if dotted[:1] == (PACKAGE,) else ():
                path = dotted[1:length]
                if target := modules.get(path) or modules.get((*path, "__init__")):
                    yield target
                    break


def _settings(tree: ast.Module) -> Iterator[str]:
    """The names of the fields that ``setting(…)`` declares."""
    for node in ast.walk(tree):
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Call(func=ast.Name(id="setting"))):
                yield name
            case _:
                pass


def _looked_up(node: ast.expr) -> object:
    """The string in ``…["NAME"]``, ``….get("NAME")`` and ``….pop("NAME")``."""
    match node:
        case ast.Subscript(slice=ast.Constant(value)):
            return value
        case ast.Call(func=ast.Attribute(attr="get" | "pop"), args=[ast.Constant(value), *_]):
            return value
        case _:
            return None


def _misplaced(place: str, target: str, *, typing: bool) -> str | None:
    """Why ``place`` may not import ``target``, or None if it may."""
    if place in ("", target) or target == "":
        return None
    for part in (place, target):
        if part not in LEVEL:
            return f"'{part}' has no place in the import order (ORDER in scripts/shape_graph.py)"
    behind = LEVEL[place] - LEVEL[target]
    if behind > 0 or (place, target) in SIBLINGS or (typing and behind == 0):
        return None
    return f"{place} imports {target}, against the import order"


def _imports(file: File) -> Iterator[tuple[int, str, bool]]:
    """Line, part of the package (empty: the package itself) and whether it is for types alone."""
    for node, typing in _with_typing(file.tree, typing=False):
        for dotted in _targets(node, file.parts):
            if dotted[:1] == (PACKAGE,):
                yield node.lineno, _part(dotted, file), typing


def _targets(node: ast.Import | ast.ImportFrom, parts: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The dotted paths that an import names, relative ones made absolute."""
    if isinstance(node, ast.Import):
        return [tuple(alias.name.split(".")) for alias in node.names]
    base = (PACKAGE, *parts)[: -node.level] if node.level else ()
    module = (*base, *(node.module or "").split(".")) if node.module else base
    return [(*module, alias.name) for alias in node.names]


def _part(dotted: tuple[str, ...], file: File) -> str:
    # `from gantlet import run` names an object of the package, `from gantlet import data` a part of it.
    root = file.path.parents[len(file.parts) - 1]
    name = dotted[1] if len(dotted) > 1 else ""
    return name if (root / name).is_dir() or (root / f"{name}.py").is_file() else ""


def _with_typing(node: ast.AST, *, typing: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Every import below a node, and whether it stands under ``if TYPE_CHECKING``."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, typing
        elif isinstance(child, ast.If) and ast.unparse(child.test) in TYPES_ONLY:
            for branch, inside in ((child.body, True), (child.orelse, typing)):
                yield from _with_typing(ast.Module(branch, []), typing=inside)
        else:
            yield from _with_typing(child, typing=typing)


def _exported(tree: ast.Module) -> set[object]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return {entry.value for entry in ast.walk(node.value) if isinstance(entry, ast.Constant)}
    return set()


def _is_static(node: ast.stmt) -> bool:
    return isinstance(node, Function) and "staticmethod" in map(ast.unparse, node.decorator_list)


def _is_prose(node: ast.AST) -> TypeGuard[ast.Expr]:
    constant = node.value if isinstance(node, ast.Expr) else None
    return isinstance(constant, ast.Constant) and isinstance(constant.value, str)


def _lines(spans: list[tuple[int, int]]) -> set[int]:
    return {line for first, last in spans for line in range(first, last + 1)}


def documented(node: Documentable) -> bool:
    """Whether a module, class or function has a docstring."""
    return bool(ast.get_docstring(node))


def read(folder: Path) -> list[File]:
    """Every Python file below a folder, but for those of one docstring only."""
    files: list[File] = []
    for path in sorted(folder.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text, str(path))
        if len(tree.body) > documented(tree):
            files.append(File(path, path.relative_to(folder).with_suffix("").parts, text, tree))
    return files
