"""Every `__all__` of labkeras is sorted, and what it names exists, is documented and is annotated."""

import ast
import inspect
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

PACKAGE = Path(__file__).parents[1] / "labkeras"


def module_files(folder: Path, name: str) -> Iterator[tuple[str, Path]]:
    """Every module below `folder` by its full name, found without importing any."""
    yield name, folder / "__init__.py"
    for module in pkgutil.iter_modules([str(folder)]):
        if module.ispkg:
            yield from module_files(folder / module.name, f"{name}.{module.name}")
        else:
            yield f"{name}.{module.name}", folder / f"{module.name}.py"


def declares_all(path: Path) -> bool:
    """Whether `__all__` is assigned at the top level, alone or, as by `labkeras.lazy.exports`, beside others."""
    return any(
        isinstance(node, ast.Name) and node.id == "__all__" and isinstance(node.ctx, ast.Store)
        for statement in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(statement, ast.Assign | ast.AnnAssign)
        for node in ast.walk(statement)
    )


def public_objects(module: ModuleType) -> dict[str, object]:
    """What `__all__` names, by name; a name that does not resolve fails the test that asks."""
    missing = [name for name in module.__all__ if not hasattr(module, name)]
    assert missing == [], f"{module.__name__}.__all__ names what is not there"
    return {name: getattr(module, name) for name in module.__all__}


def is_documented(thing: object) -> bool:
    if not (inspect.isclass(thing) or inspect.isroutine(thing) or inspect.ismodule(thing)):
        return True  # a constant or an alias: Python has no place for its docstring
    text = (thing.__doc__ or "").strip()
    is_generated = inspect.isclass(thing) and text.startswith(f"{thing.__name__}(")  # what @dataclass writes
    return bool(text) and not is_generated


def unannotated_parts(thing: object) -> list[str]:
    function = thing.__init__ if inspect.isclass(thing) else thing
    if not is_function_of_labkeras(function):
        return []
    signature = inspect.signature(inspect.unwrap(function))
    is_bound = inspect.isclass(thing)
    parameters = list(signature.parameters.values())[1 if is_bound else 0 :]
    parts = [parameter.name for parameter in parameters if parameter.annotation is inspect.Parameter.empty]
    return [*parts, "return"] if signature.return_annotation is inspect.Signature.empty else parts


def is_function_of_labkeras(thing: object) -> bool:
    return inspect.isfunction(thing) and thing.__module__.partition(".")[0] == "labkeras"


MODULES = sorted(name for name, path in module_files(PACKAGE, "labkeras") if declares_all(path))
each_module = pytest.mark.parametrize("name", MODULES)


def test_the_face_of_labkeras_is_declared() -> None:
    assert "labkeras" in MODULES


@each_module
def test_all_is_sorted_and_names_nothing_twice(name: str) -> None:
    names = list(import_module(name).__all__)
    assert names == sorted(set(names))


@each_module
def test_every_public_name_exists_and_is_documented(name: str) -> None:
    undocumented = [key for key, thing in public_objects(import_module(name)).items() if not is_documented(thing)]
    assert undocumented == []


@each_module
def test_every_public_function_is_annotated(name: str) -> None:
    things = public_objects(import_module(name))
    bare = {key: parts for key, thing in things.items() if (parts := unannotated_parts(thing))}
    assert bare == {}
