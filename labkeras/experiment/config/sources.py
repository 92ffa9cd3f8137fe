"""Where Hydra finds options: in YAML files, and, with no file written, in the registry.

`labkeras://` answers from the registry: the option `optimizer=adam` is the node of `adam` with the defaults of its
signature. `lk://` reads YAML files like Hydra's `file://`, and gives each node in them all its arguments, so that
every one can be overridden, swept and completed. The user's folders are searched first, then the shipped `conf/`, then
the registry.
"""

import os
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf

from labkeras.errors import AmbiguousComponentError, PluginError, UnknownComponentError
from labkeras.experiment.config.components import BY_SHAPE, GROUPS, complete, defaults_of
from labkeras.experiment.config.folders import shipped_conf, user_folders
from labkeras.experiment.config.setting import setting_nodes
from labkeras.plugins.manager import config_folders
from labkeras.registry import registry_of

__all__ = ["FileSource", "GROUPS", "RegistrySource", "installed", "layer_names", "shipped_conf"]

# Of these groups several options are used at once, so that each is filed below its name; "none" stands for no option.
_OF_MANY = ("callbacks", "metrics")
_NONE = "none"


@contextmanager
def installed(config_dir: str | None = None) -> Iterator[str]:
    """Within it Hydra knows the sources; another Hydra application in the same process sees nothing of them.

    Args:
        config_dir: a folder that is searched before all others.

    Yields:
        The folder to give to Hydra as that of the primary config.

    Raises:
        PluginError: if a plugin of Hydra's cannot be imported.
    """
    plugins = _hydra_plugins()
    for plugin in (FileSource, RegistrySource, _SearchPath):
        plugins.register(plugin)
    before = _SearchPath.before, _SearchPath.after
    _SearchPath.before, _SearchPath.after = user_folders(config_dir), config_folders()
    try:
        with setting_nodes(), _one_store():
            yield str(shipped_conf())
    finally:
        _SearchPath.before, _SearchPath.after = before


@contextmanager
def _one_store() -> Iterator[None]:
    """Within it Hydra does not copy its store of configs, which takes 4 ms and is done for each look at a group.

    The copy is to keep the list of sources as it is; the store in one of them is only read.
    """
    before = vars(ConfigStore).get("__deepcopy__")
    ConfigStore.__deepcopy__ = lambda store, memo: store  # type: ignore[attr-defined]
    try:
        yield
    finally:
        if before is None:
            del ConfigStore.__deepcopy__  # type: ignore[attr-defined]


def _hydra_plugins() -> Plugins:
    """Hydra's own plugins. One of them that cannot be imported ends every Hydra application in the environment."""
    try:
        return Plugins.instance()
    except Exception as error:
        files = [
            frame.filename for frame in traceback.extract_tb(error.__traceback__) if "hydra_plugins" in frame.filename
        ]
        raise PluginError(
            f"Hydra cannot start, because a plugin of Hydra's cannot be imported: {type(error).__name__}: {error}. "
            f"Uninstall or update the distribution that has {files[-1] if files else 'it'}."
        ) from error


class FileSource(ConfigSource):
    """YAML files in a folder; the nodes in them get all their arguments."""

    @staticmethod
    def scheme() -> str:
        """The first part of its addresses."""
        return "lk"

    def load_config(self, config_path: str) -> ConfigResult:
        path = self._file(config_path)
        if not path.is_file():
            raise ConfigLoadError(f"Config not found : {path}")
        header = self._get_header_dict(path.read_text(encoding="utf-8"))
        config = OmegaConf.load(path)
        if isinstance(config, DictConfig):
            is_whole = header["package"] == "_global_" or "/" not in config_path
            config = _completed(config, is_whole)
        return ConfigResult(provider=self.provider, path=self.full_path(), config=config, header=header)

    def available(self) -> bool:
        return self.is_group("")

    def is_group(self, config_path: str) -> bool:
        return os.path.isdir(os.path.join(self.path, config_path))

    def is_config(self, config_path: str) -> bool:
        return self._file(config_path).is_file()

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        found: list[str] = []
        folder = os.path.join(self.path, config_path)
        for name in os.listdir(folder):
            self._list_add_result(found, os.path.join(config_path, name), name, results_filter)
        return sorted(set(found))

    def _file(self, config_path: str) -> Path:
        return Path(self.path, self._normalize_file_name(config_path))


