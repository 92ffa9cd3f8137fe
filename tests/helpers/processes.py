"""labkeras in processes of its own, and plugins that are installed for one process."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

from labkeras.testing.processes import free_port, run_ranks

__all__ = [
    "ROOT",
    "environment",
    "free_port",
    "install_example",
    "install_plugin",
    "run_labkeras",
    "run_python",
    "run_ranks",
]

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "plugins" / "labkeras-example" / "src"


def environment(*folders: Path) -> dict[str, str]:
    """The environment of a process that finds labkeras, and what `folders` hold, without an installation.

    What it remembers from one call to the next it keeps in the first of the folders.
    """
    cache = {"XDG_CACHE_HOME": str(folders[0] / ".cache")} if folders else {}
    return {**os.environ, **cache, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, *folders)))}


def run_python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs Python in `folder`, which is on its path."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment(folder, EXAMPLE),
        capture_output=True,
        text=True,
        check=False,
    )


def run_labkeras(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the command `labkeras` in `folder`."""
    return run_python(folder, "-m", "labkeras", *arguments)


def install_plugin(folder: Path, distribution: str, source: str, name: str = "it") -> None:
    """Makes a plugin of one module, called as the distribution is, that a process with `folder` on its path finds."""
    module = distribution.replace("-", "_")
    (folder / f"{module}.py").write_text(dedent(source), encoding="utf-8")
    _write_metadata(folder, distribution, f"{name} = {module}")


def install_example(folder: Path) -> None:
    """Makes `plugins/labkeras-example` an installed plugin for a process with `folder` on its path."""
    _write_metadata(folder, "labkeras-example", "example = labkeras_example")


def _write_metadata(folder: Path, distribution: str, entry_point: str) -> None:
    """The folder that an installer would make: this is where Python looks for entry points."""
    metadata = folder / f"{distribution.replace('-', '_')}-1.2.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
    (metadata / "entry_points.txt").write_text(f"[labkeras]\n{entry_point}\n")
