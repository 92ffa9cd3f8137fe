"""The plugin that somebody names: installed, a module, or the folder of a package."""

import importlib.util
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labkeras.errors import InvalidArgumentError, PluginError, did_you_mean
from labkeras.plugins.manager import GROUP, Plugin, plugins, problems, registered, use_plugins

__all__ = ["Found", "found_plugin"]


@dataclass
class Found:
    """A plugin.

    Args:
        distribution: that its components are filed under.
        version: of the distribution; empty if it is not installed.
        module: that has the hooks.
        faults: what is wrong with it as a whole.
    """

    distribution: str
    version: str
    module: Any
    faults: list[str] = field(default_factory=list)


@contextmanager
def found_plugin(name: str) -> Iterator[Found]:
    """The plugin of a name, which is filed as long as this lasts.

    Args:
        name: of its distribution, entry point or module, or the folder of its package.

    Raises:
        InvalidArgumentError: if there is none.
        PluginError: if it cannot be loaded.
    """
    folder = Path(name)
    installed = _installed(name)
    if installed is not None:
        yield _as_found(installed)
    elif folder.is_dir() and ((folder / "pyproject.toml").is_file() or (folder / "__init__.py").is_file()):
        distribution, module = _of_folder(folder.resolve())
        known = next((one for one in plugins() if one.module is module), None)
        if known is not None:
            yield _as_found(known)
        else:
            with registered(module, distribution):
                yield _as_found(Plugin(distribution, "", distribution, module))
    else:
        yield _as_found(_local(name))


def _installed(name: str) -> Plugin | None:
    aside = [one for one in problems() if one.set_aside and name in (one.distribution, one.name)]
    if aside:
        raise PluginError(str(aside[0]))
    return next(
        (one for one in plugins() if name in (one.distribution, one.name, getattr(one.module, "__name__", ""))), None
    )


def _local(name: str) -> Plugin:
    known = sorted({word for one in plugins() for word in (one.distribution, one.name)})
    if not all(part.isidentifier() for part in name.split(".")) or not _is_module(name):
        raise InvalidArgumentError(
            f"there is no plugin, module or folder of a package {name!r}.{did_you_mean(name, known)} "
            f"Installed plugins: {', '.join(known) or 'none'}. A folder needs a pyproject.toml with an entry point in "
            f"the group {GROUP!r}"
        )
    use_plugins([name])
    return next(one for one in plugins() if one.name == name)


def _is_module(name: str) -> bool:
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _of_folder(folder: Path) -> tuple[str, Any]:
    """The name and the module of the package in a folder."""
    if not (folder / "pyproject.toml").is_file():
        sys.path.insert(0, str(folder.parent))
        return folder.name, _imported(folder.name)
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        (module,) = project["entry-points"][GROUP].values()
    except (KeyError, ValueError) as error:
        raise PluginError(
            f"{folder / 'pyproject.toml'} must name the plugin's module: [project.entry-points.{GROUP}], and below it "
            f'kan = "labkeras_kan". Received: {type(error).__name__}: {error}'
        ) from error
    sys.path[:0] = [str(place) for place in (folder / "src", folder) if place.is_dir()]
    return str(project["name"]), _imported(str(module))


def _imported(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except Exception as error:
        raise PluginError(f"the module {module!r} cannot be imported: {type(error).__name__}: {error}") from error


def _as_found(plugin: Plugin) -> Found:
    faults = [one.error for one in problems() if (one.distribution, one.name) == (plugin.distribution, plugin.name)]
    return Found(plugin.distribution, plugin.version, plugin.module, faults)
