"""`labkeras plugin new`: makes a package with components to begin with, whose tests pass."""

import argparse
import keyword
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from labkeras.errors import InvalidArgumentError
from labkeras.naming import to_snake_case
from labkeras.registry import CORE, Entry, registry_of

__all__ = ["main"]

_BAD_USAGE = 2
_TEMPLATES = Path(__file__).parent / "templates"
_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
_CLASS = re.compile(r"[A-Z][A-Za-z0-9]*")
_MOST_CHARACTERS = 30  # so that no line of what is made gets too long


@dataclass(frozen=True)
class _Kind:
    """A kind of component that can be made.

    Args:
        kind: its name, in the singular: also that of its templates, and of its option.
        summary: what is made unless somebody changes it.
        command: how it is used on the command line.
        check: how `labkeras plugin check` makes it; None for its defaults.
    """

    kind: str
    summary: str
    command: str
    check: str | None = None


_KINDS = (
    _Kind("layer", "a dense layer", "labkeras train experiment=digits_mlp model.layers.h1={name}", '{"units": 3}'),
    _Kind("loss", "a loss for labels and probabilities", "labkeras train experiment=digits_mlp loss={name}"),
    _Kind(
        "optimizer",
        "an optimizer",
        "labkeras train -m experiment=digits_mlp optimizer=adam,{name} optimizer.learning_rate=0.001,0.0003",
    ),
    _Kind(
        "metric",
        "a metric for labels and probabilities",
        "labkeras train experiment=digits_mlp 'metrics=[accuracy,{name}]'",
    ),
    _Kind("callback", "a callback", "labkeras train experiment=digits_mlp +callbacks.{name}.callback={name}"),
    _Kind(
        "dataset",
        "a data set",
        "labkeras train data={name} 'model.input.shape=[2]' ~model.layers.scale model.layers.out.units=3",
    ),
)


@dataclass(frozen=True)
class _Component:
    """One component of the package: its kind, its class's name or "load_data", and the name that it goes by."""

    kind: _Kind
    target: str
    name: str

    @property
    def kinds(self) -> str:
        return next(plural for plural in ("losses", f"{self.kind.kind}s") if plural.startswith(self.kind.kind))


def main(arguments: Sequence[str]) -> int:
    """Makes the package; the exit code is 2 if a name cannot be used or the folder is there already."""
    options = _parser().parse_args(arguments)
    try:
        bare = _bare_name(options.name)
        components = list(_components(bare, options))
        folder = Path(options.out) / f"labkeras-{bare}"
        _write(folder, dict(_files(bare, components)))
    except (InvalidArgumentError, OSError) as error:
        print(f"labkeras plugin new: {error}", file=sys.stderr)
        return _BAD_USAGE
    print(_farewell(folder, bare, components))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "labkeras plugin new",
        description="Makes a plugin's package, with components to begin with and tests that pass; by default a layer.",
        epilog="labkeras plugin new spline --layer KanDense --loss",
    )
    parser.add_argument(
        "name", help="of the plugin: lower-case letters, digits and hyphens; the package is labkeras-NAME"
    )
    for kind in _KINDS:
        metavar = "NAME" if kind.kind == "dataset" else "CLASS"
        parser.add_argument(
            f"--{kind.kind}", nargs="?", const="", metavar=metavar, help=f"with {kind.summary}; its {metavar.lower()}"
        )
    parser.add_argument("--out", default=".", metavar="DIR", help="the folder to make the package's folder in")
    return parser


def _bare_name(name: str) -> str:
    bare = name.removeprefix("labkeras-").removeprefix("labkeras_").replace("_", "-")
    if not _NAME.fullmatch(bare) or len(bare) > _MOST_CHARACTERS or bare == CORE:
        raise InvalidArgumentError(
            "a plugin's name has lower-case letters, digits and single hyphens, begins with a letter, and has at most "
            f"{_MOST_CHARACTERS} characters, such as 'spline' or 'state-space'. Received: name={name!r}"
        )
    return bare


def _components(bare: str, options: argparse.Namespace) -> Iterator[_Component]:
    given = {kind: getattr(options, kind.kind) for kind in _KINDS if getattr(options, kind.kind) is not None}
    taken: set[str] = set()
    for kind, wanted in (given or {_KINDS[0]: ""}).items():
        component = _component(bare, kind, wanted)
        if component.name in taken:
            raise InvalidArgumentError(
                f"two components cannot have one name: give each a class of its own. Received: --{kind.kind} {wanted}"
            )
        taken.add(component.name)
        core = [entry.name for entry in _entries_of_core(component)]
        if core:
            raise InvalidArgumentError(
                f"labkeras itself has {core[0]!r} among its {component.kinds}, and the name alone would go on to mean "
                f"that: choose another. Received: --{kind.kind} {wanted}"
            )
        yield component


