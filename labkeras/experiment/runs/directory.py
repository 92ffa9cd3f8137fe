"""The folder of a run: made for it alone, whoever else starts in the same second.

config.yaml      the config, interpolations resolved          metrics.jsonl   a row an epoch
run.json         state, and what it was run with and on       checkpoints/    what it goes on from, best model
result.json      results, or why there are none               tb/             event files for TensorBoard
hydra/           the overrides of the command line            logs/           error.txt: the traceback of a failure
model.json       config and size of the model                 code.patch      changes that were in no commit
requirements.txt exact versions of what was installed         run.lock        who is working here
job.json         of a sweep's trial: what the sweep asks for  stop            asks the run to end; holds the reason
"""

import json
import math
import os
import secrets
import string
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from labkeras.errors import ConfigError, FileFormatError, RunDirectoryError, did_you_mean
from labkeras.experiment.config.safe_yaml import read_yaml
from labkeras.experiment.runs.lock import FolderLock, is_locked
from labkeras.files import atomic_write, is_temporary

__all__ = [
    "LOCK",
    "RUNS",
    "RunDirectory",
    "find_run",
    "json_value",
    "new_folder",
    "new_id",
    "run_folders",
    "writing_to",
]

RUNS = Path("runs")
"""Where runs go unless `run_dir` says otherwise; below the folder that the command is given in."""

LOCK = "run.lock"
"""The file that one process locks while it works on the run."""

_UNNAMED = "unnamed"
_LATEST = "latest"
_CONFIG, _RECORD, _RESULT, _METRICS = "config.yaml", "run.json", "result.json", "metrics.jsonl"
_JOB, _STOP = "job.json", "stop"
# What whoever starts a run may have put into its folder before.
_PREPARED = {_JOB, LOCK, _STOP, "logs"}


def new_id() -> str:
    """The time and four letters: "20260131-235959-abcd"."""
    letters = "".join(secrets.choice(string.ascii_lowercase) for _ in range(4))
    return f"{datetime.now():%Y%m%d-%H%M%S}-{letters}"


def new_folder(parent: Path) -> Path:
    """Makes a folder named by the time and four letters: `parent/20260131-235959-abcd`.

    Raises:
        RunDirectoryError: if `parent` cannot be written to.
    """
    while True:
        folder = parent / new_id()
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


def find_run(run: str | os.PathLike[str]) -> "RunDirectory":
    """The folder of a run by its path, its name below `runs/`, a part of that name that no other run has, or "latest".

    Raises:
        RunDirectoryError: if there is no such run, naming those nearest to it; or if there are several.

    Example:
        >>> find_run("digits_mlp/20260131-235959-abcd").path == find_run("abcd").path
        True
    """
    path = Path(run)
    if path.parts:  # an empty name would be the current folder
        for folder in (path, RUNS / path):
            if folder.is_dir():
                return RunDirectory.open(folder)
    names = [folder.relative_to(RUNS).as_posix() for folder in run_folders(RUNS)]
    wanted = path.as_posix()
    ending = [name for name in names if name.endswith(f"/{wanted}")]
    found = ending or [name for name in names if path.parts and wanted != _LATEST and wanted in name]
    if len(found) == 1:
        return RunDirectory.open(RUNS / found[0])
    if found:
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        raise RunDirectoryError(
            f"several runs have this name: {', '.join(sorted(found)[:5])}{more}. Received: run={str(run)!r}"
        )
    known = [_LATEST, *names, *(name.rpartition("/")[2] for name in names)]
    raise RunDirectoryError(
        f"there is no such run: give its folder, its name below {RUNS}/ or a part of that, or {_LATEST!r}."
        f"{did_you_mean(wanted, known)} Received: run={str(run)!r}"
    )


def run_folders(root: str | os.PathLike[str]) -> Iterator[Path]:
    """The folders of runs below a folder, sweeps' trials among them, sorted; links are not followed."""
    for folder, names, files in os.walk(root):
        if _RECORD in files:
            yield Path(folder)
            names.clear()
        names[:] = sorted(name for name in names if not name.startswith(".") and not os.path.islink(f"{folder}/{name}"))


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Makes a folder for results, and says in a sentence what keeps files from being written there.

    Raises:
        RunDirectoryError: if the folder cannot be made, or what is done within raises an error of the system.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise RunDirectoryError(f"nothing can be written there: {error}. Received: out={str(folder)!r}") from error


