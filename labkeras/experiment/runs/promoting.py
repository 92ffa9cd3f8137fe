"""A good run becomes a preset: a file in `conf/experiment` that composes to what was run."""

import re
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import OmegaConf

from labkeras.errors import ConfigError, RunDirectoryError
from labkeras.experiment.config.components import complete
from labkeras.experiment.config.composition import compose
from labkeras.experiment.config.hydra_session import parsed
from labkeras.experiment.runs.directory import RunDirectory
from labkeras.experiment.runs.going_on import config_of_run
from labkeras.files import atomic_write

__all__ = ["promote"]

_FOLDER = Path("conf")
_NAME = re.compile(r"[A-Za-z_][\w-]*")
# Of a preset: a folder is one run's; the name is the preset's.
_NOT_OF_PRESET = ("run_dir", "name", "resume", "sweep_dir", "sweeper", "launcher", "debug")


def promote(run: RunDirectory, name: str, *, folder: str | Path = _FOLDER, force: bool = False) -> Path:
    """Writes `conf/experiment/NAME.yaml`, so that `experiment=NAME` is what the run was.

    It says what the command line of the run said, as short as that; if that does not compose to the run's config any
    more, because files that it named have changed, it says everything.

    Args:
        run: the run.
        name: of the preset: letters, digits, `_` and `-`.
        folder: of the configs; `conf` in the current folder.
        force: whether a preset that is there is replaced.

    Returns:
        The file.

    Raises:
        ConfigError: for another name, or if no file composes to the run's config.
        RunDirectoryError: if the run's files cannot be read, or the preset is there.

    Example:
        >>> promote(find_run("latest"), "digits_best")
        PosixPath('conf/experiment/digits_best.yaml')
    """
    if _NAME.fullmatch(name) is None:
        raise ConfigError([f"name={name!r}: expected a name of letters, digits, '_' and '-', such as digits_best"])
    path = Path(folder) / "experiment" / f"{name}.yaml"
    if path.exists() and not force:
        raise RunDirectoryError(f"there is a preset of this name already; --force replaces it. Received: {str(path)!r}")
    wanted = _compared(run.config())
    defaults, values = _of_overrides(run.overrides())
    for said in (values, wanted):
        text = f"# @package _global_\n# {_heading(run)}\n{_body(defaults, said)}"
        if _composed(text, name) == wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(path) as file:
                file.write(text)
            return path
    raise ConfigError(
        [f"experiment={name}: no preset composes to the config of {run.path}; configs or plugins have changed since"]
    )


def _heading(run: RunDirectory) -> str:
    result = run.result() or {}
    scores = [f"{key} {value:.4g}" for key, value in result.items() if key.startswith("test_")]
    monitor, best = result.get("monitor"), result.get("best") or {}
    if monitor in best:
        scores.insert(0, f"best {monitor} {best[monitor]:.4g}")
    return f"From the run {run.path.parent.name}/{run.path.name}" + (f": {', '.join(scores)}." if scores else ".")


def _of_overrides(lines: Iterable[str]) -> tuple[list[Any], dict[str, Any]]:
    """The overrides of a command line as the defaults list and the values of a file."""
    defaults: list[Any] = []
    values: dict[str, Any] = {}
    # A line that cannot be read is left out: the config says everything that it could have said.
    for override in parsed(list(lines), OverridesParser.create())[0]:
        value = override.value()
        if override.key_or_group.partition(".")[0] in _NOT_OF_PRESET or override.is_hydra_override():
            continue
        if _chooses(override):
            group = override.get_key_element().lstrip("+~")
            defaults.append(value if group == "experiment" else {f"override /{group}": value})
        else:
            _put(values, override.key_or_group.split("."), value)
    defaults.sort(key=lambda line: isinstance(line, dict))  # the experiment that it is based on comes first
    return defaults, values


def _body(defaults: list[Any], values: Mapping[str, Any]) -> str:
    parts: list[dict[str, Any]] = [{"defaults": [*defaults, "_self_"]}] if defaults else []
    parts += [dict(values)] if values else []
    return "\n".join(
        yaml.safe_dump(part, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110) for part in parts
    )


def _chooses(override: Override) -> bool:
    """Whether an override chooses an option: it has no dots, and its value is a word."""
    return (
        "." not in override.key_or_group
        and isinstance(override.value(), str)
        and override.key_or_group
        not in (
            "monitor",
            "mode",
        )
    )


def _put(values: dict[str, Any], path: list[str], value: Any) -> None:
    for key in path[:-1]:
        values = values.setdefault(key, {})
        if not isinstance(values, dict):
            return
    values[path[-1]] = value


def _composed(text: str, name: str) -> dict[str, Any] | None:
    """What the preset composes to, with the user's other files; None if it does not."""
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "experiment").mkdir()
        (Path(place) / "experiment" / f"{name}.yaml").write_text(text, encoding="utf-8")
        try:
            config = compose([f"experiment={name}"], config_dir=place)
            return _compared(OmegaConf.to_container(config, resolve=True))
        except (ConfigError, ValueError):
            return None


def _compared(config: Any) -> dict[str, Any]:
    values = config_of_run(complete(config, is_whole=True))
    return {key: value for key, value in values.items() if key not in _NOT_OF_PRESET}
