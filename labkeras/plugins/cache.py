"""What plugins said when they were last asked, in files of the user's cache folder.

A plugin says what it offers when it is imported, and many a plugin imports torch. Commands that only show names, and
what components take, remember it: `remembering()` switches that on. A file counts as long as the plugin's distribution
and its sources, Python and labkeras are the same. It holds names and text, which are shown and checked against; what is
built is asked of the plugin itself. A file that is damaged, or cannot be written, is done without.
"""

import hashlib
import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from labkeras.files import atomic_write

__all__ = ["PluginCache", "cache_folder", "cache_of", "is_remembering", "remembering"]

_FORMAT = 1
_MOST_FILES = 2000  # of a package, beyond which looking at each would take longer than importing it
_remembering = False


def remembering() -> None:
    """From now on plugins are not imported to list what they offer, if that is known from last time."""
    global _remembering
    _remembering = True


def is_remembering() -> bool:
    """Whether what plugins said last time counts."""
    return _remembering


@dataclass(frozen=True)
class PluginCache:
    """The file of one plugin.

    Args:
        path: where it is.
        key: what it must have been written for.
        package: the top package of the plugin, whose sources the key is made from.
    """

    path: Path
    key: str
    package: str

    def read(self) -> dict[str, Any]:
        """What was remembered, by part; empty if nothing counts."""
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(content, dict) or content.get("key") != self.key:
            return {}
        parts = content.get("parts")
        return parts if isinstance(parts, dict) else {}

    def write(self, **parts: Any) -> None:
        """Remembers parts beside those that are there; does nothing where that is not possible."""
        content = {"key": self.key, "parts": self.read() | parts}
        with suppress(OSError, ValueError, TypeError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(self.path) as file:
                json.dump(content, file)


def cache_of(entry_point: EntryPoint) -> PluginCache | None:
    """The file of an installed plugin; None if it cannot have one.

    Args:
        entry_point: what the plugin's distribution declares.
    """
    distribution, package = entry_point.dist, entry_point.module.partition(".")[0]
    folder = cache_folder()
    if distribution is None or folder is None:
        return None
    try:
        facts = [*_facts(distribution), *_sources(package)]
    except (OSError, ImportError, ValueError, AttributeError):
        return None
    key = hashlib.sha256("\n".join([entry_point.value, *facts]).encode()).hexdigest()
    # Two environments that share the folder have a file each.
    place = hashlib.sha256(str(distribution.locate_file("")).encode()).hexdigest()[:12]
    name = re.sub(r"[^\w.-]", "_", f"{distribution.name}-{entry_point.name}-{place}.json")
    return PluginCache(folder / "plugins" / name, key, package)


def cache_folder() -> Path | None:
    """`$XDG_CACHE_HOME/labkeras`, by default `~/.cache/labkeras`; None if there is no home."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    try:
        return (Path(given) if os.path.isabs(given) else Path.home() / ".cache") / "labkeras"
    except RuntimeError:
        return None


def _facts(distribution: Distribution) -> Iterator[str]:
    yield f"{_FORMAT} {sys.version_info[:2]}"
    yield f"{distribution.name} {distribution.version}"
    yield distribution.read_text("RECORD") or ""  # has a hash of each file that was installed
    # What plugins' classes inherit from the core changes with this.
    yield hashlib.sha256((Path(__file__).resolve().parents[1] / "_manifest.json").read_bytes()).hexdigest()


def _sources(package: str) -> Iterator[str]:
    """Name, size and time of each source file of a package: of an editable installation no record tells them."""
    spec = find_spec(package)
    if spec is None:
        raise ImportError(f"there is no package {package!r}")
    count = 0
    for place in spec.submodule_search_locations or [str(spec.origin)]:
        for path in [Path(place)] if place.endswith(".py") else sorted(Path(place).rglob("*.py")):
            count += 1
            if count > _MOST_FILES:
                raise ValueError(f"{package!r} has more than {_MOST_FILES} files")
            status = path.stat()
            yield f"{path} {status.st_size} {status.st_mtime_ns}"
