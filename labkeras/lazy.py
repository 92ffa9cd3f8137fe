"""Packages whose names are imported on first use (PEP 562), listed once.

A package's `__init__.py` lists what it exports in an `if TYPE_CHECKING:` block of `from … import X as X` lines, which
type checkers and editors read as they stand. `exports` reads the same lines, so that there is no second list to keep:
each name is imported when somebody first asks for it, and `import labkeras` stays free of torch.
"""

import ast
import importlib
import sys
from collections.abc import Callable
from importlib.util import decode_source, resolve_name
from pathlib import Path
from typing import Any

__all__ = ["exports"]


def exports(package: str) -> tuple[list[str], Callable[[str], Any], Callable[[], list[str]]]:
    """`__all__`, `__getattr__` and `__dir__` of a package, from the imports in its `if TYPE_CHECKING:` block.

    Args:
        package: the package's `__name__`.

    Returns:
        The sorted names, a function that imports a name on first use, and one that lists the names.
    """
    module = sys.modules[package]
    origin = _exported_names(package)
    names = sorted(origin)

    def __getattr__(name: str) -> Any:  # noqa: N807  # PEP 562's name
        if name not in origin:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        source, original = origin[name]
        value = (
            importlib.import_module(source) if original is None else getattr(importlib.import_module(source), original)
        )
        setattr(module, name, value)
        return value

    def __dir__() -> list[str]:  # noqa: N807  # PEP 562's name
        return sorted({*module.__dict__, *names})

    return names, __getattr__, __dir__


def _exported_names(package: str) -> dict[str, tuple[str, str | None]]:
    """name → (module, attribute of the module, or None if the name is the module itself)."""
    source = _source(package)
    if source is None:
        raise ImportError(f"the source of {package} is needed to list what it exports, but was not found")
    found: dict[str, tuple[str, str | None]] = {}
    for statement in ast.parse(source).body:
        if not (isinstance(statement, ast.If) and getattr(statement.test, "id", None) == "TYPE_CHECKING"):
            continue
        for line in statement.body:
            if isinstance(line, ast.ImportFrom):
                target = (
                    resolve_name("." * line.level + (line.module or ""), package) if line.level else line.module or ""
                )
                for alias in line.names:
                    found[alias.asname or alias.name] = _origin(package, target, alias.name)
    return found


def _origin(package: str, target: str, name: str) -> tuple[str, str | None]:
    """`from labkeras import layers` names a module, `from labkeras.layers.layer import Layer` an attribute of one."""
    if target == package:
        return f"{target}.{name}", None
    return target, name


def _source(package: str) -> str | None:
    spec = sys.modules[package].__spec__
    loader = getattr(spec, "loader", None)
    if hasattr(loader, "get_source"):
        return loader.get_source(package)  # type: ignore[no-any-return, union-attr]
    # A loader of somebody's own, such as the one of pytest that rewrites assertions, may lack it.
    path = getattr(spec, "origin", None)
    return None if path is None else decode_source(Path(path).read_bytes())
