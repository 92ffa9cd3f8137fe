"""What an installed plugin's distribution says: its names, and which labkeras it needs."""

import re
from importlib.metadata import EntryPoint, PackageNotFoundError, version

from labkeras.errors import PluginError
from labkeras.registry import CORE

__all__ = ["check_version", "distribution_of", "names_of", "version_of"]

_NEEDS_LABKERAS = re.compile(r"labkeras\s*(\[.*\])?\s*[(<>=!~]")


def check_version(entry_point: EntryPoint) -> None:
    """Checks that a plugin is for this version of labkeras.

    Raises:
        PluginError: if its distribution needs another one.
    """
    needed = [one for one in (entry_point.dist.requires if entry_point.dist else None) or () if _needs_labkeras(one)]
    if not needed:
        return
    from packaging.requirements import Requirement  # 20 ms that most plugins save

    try:
        ours = version(CORE)
    except PackageNotFoundError:  # run from a checkout that is not installed
        return
    for requirement in map(Requirement, needed):
        if (requirement.marker is None or requirement.marker.evaluate({"extra": ""})) and not (
            requirement.specifier.contains(ours, prereleases=True)
        ):
            raise PluginError(
                f"it needs labkeras{requirement.specifier}, and this is labkeras {ours}: install versions of the two "
                f"that fit, as with `pip install --upgrade {CORE} {distribution_of(entry_point)}`"
            )


def names_of(entry_point: EntryPoint) -> tuple[str, str, str]:
    """What a plugin may be called: by its entry point, its distribution, its module."""
    return entry_point.name, distribution_of(entry_point), entry_point.module


def distribution_of(entry_point: EntryPoint) -> str:
    """The name of the distribution that a plugin comes with."""
    return entry_point.dist.name if entry_point.dist is not None else entry_point.value.partition(":")[0]


def version_of(entry_point: EntryPoint) -> str:
    """Its version; empty if it is not known."""
    return entry_point.dist.version if entry_point.dist is not None else ""


def _needs_labkeras(requirement: str) -> bool:
    return _NEEDS_LABKERAS.match(requirement) is not None
