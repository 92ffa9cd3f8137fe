"""The first sentence of a component's documentation, read from its source: importing it would import torch."""

import ast
from functools import cache
from importlib.util import find_spec, resolve_name

__all__ = ["summary_of"]

_MOST_HOPS = 10  # through modules that import the name from one another


def summary_of(address: str) -> str:
    """The first line of the docstring of "module:Name", or an empty string if the source does not tell."""
    module, _, name = address.partition(":")
    for _ in range(_MOST_HOPS):
        node = _definitions(module).get(name)
        if node is None:
            return ""
        if not isinstance(node, tuple):
            return (ast.get_docstring(node) or "").partition("\n")[0]
        module, name = node
    return ""


Definition = ast.ClassDef | ast.FunctionDef | tuple[str, str]
"""Where a name of a module comes from: it is defined there, or it is a name of a module."""


@cache
def _definitions(module: str) -> dict[str, Definition]:
    """name → its definition or origin, for the names at the top level of a module, `if TYPE_CHECKING:` included."""
    spec = source = None
    try:
        spec = find_spec(module)
        # Every loader of files has `get_source`.
        source = spec.loader.get_source(module) if spec and spec.loader else None  # type: ignore[attr-defined]
    except (ImportError, AttributeError, ValueError):
        return {}
    statements = ast.parse(source).body if source else []
    package = module if spec is not None and spec.submodule_search_locations is not None else module.rpartition(".")[0]
    found: dict[str, Definition] = {}
    for statement in statements:
        for inner in statement.body if isinstance(statement, ast.If) else [statement]:
            found |= _defined_by(inner, module, package)
    return found


def _defined_by(statement: ast.stmt, module: str, package: str) -> dict[str, Definition]:
    if isinstance(statement, ast.ClassDef | ast.FunctionDef):
        return {statement.name: statement}
    if isinstance(statement, ast.ImportFrom):
        origin = resolve_name("." * statement.level + (statement.module or ""), package)
        return {alias.asname or alias.name: (origin, alias.name) for alias in statement.names}
    if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Name):
        return {target.id: (module, statement.value.id) for target in statement.targets if isinstance(target, ast.Name)}
    return {}
