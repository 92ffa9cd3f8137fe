"""Launchers on pools and clusters of others keep the promises of a launcher."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labkeras.errors import ConfigError
from labkeras.experiment.launchers import joblib, submitit
from labkeras.experiment.launchers.options import check_launcher, make_launcher
from labkeras.experiment.launchers.pool_job import LOST
from tests.helpers.jobs_as_scripts import script_task
from tests.helpers.processes import environment

ROOT = Path(__file__).parents[3]
needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
LAUNCHERS = [
    pytest.param({"kind": "joblib", "workers": 2}, id="joblib"),
    pytest.param({"kind": "submitit", "cluster": "local", "workers": 2, "timeout_min": 5}, id="submitit"),
    pytest.param(
        {"kind": "ray", "workers": 2, "cpus": 0.5},
        id="ray",
        marks=[
            needs_ray,
            # Ray's: its processes outlive the objects that stand for them.
            pytest.mark.filterwarnings("ignore::ResourceWarning"),
            pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
        ],
    ),
]


@pytest.fixture(params=LAUNCHERS)
def launcher(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    for module in (joblib, submitit):
        monkeypatch.setattr(module, "run_task", script_task)
    if request.param["kind"] == "ray":
        from labkeras.experiment.launchers import ray

        monkeypatch.setattr(ray, "run_task", script_task)
    one = make_launcher(request.param, tmp_path)
    yield one
    one.close()


def job(folder: Path, name: str, script: str) -> Path:
    directory = folder / name
    directory.mkdir()
    (directory / "job.py").write_text(script)
    return directory


def wait(*jobs: Any, seconds: float = 60) -> list[int | None]:
    end = time.monotonic() + seconds
    while not all(one.poll() for one in jobs):
        assert time.monotonic() < end
        time.sleep(0.02)
    return [one.exit_code for one in jobs]


@pytest.mark.slow
def test_trials_run_fail_die_and_stop(launcher: Any, tmp_path: Path) -> None:
    assert launcher.slots == 2
    good, bad = job(tmp_path, "good", "print('hello')"), job(tmp_path, "bad", "code = 1")
    assert wait(launcher.start(good, None), launcher.start(bad, None)) == [0, 1]
    assert (good / "logs" / "output.txt").read_text() == "hello\n"

    dying = job(tmp_path, "dying", f"import os; os.kill(os.getpid(), {int(signal.SIGKILL)})")
    assert wait(launcher.start(dying, None)) == [LOST]

    patient = "import time\nwhile not (directory / 'stop').exists(): time.sleep(0.02)\n(directory / 'saved').touch()"
    listening = job(tmp_path, "listening", patient)
    started = launcher.start(listening, None)
    started.stop(grace=40)
    assert wait(started) == [0]
    assert (listening / "saved").exists()

    deaf = job(tmp_path, "deaf", "import time\n(directory / 'ready').touch()\ntime.sleep(60)")
    started = launcher.start(deaf, None)
    end = time.monotonic() + 40
    while not (deaf / "ready").exists() and time.monotonic() < end:
        time.sleep(0.02)
    started.stop(grace=0.2)
    assert wait(started, seconds=10) == [LOST]
    assert wait(launcher.start(job(tmp_path, "after", ""), None)) == [0]


@pytest.mark.parametrize(
    ("kind", "library", "extra"), [("joblib", "joblib.externals", "joblib"), ("submitit", "submitit", "slurm")]
)
def test_a_library_that_is_not_there_is_named(
    kind: str, library: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ConfigError, match=rf"pip install 'labkeras\[{extra}\]'"):
        make_launcher({"kind": kind}, tmp_path)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"kind": "lokal"}, "there is no such launcher. Did you mean 'local'?"),
        ({}, "launcher.kind=None: there is no such launcher."),
        ("local", "launcher='local': expected a mapping; choose an option of the group"),
        ({"kind": "local", "workers": 0}, "launcher.workers=0: expected an integer of at least 1"),
        ({"kind": "local", "worker": 2}, "Did you mean 'workers' or"),
        ({"kind": "submitit", "mem_gb": "much"}, "launcher.mem_gb='much': expected a number"),
        ({"kind": "inprocess", "workers": 2}, "has no argument 'workers'"),
        ({"kind": "submitit", "sweep_dir": "x"}, "has no argument 'sweep_dir'"),
    ],
)
def test_what_is_wrong_with_the_options_of_a_launcher(values: Any, words: str) -> None:
    (fault,) = check_launcher(values)
    assert words in fault


def test_options_of_the_shipped_files_are_sound_and_all_there() -> None:
    from labkeras.experiment.config.safe_yaml import read_yaml
    from labkeras.experiment.config.schema import schema_of
    from labkeras.experiment.launchers.options import KINDS, _class_of

    for kind in KINDS:
        values = read_yaml(ROOT / "conf" / "launcher" / f"{kind}.yaml")
        assert check_launcher(values) == []
        assert values.keys() - {"kind"} == schema_of(_class_of(kind)).parameters.keys() - {"sweep_dir"}
        for name, parameter in schema_of(_class_of(kind)).parameters.items():
            if name != "sweep_dir":
                assert values[name] == parameter.default


@pytest.mark.slow
def test_a_trial_of_joblib_does_not_outlive_the_process_that_swept(tmp_path: Path) -> None:
    script = "import os, time\n(directory / 'pid').write_text(str(os.getpid()))\ntime.sleep(100)"
    folder = job(tmp_path, "a", script)
    code = (
        "import sys, time, pathlib\nfrom labkeras.experiment.launchers import joblib\n"
        "from tests.helpers.jobs_as_scripts import script_task\njoblib.run_task = script_task\n"
        "launcher = joblib.Joblib(1)\nlauncher.start(pathlib.Path(sys.argv[1]), None)\ntime.sleep(100)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], env=environment(), stderr=subprocess.DEVNULL
    ) as sweep:
        end = time.monotonic() + 40
        while not ((folder / "pid").exists() and (folder / "pid").read_text()) and time.monotonic() < end:
            time.sleep(0.02)
        pid = int((folder / "pid").read_text())
        sweep.kill()
    end = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()
