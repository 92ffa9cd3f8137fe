"""View: the folder that TensorBoard is given to show runs and sweeps, and the names that they have there."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from labkeras.errors import LabkerasError, RunDirectoryError
from labkeras.experiment.reports.columns import columns_file
from labkeras.experiment.reports.loose_runs import ledger_of_runs
from labkeras.experiment.reports.study import study_of
from labkeras.experiment.runs.directory import RUNS, find_run, run_folders
from labkeras.experiment.sweeps.ledger import SPEC

__all__ = ["View", "viewed"]

_SWEEPS = RUNS / "sweeps"
_RECORD = "run.json"


class View:
    """What is shown, as one folder.

    A run, a sweep, or event files that no run has written are shown where they lie. Of anything else a folder of links
    to the runs is made: TensorBoard takes the columns of its HParams tab from one place only, so the runs of two sweeps
    need common ones.

    Args:
        sources: the folders that are shown.
        links: an empty folder for links; None if there is one source, which is shown where it lies.
    """

    def __init__(self, sources: Sequence[Path], links: Path | None) -> None:
        self.sources = list(sources)
        self._links = links
        self._linked: set[str] = set()
        self.refresh()

    @property
    def folder(self) -> Path:
        """What TensorBoard is given."""
        return self._links or self.sources[0]

    def refresh(self) -> None:
        """Links the runs that have begun since; does nothing where there are no links."""
        if self._links is None:
            return
        found = _named(self.sources)
        new = {name: folder for name, folder in found.items() if name not in self._linked}
        for name, folder in new.items():
            link = self._links / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(folder, target_is_directory=True)
        self._linked |= set(new)
        if new:
            _write_columns(list(found.values()), self._links)


@contextmanager
def viewed(names: Sequence[str]) -> Iterator[View]:
    """What TensorBoard is to show for what was named; links are gone afterwards.

    Args:
        names: runs and sweeps by path, by name below `runs/`, by a part of that, or "latest"; any other folder with
            event files; none for everything below `runs/`.

    Raises:
        RunDirectoryError: if there is no such run, or there are several.

    Example:
        >>> with viewed(["latest"]) as view:
        ...     view.folder.parent.name
        'digits_mlp'
    """
    sources = _outermost([_found(name).resolve() for name in names] or [_all_runs()])
    if len(sources) == 1 and not _has_several(sources[0]):
        yield View(sources, None)
        return
    with TemporaryDirectory(prefix="labkeras-tensorboard-") as links:
        yield View(sources, Path(links))


def _found(name: str) -> Path:
    path = Path(name)
    if path.parts:
        for folder in (path, RUNS / path, _SWEEPS / path):
            if folder.is_dir():
                return folder
    sweeps = [folder for folder in _sweep_folders() if path.parts and _is_named(folder, path.as_posix())]
    if len(sweeps) == 1:
        return sweeps[0]
    if sweeps:
        shown = ", ".join(folder.relative_to(RUNS).as_posix() for folder in sweeps[:5])
        raise RunDirectoryError(f"several sweeps have this name: {shown}. Received: run={name!r}")
    return find_run(name).path


def _is_named(folder: Path, wanted: str) -> bool:
    name = folder.relative_to(_SWEEPS).as_posix()
    return name == wanted or (wanted != "latest" and wanted in name)


def _sweep_folders() -> list[Path]:
    return sorted(spec.parent for spec in _SWEEPS.glob(f"*/*/{SPEC}"))


def _all_runs() -> Path:
    if not RUNS.is_dir():
        raise RunDirectoryError(
            f"there are no runs here: `labkeras train` makes some below {RUNS}/. Received: folder={str(Path.cwd())!r}"
        )
    return RUNS.resolve()


def _outermost(folders: Sequence[Path]) -> list[Path]:
    """The folders, without those that lie in another of them."""
    distinct = list(dict.fromkeys(folders))
    return [one for one in distinct if not any(other in one.parents for other in distinct)]


def _has_several(folder: Path) -> bool:
    """Whether runs lie in the folder that are not those of one sweep."""
    is_one = (folder / SPEC).exists() or (folder / _RECORD).exists()
    return not is_one and len([*run_folders(folder)]) > 1


def _named(sources: Sequence[Path]) -> dict[str, Path]:
    """Name → folder, of each run in the sources, or of a source itself where no run is in it."""
    found = [folder for source in sources for folder in ([*run_folders(source)] or [source])]
    top = Path(os.path.commonpath([folder.parent for folder in found]))
    return {folder.relative_to(top).as_posix(): folder for folder in found}


def _write_columns(runs: Sequence[Path], folder: Path) -> None:
    """Columns for what differs between the runs; without them, as for runs that sought different things, TensorBoard
    makes some of all that it finds."""
    with suppress(LabkerasError):
        ledger, _ = ledger_of_runs(runs)
        columns_file(study_of(ledger), folder)