class RunDirectory:
    """The folder of one run, and the files that every run has.

    Args:
        path: the folder; it exists and belongs to this run.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = FolderLock(path / LOCK)
        """Held by the process that works on the run."""

    @classmethod
    def create(cls, path: str | Path | None, name: str | None) -> "RunDirectory":
        """Makes the folder of a new run.

        Args:
            path: the folder; it must not exist, be empty, or hold no more than a sweep's job. A new one below `RUNS`
                unless given.
            name: the folder below `RUNS`; the experiment's name.

        Raises:
            RunDirectoryError: if the folder holds something, belongs to another run or cannot be made.
        """
        folder = new_folder(RUNS / (name or _UNNAMED)) if path is None else Path(path)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if any(name not in _PREPARED and not is_temporary(name) for name in os.listdir(folder)):
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

    @classmethod
    def claim(cls, path: str | Path | None, name: str | None, resume: bool = False) -> "RunDirectory":
        """The folder of a run that starts, or goes on, in this process, which holds its lock from now on.

        Args:
            path, name: as `create` takes them.
            resume: whether a run that is there already is gone on with.

        Raises:
            RunDirectoryError: as from `create`; naming process and host, if somebody works there.
        """
        folder = None if path is None else Path(path)
        if folder is not None and resume and cls(folder).is_begun:
            run = cls(folder.resolve())
        else:
            if folder is not None and is_locked(folder / LOCK):
                FolderLock(folder / LOCK).acquire()  # says who holds it
            run = cls.create(folder, name)
        run.lock.acquire()
        return run

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> "RunDirectory":
        """The folder of a run that was started at some time.

        Raises:
            RunDirectoryError: saying what is not there, if it is no run's folder.
        """
        folder = Path(path)
        if not folder.is_dir():
            raise RunDirectoryError(f"there is no such folder. Received: run_dir={str(folder)!r}")
        for name in (_CONFIG, _RECORD):
            if not (folder / name).is_file():
                raise RunDirectoryError(f"this is no run's folder: it has no {name}. Received: run_dir={str(folder)!r}")
        return cls(folder.resolve())

    # --- what was run ------------------------------------------------------------------------------------------------

    def write_config(self, config: Mapping[str, Any], overrides: Sequence[str]) -> None:
        """Writes what is run: the whole config, and the overrides that it was composed with."""
        with atomic_write(self.path / _CONFIG) as file:
            yaml.dump(dict(config), file, Dumper=_DUMPER, sort_keys=False, allow_unicode=True)
        (self.path / "hydra").mkdir(exist_ok=True)
        with atomic_write(self.path / "hydra" / "overrides.yaml", durable=False) as file:
            yaml.dump(list(overrides), file, Dumper=_DUMPER, allow_unicode=True)

    def config(self) -> dict[str, Any]:
        """The whole config, as plain values.

        Raises:
            RunDirectoryError: if it is not there, or no config.
        """
        try:
            config = read_yaml(self.path / _CONFIG)
        except (ConfigError, OSError) as error:
            raise self._unreadable(_CONFIG, error) from error
        if not isinstance(config, dict):
            raise RunDirectoryError(f"the run has no config yet, or a damaged one. Received: {str(self.path)!r}")
        return config

    def overrides(self) -> list[str]:
        """The overrides that the config was composed with; none if they were not written."""
        path = self.path / "hydra" / "overrides.yaml"
        try:
            lines = read_yaml(path) if path.exists() else []
        except (ConfigError, OSError) as error:
            raise self._unreadable(path.name, error) from error
        return [str(line) for line in lines or []]

    def discard(self) -> None:
        """Takes the folder away again, as long as nothing has been written to it."""
        self.lock.release()
        for name in (_CONFIG, LOCK):
            (self.path / name).unlink(missing_ok=True)
        with suppress(OSError):  # a sweep's job is there
            self.path.rmdir()

    # --- how it is going ---------------------------------------------------------------------------------------------

    def write_record(self, record: Mapping[str, Any], durable: bool = True) -> None:
        """Writes `run.json`, whole or not at all.

        Args:
            record: all of it.
            durable: whether it must survive a power cut.
        """
        _write_json(self.path / _RECORD, record, durable)

    @property
    def is_begun(self) -> bool:
        """Whether a run has taken the folder for itself; it may have been killed before it wrote a record."""
        return (self.path / _CONFIG).exists()

    @property
    def has_record(self) -> bool:
        """Whether there is a `run.json`."""
        return (self.path / _RECORD).exists()

    def record(self) -> dict[str, Any]:
        """What `run.json` holds; a run whose process is gone without a word has the state "killed".

        Raises:
            RunDirectoryError: if it is not there, or damaged.
        """
        record = self._read_json(_RECORD)
        if record.get("state") in ("created", "running") and not self.is_running():
            again = self._read_json(_RECORD)  # it may have ended between the two looks
            if again.get("state") in ("created", "running"):
                failure = {"kind": "killed", "error": "the process ended without a word"}
                return again | {"state": "killed", "failure": failure}
            return again
        return record

    def is_running(self) -> bool:
        """Whether a process works here now."""
        return self.lock.is_held or is_locked(self.lock.path)

    def stop_request(self) -> str | None:
        """The reason for which somebody asks the run to end: "pruned", "timeout" or "stopped"; None if nobody does."""
        try:
            return (self.path / _STOP).read_text(encoding="utf-8").strip() or "stopped"
        except OSError:
            return None

    def request_stop(self, reason: str) -> None:
        """Asks the run to end; it does after the epoch, or when it next looks.

        Args:
            reason: "pruned", "timeout" or "stopped".
        """
        with atomic_write(self.path / _STOP) as file:
            file.write(reason)

    def forget_stop_request(self) -> None:
        """Takes the request back, as a run that goes on does."""
        (self.path / _STOP).unlink(missing_ok=True)

    def job(self) -> dict[str, Any] | None:
        """What `job.json` holds, the sweep's wish for this run; None if it is no trial."""
        return self._read_json(_JOB) if self.is_trial else None

    @property
    def is_trial(self) -> bool:
        """Whether it is one of a sweep's runs, which have a job."""
        return (self.path / _JOB).exists()

    # --- what came out -----------------------------------------------------------------------------------------------

    @property
    def metrics_path(self) -> Path:
        """The file of rows."""
        return self.path / _METRICS

    def append_metrics(self, row: Mapping[str, Any]) -> None:
        """Adds a row to `metrics.jsonl`; who reads the file while the run goes on finds it."""
        with self.metrics_path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(json.dumps(json_value(row), ensure_ascii=False) + "\n")

    def metrics(self) -> list[dict[str, Any]]:
        """The rows of `metrics.jsonl`; without the last one, if it was not written to its end."""
        try:
            data = self.metrics_path.read_bytes()
        except FileNotFoundError:
            return []
        lines = data[: data.rfind(b"\n") + 1].splitlines()
        try:
            rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
        except ValueError as error:
            raise self._unreadable(_METRICS, error) from error
        return rows

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Writes `result.json`, whole or not at all."""
        _write_json(self.path / _RESULT, result)

    def result(self) -> dict[str, Any] | None:
        """What `result.json` holds; None if the run has not ended."""
        return self._read_json(_RESULT) if (self.path / _RESULT).exists() else None

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    def link_latest(self) -> None:
        """Lets `runs/latest` lead here, if the run is below `runs/` and no trial."""
        root = RUNS.absolute()
        if self.is_trial or root.resolve() not in self.path.parents:
            return
        temporary = root / f".{secrets.token_hex(4)}.tmp"
        with suppress(OSError):  # a file system without links
            temporary.symlink_to(os.path.relpath(self.path, root.resolve()), target_is_directory=True)
            try:
                os.replace(temporary, root / _LATEST)
            finally:
                temporary.unlink(missing_ok=True)

    def _read_json(self, name: str) -> dict[str, Any]:
        try:
            value = json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise self._unreadable(name, error) from error
        if not isinstance(value, dict):
            raise self._unreadable(name, FileFormatError("it holds no JSON object"))
        return value

    def _unreadable(self, name: str, error: Exception) -> RunDirectoryError:
        return RunDirectoryError(f"{name} of the run cannot be read: {error}. Received: run_dir={str(self.path)!r}")


_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # ten times faster where libyaml is there


def json_value(value: Any) -> Any:
    """A value as JSON can hold it: a number that is not finite becomes null, which every reader of JSON takes."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    return json_value(value.tolist()) if hasattr(value, "tolist") else value


def _write_json(path: Path, value: Mapping[str, Any], durable: bool = True) -> None:
    with atomic_write(path, durable=durable) as file:
        file.write(json.dumps(json_value(value), indent=2, ensure_ascii=False) + "\n")


def _taken(folder: Path) -> RunDirectoryError:
    hint = ", and `resume=true` to go on with the run that is there" if (folder / _RECORD).exists() else ""
    return RunDirectoryError(
        f"the run directory holds something already, another run perhaps: name one that does not exist{hint}. "
        f"Received: run_dir={str(folder)!r}"
    )


def _unusable(folder: Path, error: OSError) -> RunDirectoryError:
    return RunDirectoryError(
        f"the run directory cannot be made: {error.strerror or error}. Received: run_dir={str(folder)!r}"
    )
