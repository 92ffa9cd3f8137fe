"""Provenance: what a run was made with, of which all is found out once in a process.

Code that was imported does not change when its file does, so that what is true when the first run starts is what all
runs of the process were made with.
"""

import functools
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from labkeras.plugins.manager import plugins

__all__ = ["GitState", "git_state", "hardware", "packages", "plugins_in_use", "requirements"]

_SECONDS = 10
_LONGEST_PATCH = 10 * 2**20
_MOST_UNTRACKED = 50
# `hydra_core-1.3.8.dist-info`: a package's name and version, which to read from its metadata takes a thousand times as
# long.
_DISTRIBUTION = re.compile(r"(.+?)-([^-]+)\.(?:dist-info|egg-info)")
# Those whose versions can change what a run computes, or how it goes.
_TELLING = (
    "labkeras",
    "torch",
    "pytorch-lightning",
    "torchmetrics",
    "numpy",
    "hydra-core",
    "omegaconf",
    "optuna",
    "tensorboard",
    "h5py",
    "pluggy",
)


@dataclass(frozen=True)
class GitState:
    """Where the code in a folder stands.

    Args:
        commit: its hash; None before the first one.
        branch: its name; None if none is checked out.
        dirty: whether files that git knows differ from the commit.
        untracked: files that git does not know, the first 50.
        patch: the differences, as `git apply` takes them.
    """

    commit: str | None
    branch: str | None
    dirty: bool
    untracked: tuple[str, ...]
    patch: str

    def record(self) -> dict[str, Any]:
        """What `run.json` says of it."""
        known = {"commit": self.commit, "branch": self.branch, "dirty": self.dirty}
        return known | ({"untracked": list(self.untracked)} if self.untracked else {})


def git_state() -> GitState | None:
    """Where the code in the current folder stands; None if no git is there, or knows nothing of it."""
    return _git_state(os.getcwd())


@functools.cache
def packages() -> dict[str, str]:
    """Name → version of everything that is installed, in the order of the names."""
    found: dict[str, str] = {}
    for name, version in _distributions():
        found.setdefault(name, version)  # of two, Python imports the first
    return dict(sorted(found.items()))


def telling_packages() -> dict[str, str]:
    """Name → version of what can change a run's numbers."""
    known = packages()
    return {name: known[name] for name in _TELLING if name in known}


def requirements() -> str:
    """All versions, as pip takes them."""
    return "".join(f"{name}=={version}\n" for name, version in packages().items())


def plugins_in_use() -> list[dict[str, Any]]:
    """The plugins that are in use: distribution, version, and whether each is a module that was named."""
    known = packages()
    found = {plugin.distribution: plugin for plugin in plugins()}
    return [
        {"distribution": name, "version": plugin.version or known.get(_normal(name), "unknown")}
        | ({"local": True} if plugin.is_local else {})
        for name, plugin in sorted(found.items())
    ]


@functools.cache
def hardware() -> dict[str, Any]:
    """The machine: system, processor, cores that this process may use, memory in bytes, accelerators."""
    return {
        "system": platform.platform(),
        "cpu": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory": _memory(),
        "accelerators": _accelerators(),
    }


# --- git ------------------------------------------------------------------------------------------------------------


@functools.cache
def _git_state(folder: str) -> GitState | None:
    status = _git(folder, "status", "--porcelain=v2", "--branch")
    if status is None:
        return None
    lines = status.splitlines()
    headers = dict(line[2:].partition(" ")[::2] for line in lines if line.startswith("# "))
    commit = headers.get("branch.oid")
    commit = None if commit == "(initial)" else commit
    branch = headers.get("branch.head")
    dirty = any(line[0] in "12u" for line in lines)
    return GitState(
        commit,
        None if branch == "(detached)" else branch,
        dirty,
        tuple(line[2:] for line in lines if line.startswith("? "))[:_MOST_UNTRACKED],
        _patch(folder) if dirty and commit else "",
    )


def _patch(folder: str) -> str:
    patch = _git(folder, "diff", "HEAD", "--no-ext-diff", "--no-color", "--binary") or ""
    if len(patch) <= _LONGEST_PATCH:
        return patch
    return f"# The changes are {len(patch)} characters long, and were not kept.\n"


def _git(folder: str, *arguments: str) -> str | None:
    command = ["git", "--no-optional-locks", *arguments]
    try:
        outcome = subprocess.run(command, cwd=folder, capture_output=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return outcome.stdout.decode("utf-8", "surrogateescape") if outcome.returncode == 0 else None


# --- packages and machine -------------------------------------------------------------------------------------------


def _distributions() -> Iterator[tuple[str, str]]:
    for place in sys.path:
        try:
            names = os.listdir(place or ".")
        except OSError:
            continue
        for match in filter(None, map(_DISTRIBUTION.fullmatch, names)):
            yield _normal(match[1]), match[2]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not on this system
        return None


def _accelerators() -> list[dict[str, Any]]:
    if not torch.cuda.is_available():
        return [{"name": str(torch.accelerator.current_accelerator())}] if torch.accelerator.is_available() else []
    devices = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    return [{"name": device.name, "memory": device.total_memory} for device in devices]
