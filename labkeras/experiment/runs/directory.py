"""The folder of a run: made for it alone, whoever else starts in the same second.

config.yaml      the config, interpolations resolved          metrics.jsonl   a row an epoch
result.json      results, or why there are none               checkpoints/    what callbacks save
hydra/           the overrides of the command line            tb/             event files for TensorBoard
"""

import json
import math
import secrets
import string
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from labkeras.errors import RunDirectoryError
from labkeras.files import atomic_write

__all__ = ["RUNS", "RunDirectory", "json_value", "new_folder"]

RUNS = Path("runs")
"""Where runs go unless `run_dir` says otherwise; below the folder that the command is given in."""

_UNNAMED = "unnamed"
_RESULT = "result.json"
_CONFIG = "config.yaml"


def new_folder(parent: Path) -> Path:
    """Makes a folder named by the time and four letters: `parent/20260131-235959-abcd`.

    Raises:
        RunDirectoryError: if `parent` cannot be written to.
    """
    while True:
        letters = "".join(secrets.choice(string.ascii_lowercase) for _ in range(4))
        folder = parent / f"{datetime.now():%Y%m%d-%H%M%S}-{letters}"
        try:
            parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir()
        except FileExistsError as error:
            if not folder.exists():  # a file is where `parent` should be
                raise _unusable(parent, error) from error
        except OSError as error:
            raise _unusable(parent, error) from error
        else:
            return folder


class RunDirectory:
    """The folder of one run, and the files that every run has.

    Args:
        path: the folder; it exists and belongs to this run.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: str | Path | None, name: str | None) -> "RunDirectory":
        """Makes the folder of a new run.

        Args:
            path: the folder; it must not exist, or be empty. A new one below `RUNS` unless given.
            name: the folder below `RUNS`; the experiment's name.

        Raises:
            RunDirectoryError: if the folder holds something, belongs to another run or cannot be made.
        """
        folder = new_folder(RUNS / (name or _UNNAMED)) if path is None else Path(path)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise _taken(folder)
            # Of two runs that were given the same empty folder, one makes this file and the other fails.
            (folder / _CONFIG).open("x").close()
        except FileExistsError as error:
            raise _taken(folder) from error
        except RunDirectoryError:
            raise
        except OSError as error:
            raise _unusable(folder, error) from error
        return cls(folder.resolve())

    def write_config(self, config: Mapping[str, Any], overrides: Sequence[str]) -> None:
        """Writes what is run: the whole config, and the overrides that it was composed with."""
        with atomic_write(self.path / _CONFIG) as file:
            yaml.safe_dump(dict(config), file, sort_keys=False, allow_unicode=True)
        (self.path / "hydra").mkdir()
        with atomic_write(self.path / "hydra" / "overrides.yaml") as file:
            yaml.safe_dump(list(overrides), file, allow_unicode=True)

    def discard(self) -> None:
        """Takes the folder away again, as long as nothing has been written to it."""
        (self.path / _CONFIG).unlink()
        self.path.rmdir()

    def append_metrics(self, row: Mapping[str, Any]) -> None:
        """Adds a row to `metrics.jsonl`; who reads the file while the run goes on finds it."""
        with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(json_value(row), ensure_ascii=False) + "\n")

    def metrics(self) -> list[dict[str, Any]]:
        """The rows of `metrics.jsonl`."""
        path = self.path / "metrics.jsonl"
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Writes `result.json`, whole or not at all."""
        with atomic_write(self.path / _RESULT) as file:
            json.dump(json_value(result), file, indent=2, ensure_ascii=False)
            file.write("\n")


def json_value(value: Any) -> Any:
    """A value as JSON can hold it: a number that is not finite becomes null, which every reader of JSON takes."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    return json_value(value.tolist()) if hasattr(value, "tolist") else value


def _taken(folder: Path) -> RunDirectoryError:
    return RunDirectoryError(
        f"the run directory holds something already, another run perhaps: name one that does not exist. "
        f"Received: run_dir={str(folder)!r}"
    )


def _unusable(folder: Path, error: OSError) -> RunDirectoryError:
    return RunDirectoryError(
        f"the run directory cannot be made: {error.strerror or error}. Received: run_dir={str(folder)!r}"
    )