def _component(bare: str, kind: _Kind, wanted: str) -> _Component:
    if kind.kind == "dataset":
        name = wanted or f"{bare}_data".replace("-", "_")
        if not _NAME.fullmatch(name) or "-" in name or keyword.iskeyword(name) or len(name) > _MOST_CHARACTERS + 5:
            raise InvalidArgumentError(
                "the name of a data set has lower-case letters, digits and underscores, such as 'two_moons'. "
                f"Received: --dataset {wanted}"
            )
        return _Component(kind, "load_data", name)
    target = wanted or "".join(part.title() for part in bare.split("-")) + kind.kind.title()
    base = kind.kind.title()
    if not _CLASS.fullmatch(target) or target in (base, "Any", "Tensor") or len(target) > _MOST_CHARACTERS + 9:
        raise InvalidArgumentError(
            f"the class of a {kind.kind} has a name such as 'Spline{base}': letters and digits, a capital first, no "
            f"other class's name. Received: --{kind.kind} {wanted}"
        )
    return _Component(kind, target, to_snake_case(target))


def _entries_of_core(component: _Component) -> list[Entry]:
    registry = registry_of(component.kinds)
    registry.names()  # files the core's components
    return [entry for entry in registry.entries_named(component.name) if entry.provider == CORE]


# --- files ------------------------------------------------------------------------------------------------------------


def _files(bare: str, components: list[_Component]) -> Iterator[tuple[str, str]]:
    """The path of each file in the package's folder, and what is in it."""
    package = f"labkeras_{bare}".replace("-", "_")
    common = {
        "distribution": f"labkeras-{bare}",
        "package": package,
        "entry_point": bare,
        **_texts(package, components),
    }
    yield "pyproject.toml", _filled("pyproject.toml", common)
    yield "README.md", _filled("README.md", common)
    yield "docs/index.md", _filled("index.md", common)
    yield f"src/{package}/__init__.py", _filled("init.py", common)
    yield f"src/{package}/py.typed", ""
    yield "tests/conftest.py", _filled("conftest.py", common)
    yield "tests/test_plugin.py", _filled("test_plugin.py", common)
    for one in components:
        names = {**common, "Class": one.target, "name": one.name, "module": one.name}
        yield f"src/{package}/{one.name}.py", _filled(f"{one.kind.kind}.py", names)
        yield f"tests/test_{one.name}.py", _filled(f"test_{one.kind.kind}.py", names)


def _texts(package: str, components: list[_Component]) -> dict[str, str]:
    checks = [
        f'    "{one.kinds}/{one.name}": {{"arguments": {one.kind.check}}},' for one in components if one.kind.check
    ]
    lines = ["# How `labkeras plugin check` makes what has no default.", "labkeras_check = {", *checks, "}"]
    summaries = [one.kind.summary for one in components]
    offers = summaries[0] if len(summaries) == 1 else f"{', '.join(summaries[:-1])} and {summaries[-1]}"
    hooks = [
        _filled(
            "hook", {"kinds": one.kinds, "kind": one.kind.kind, "name": one.name, "package": package, **_address(one)}
        )
        for one in components
    ]
    return {
        "offers_line": offers[0].upper() + offers[1:],
        "check": "\n".join([*lines, ""]) if checks else "",
        "hooks": "".join(hooks).strip("\n"),
        "commands": "\n".join(_commands(components)),
        "files": "\n".join(
            f"| `src/{package}/{one.name}.py` | {one.kind.summary}: `{one.name}` |" for one in components
        ),
        "sections": "\n\n".join(
            f"## {one.name}\n\n{one.kind.summary.capitalize()}. What it does, and when to use it." for one in components
        ),
        "offered": "\n".join(f'    ("{one.kinds}", "{one.name}"),' for one in components),
    }


def _address(one: _Component) -> dict[str, str]:
    return {"module": one.name, "target": one.target}


def _filled(template: str, names: dict[str, str]) -> str:
    text = (_TEMPLATES / f"{template}.txt").read_text(encoding="utf-8")
    return Template(text).substitute(names)


def _write(folder: Path, files: dict[str, str]) -> None:
    """Writes all files, or none."""
    if folder.exists():
        raise InvalidArgumentError(f"there is such a folder already. Received: {str(folder)!r}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    half_made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for path, text in files.items():
            (half_made / path).parent.mkdir(parents=True, exist_ok=True)
            (half_made / path).write_text(text, encoding="utf-8")
        half_made.chmod(0o755)  # that of a temporary folder is for its owner alone
        half_made.rename(folder)
    except BaseException:
        shutil.rmtree(half_made, ignore_errors=True)
        raise


def _farewell(folder: Path, bare: str, components: list[_Component]) -> str:
    kinds = ", ".join(f"{one.kind.kind} {one.name}" for one in components)
    commands = [f"cd {folder}", "pip install -e .", "pytest", f"labkeras plugin check labkeras-{bare}"]
    return "\n".join(
        [f"{folder} is made: {kinds}. Next:", "", *(f"  {command}" for command in (*commands, *_commands(components)))]
    )


def _commands(components: list[_Component]) -> list[str]:
    return [one.kind.command.format(name=one.name) for one in components]
