"""What TensorBoard is given to show runs and sweeps."""

from pathlib import Path

import pytest

from labkeras.errors import RunDirectoryError
from labkeras.experiment.boards.views import View, viewed
from tests.helpers.sweeps_by_hand import trial, write_sweep

RATE = "optimizer.learning_rate"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs and two sweeps below the current folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("mlp/20260131-120000-aaaa", "mlp/20260131-120001-bbbb"):
        run(Path("runs", name))
    Path("runs/latest").symlink_to("mlp/20260131-120001-bbbb", target_is_directory=True)
    for name in ("cccc", "dddd"):
        trials = [trial({RATE: rate}, 0.9, record={}) for rate in (0.1, 0.01)]
        write_sweep(Path(f"runs/sweeps/cnn/20260131-120000-{name}"), trials)


def run(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "run.json").write_text('{"state": "done"}', encoding="utf-8")
    (folder / "config.yaml").write_text("name: mlp\n", encoding="utf-8")


def links(view: View) -> set[str]:
    return {path.relative_to(view.folder).as_posix() for path in view.folder.rglob("*") if path.is_symlink()}


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("latest", "runs/mlp/20260131-120001-bbbb"),
        ("aaaa", "runs/mlp/20260131-120000-aaaa"),
        ("mlp/20260131-120000-aaaa", "runs/mlp/20260131-120000-aaaa"),
        ("runs/sweeps/cnn/20260131-120000-cccc", "runs/sweeps/cnn/20260131-120000-cccc"),
        ("cnn/20260131-120000-cccc", "runs/sweeps/cnn/20260131-120000-cccc"),
        ("dddd", "runs/sweeps/cnn/20260131-120000-dddd"),
        ("runs/sweeps/cnn/20260131-120000-cccc/0001", "runs/sweeps/cnn/20260131-120000-cccc/0001"),
    ],
)
def test_one_run_or_sweep_is_shown_where_it_lies(name: str, folder: str) -> None:
    with viewed([name]) as view:
        assert view.folder == Path(folder).resolve()


def test_event_files_of_no_run_are_shown_where_they_lie() -> None:
    Path("logs").mkdir()
    with viewed(["logs"]) as view:
        assert view.folder == Path("logs").resolve()


def test_several_are_links_with_names_that_tell_them_apart_and_gone_afterwards() -> None:
    with viewed(["aaaa", "cccc"]) as view:
        sweep = "sweeps/cnn/20260131-120000-cccc"
        assert links(view) == {"mlp/20260131-120000-aaaa", f"{sweep}/0000", f"{sweep}/0001"}
        assert (view.folder / "mlp/20260131-120000-aaaa/run.json").exists()
    assert not view.folder.exists()


def test_without_a_name_everything_is_shown() -> None:
    with viewed([]) as view:
        assert len(links(view)) == 2 + 2 * 2
    with viewed(["runs/sweeps/cnn", "cccc"]) as view:  # what lies in another is shown once
        assert links(view) == {
            f"20260131-120000-{name}/{number}" for name in ("cccc", "dddd") for number in ("0000", "0001")
        }


def test_runs_that_begin_meanwhile_are_shown_too() -> None:
    with viewed([]) as view:
        run(Path("runs/mlp/20260131-130000-eeee"))
        view.refresh()
        assert "mlp/20260131-130000-eeee" in links(view)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("cnn/2026", "several sweeps have this name: sweeps/cnn/.*cccc, sweeps/cnn/.*dddd"), ("zzzz", "no such run")],
)
def test_what_is_not_there_or_there_twice_is_named(name: str, sentence: str) -> None:
    with pytest.raises(RunDirectoryError, match=sentence), viewed([name]):
        pass