class RegistrySource(ConfigSource):
    """The components of the registry, as options of the groups in `GROUPS`."""

    @staticmethod
    def scheme() -> str:
        """The first part of its addresses."""
        return "labkeras"

    def load_config(self, config_path: str) -> ConfigResult:
        group, _, name = config_path.partition("/")
        node = {} if name == _NONE else _option(group, name)
        # A qualified name has a slash in it, which Hydra would take for a group of its own.
        header = {"package": group if "/" in name else None}
        return ConfigResult(provider=self.provider, path=self.full_path(), config=OmegaConf.create(node), header=header)

    def available(self) -> bool:
        return True

    def is_group(self, config_path: str) -> bool:
        return config_path == "" or config_path in GROUPS

    def is_config(self, config_path: str) -> bool:
        group, _, name = config_path.removesuffix(".yaml").partition("/")
        if group not in GROUPS or not name:
            return False
        try:
            return name in _extra_options(group) or name in registry_of(GROUPS[group])
        except AmbiguousComponentError:
            return True  # loading it says which distributions provide the name

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        if config_path == "":
            return [] if results_filter == ObjectType.CONFIG else sorted(GROUPS)
        if config_path not in GROUPS or results_filter == ObjectType.GROUP:
            return []
        return sorted({*registry_of(GROUPS[config_path]).names(), *_extra_options(config_path)})


class _SearchPath(SearchPathPlugin):
    """Puts the sources in their order, with `lk://` where Hydra has `file://`."""

    before: ClassVar[list[Path] | None] = None  # None: not our application
    after: ClassVar[list[Path]] = []

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        if self.before is None:
            return
        for element in search_path.get_path():
            if element.provider == "main" and "://" not in element.path:
                element.path = f"lk://{element.path}"
        for folder in self.before:
            search_path.prepend("labkeras-user", f"lk://{folder}", "main")
        for folder in self.after:
            search_path.append("labkeras-plugin", f"lk://{folder}")
        search_path.append("labkeras-registry", "labkeras://")


def _extra_options(group: str) -> tuple[str, ...]:
    """Names that are no components: "none", and the metrics that are picked by the shapes of the output."""
    return ((_NONE,) if group in _OF_MANY else ()) + (BY_SHAPE if group == "metrics" else ())


def _option(group: str, name: str) -> dict[str, Any]:
    try:
        node = defaults_of(GROUPS[group], name)
    except UnknownComponentError as error:
        raise ConfigLoadError(str(error)) from error
    if group == "model":
        node = {"kind": "subclass", **node}
    return {name.rpartition("/")[2]: node} if group in _OF_MANY else node


def _completed(config: DictConfig, is_whole: bool) -> DictConfig:
    plain = OmegaConf.to_container(config, resolve=False)
    reserved = {key: plain.pop(key) for key in ("defaults", "hydra") if isinstance(plain, dict) and key in plain}
    completed = complete(_with_names(plain), is_whole)
    return OmegaConf.create({**reserved, **completed})


def _with_names(value: Any) -> Any:
    """Layers written as a list, named as Keras names them: "dense", "dense_1"."""
    if isinstance(value, list):
        return [_with_names(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    named = {key: _with_names(item) for key, item in value.items()}
    for key in ("layers", "nodes"):
        layers = named.get(key)
        if isinstance(layers, list) and all(isinstance(layer, Mapping) for layer in layers):
            named[key] = dict(zip(layer_names(layers), layers, strict=True))
    return named


def layer_names(layers: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of layers written as a list, as Keras names them: "dense", "dense_1"."""
    names: list[str] = []
    counts: dict[str, int] = {}
    for layer in layers:
        name = str(layer.get("layer") or layer.get("call") or "block").rpartition("/")[2]
        count = counts[name] = counts.get(name, -1) + 1
        names.append(name if count == 0 else f"{name}_{count}")
    return names
