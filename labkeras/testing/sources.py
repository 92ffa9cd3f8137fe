"""What the source of a component says: docstring, functions, imports."""

import ast
import functools
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

__all__ = ["documented_arguments", "imports_of", "own_functions"]

_ENTRY = re.compile(r"^ {4}((?:\**\w+,\s+)*\**\w+)(?: \([^)]*\))?:", re.MULTILINE)


def documented_arguments(text: str) -> set[str]:
    """The names that the part `Args:` of a docstring explains; several may share a line: `a, b: …`."""
    _, _, after = text.partition("Args:\n")
    # The part ends at the next line that is not indented.
    part = re.split(r"\n(?=\S)", after)[0]
    return {name.strip().strip("*") for names in _ENTRY.findall(part) for name in names.split(",")}


def own_functions(thing: Any) -> Iterator[Callable[..., Any]]:
    """The functions written in a class itself, without those of its bases; a function itself."""
    if not inspect.isclass(thing):
        yield inspect.unwrap(thing)
        return
    for value in vars(thing).values():
        function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if inspect.isfunction(function) and function.__name__ != "<lambda>":
            unwrapped = inspect.unwrap(function)
            if unwrapped.__module__ == thing.__module__:
                yield unwrapped


def imports_of(module: str) -> list[tuple[Path, int, str]]:
    """What the package of a module imports: file, line and top package of each import."""
    return [(path, *found) for path in _files_of(module) for found in _imports_in(path)]


def _files_of(module: str) -> list[Path]:
    try:
        spec = importlib.util.find_spec(module.partition(".")[0])
    except (ImportError, ValueError):  # a script
        spec = None
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    if folders:
        return [path for folder in folders for path in sorted(Path(folder).rglob("*.py"))]
    file = getattr(sys.modules.get(module), "__file__", None)
    return [] if file is None else [Path(file)]


@functools.lru_cache(maxsize=2000)
def _imports_in(path: Path) -> tuple[tuple[int, str], ...]:
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name.partition(".")[0]) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.append((node.lineno, node.module.partition(".")[0]))
    return tuple(found)
