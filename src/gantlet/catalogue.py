"""The catalogue: which names each family knows, and where each lives.

gantlet's own are in :mod:`gantlet.names`. Nothing is imported before it is asked for. Third parties add names through entry
points (groups ``gantlet.objectives``, ``gantlet.penalties``, …), and anything importable can be named directly as
``package.module:Name``.
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
from .names import FAMILIES

__all__ = [
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
