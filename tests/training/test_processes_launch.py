"""Runs of several processes as people start them: scripts, torchrun, Slurm, the command line; and how they end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest

from tests.helpers.processes import environment, free_port, run_labkeras

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.skipif(sys.platform == "win32", reason="Lightning's gloo runs elsewhere"),
]
SCRIPT = """
    import json
    import os
    import sys
    from pathlib import Path

    import numpy as np

    from labkeras import callbacks, layers, models
    from labkeras.random import set_random_seed


    class Tells(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            rank = os.environ.get("SLURM_PROCID", os.environ.get("LOCAL_RANK", "0"))
            told = Path(f"told-{rank}")
            told.write_text(str(os.getpid()))
            told.rename(told.with_suffix(".pid"))


    def main():
        trainer, batch_size, epochs = json.loads(sys.argv[1])
        rows = np.random.default_rng(0)
        x, y = rows.normal(size=(41, 6)).astype("float32"), rows.normal(size=(41, 3)).astype("float32")
        set_random_seed(0)
        model = models.Sequential([layers.Input((6,)), layers.Dense(8, activation="tanh"), layers.Dense(3)])
        model.compile("adam", "mse", metrics=["mae"])
        history = model.fit(x, y, batch_size, epochs, 0, trainer=trainer, callbacks=[Tells()])
        outcome = {
            "history": history.history,
            "predictions": model.predict(x, verbose=0, trainer=trainer).tolist(),
            "evaluation": model.evaluate(x, y, verbose=0, trainer=trainer),
        }
        rank = os.environ.get("SLURM_PROCID", os.environ.get("LOCAL_RANK", "0"))
        Path(f"outcome-{rank}.json").write_text(json.dumps(outcome))


    if __name__ == "__main__":
        main()
"""
TWO = {"accelerator": "cpu", "devices": 2}
SLURM = {
    "SLURM_NTASKS": "2",
    "SLURM_NTASKS_PER_NODE": "2",
    "SLURM_NNODES": "1",
    "SLURM_JOB_ID": "29871",
    "SLURM_JOB_NAME": "train",
    "SLURM_NODELIST": "127.0.0.1",
    "SLURM_NODEID": "0",
    "MASTER_ADDR": "127.0.0.1",
}


def _start(folder: Path, trainer: Any, batch_size: int, *before: str, epochs: int = 2, **variables: str) -> Any:
    (folder / "train.py").write_text(dedent(SCRIPT))
    told = {name: value for name, value in environment().items() if not name.startswith(("SLURM_", "MASTER_"))}
    command = [sys.executable, *before, "train.py", json.dumps([trainer, batch_size, epochs])]
    variables = {**told, "OMP_NUM_THREADS": "1", **variables}
    with (folder / "errors.txt").open("a") as errors:
        return subprocess.Popen(command, cwd=folder, env=variables, stdout=subprocess.DEVNULL, stderr=errors)


def _finish(folder: Path, *started: Any) -> None:
    try:
        for process in started:
            assert process.wait(timeout=120) == 0, (folder / "errors.txt").read_text()
    finally:
        for process in started:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What one process finds out with batches of 20."""
    folder = tmp_path_factory.mktemp("one")
    _finish(folder, _start(folder, {"accelerator": "cpu"}, 20))
    return json.loads((folder / "outcome-0.json").read_text())


def _assert_as_expected(folder: Path, expected: Any) -> None:
    outcomes = sorted(folder.glob("outcome-*.json"))
    assert [path.name for path in outcomes] == ["outcome-0.json", "outcome-1.json"]
    for path in outcomes:
        found = json.loads(path.read_text())
        for name in ("predictions", "evaluation"):
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-6, atol=1e-6)
        for name, values in expected["history"].items():
            np.testing.assert_allclose(found["history"][name], values, rtol=1e-6, atol=1e-6)


def test_a_script_starts_itself_again(tmp_path: Path, expected: Any) -> None:
    _finish(tmp_path, _start(tmp_path, {**TWO, "strategy": "ddp"}, 10))
    _assert_as_expected(tmp_path, expected)


def test_under_torchrun_nothing_need_be_said(tmp_path: Path, expected: Any) -> None:
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    _finish(tmp_path, _start(tmp_path, {"accelerator": "cpu"}, 10, *torchrun))
    _assert_as_expected(tmp_path, expected)


def test_under_slurm_nothing_need_be_said(tmp_path: Path, expected: Any) -> None:
    port = str(free_port())
    tasks = [
        _start(tmp_path, None, 10, **SLURM, MASTER_PORT=port, SLURM_PROCID=rank, SLURM_LOCALID=rank) for rank in "01"
    ]
    _finish(tmp_path, *tasks)
    _assert_as_expected(tmp_path, expected)


def test_the_command_line_trains_in_two_processes(tmp_path: Path) -> None:
    words = ["trainer.devices=2", "trainer.accelerator=cpu", "experiment=digits_mlp", "fit.epochs=1", "fit.verbose=0"]
    outcome = run_labkeras(tmp_path, "train", "trainer=ddp", *words)
    assert outcome.returncode == 0, outcome.stderr
    (run,) = (tmp_path / "runs" / "digits_mlp").iterdir()
    result = json.loads((run / "result.json").read_text())
    assert result["state"] == "done"
    assert result["test_accuracy"] > 0.3
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 1


# --- how they end -----------------------------------------------------------------------------------------------------


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks at processes as Linux shows them")
@pytest.mark.parametrize(
    ("strategy", "whom", "what"),
    [
        ("ddp", "main", signal.SIGTERM),
        ("ddp_fork", "second", signal.SIGTERM),
    ],
)
def test_the_end_of_one_process_is_that_of_all(tmp_path: Path, strategy: str, whom: str, what: signal.Signals) -> None:
    main = _start(tmp_path, {**TWO, "strategy": strategy}, 10, epochs=10**6)
    try:
        deadline = time.monotonic() + 90
        while len(list(tmp_path.glob("told-*.pid"))) < 2:
            assert time.monotonic() < deadline, (tmp_path / "errors.txt").read_text()
            assert main.poll() is None, (tmp_path / "errors.txt").read_text()
            time.sleep(0.1)
        others = [int((tmp_path / f"told-{rank}.pid").read_text()) for rank in range(2)]
        os.kill(main.pid if whom == "main" else others[1], what)
        deadline = time.monotonic() + 30
        while (main.poll() is None or any(map(_is_running, others))) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert main.poll() not in (None, 0)
        assert not any(map(_is_running, others))
    finally:
        main.kill()
        main.wait()
