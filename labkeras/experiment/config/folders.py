"""The folders of YAML files, and what is in them; without Hydra, which takes a moment to import."""

from collections.abc import Iterable
from pathlib import Path

from labkeras.plugins.manager import config_folders

__all__ = ["conf_folders", "groups_in", "option_file", "options_in", "shipped_conf", "user_folders"]


def shipped_conf() -> Path:
    """The folder `conf` that comes with labkeras: in the package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[2]
    return next(folder for folder in (package / "conf", package.parent / "conf") if (folder / "train.yaml").is_file())


def conf_folders(config_dir: str | None = None) -> list[Path]:
    """All folders, in the order in which they are searched: the user's, the shipped one, those of plugins.

    Args:
        config_dir: a folder that is searched before all others.
    """
    return [*user_folders(config_dir), shipped_conf(), *config_folders()]


def user_folders(config_dir: str | None = None) -> list[Path]:
    """The folders that are searched before the shipped one: the named one, `conf` in the current one.

    Args:
        config_dir: a folder that is searched before all others.
    """
    folders = [Path(config_dir)] if config_dir is not None else []
    folders += [Path("conf")] if Path("conf").resolve() != shipped_conf() else []
    return [folder.resolve() for folder in folders if folder.is_dir()]


def groups_in(folders: Iterable[Path]) -> list[str]:
    """The groups that have files: "experiment", "model", …"""
    return sorted({path.name for folder in folders for path in folder.iterdir() if path.is_dir()})


def options_in(folders: Iterable[Path], group: str) -> dict[str, Path]:
    """The options of a group that are files, by name, in alphabetical order."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in (folder / group).glob("*.yaml"):
            found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def option_file(folders: Iterable[Path], group: str, name: str) -> Path | None:
    """The file of an option, if it has one."""
    return options_in(folders, group).get(name)
