"""The local launcher: a crash, a hang or a kill of one trial harms no other, and nothing is left running."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from labkeras.errors import ConfigError
from labkeras.experiment.launchers import gpus, local
from labkeras.experiment.launchers.local import Local
from tests.helpers.processes import environment

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _scripts_for_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_WORKER", "tests.helpers.job_worker")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.fixture
def launcher() -> Iterator[Local]:
    one = Local(workers=2)
    yield one
    one.close()


def job(folder: Path, name: str, script: str) -> Path:
    directory = folder / name
    directory.mkdir()
    (directory / "job.py").write_text(script)
    return directory


def wait(*jobs: local._LocalJob, seconds: float = 20) -> list[int | None]:
    end = time.monotonic() + seconds
    while not all(one.poll() for one in jobs):
        assert time.monotonic() < end
        time.sleep(0.01)
    return [one.exit_code for one in jobs]


def is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def gone(pid: int, seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while is_alive(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not is_alive(pid)


def test_trials_run_side_by_side_and_their_output_is_in_their_folders(launcher: Local, tmp_path: Path) -> None:
    meet = "import time\n(directory / 'here').touch()\nother = directory.parent / {!r} / 'here'\n"
    meet += "end = time.monotonic() + 15\nwhile not other.exists() and time.monotonic() < end: time.sleep(0.01)\n"
    meet += "print('met' if other.exists() else 'alone')\nimport os; os.system('echo from a child')"
    folders = [job(tmp_path, "a", meet.format("b")), job(tmp_path, "b", meet.format("a"))]
    assert wait(*(launcher.start(folder, None) for folder in folders)) == [0, 0]
    for folder in folders:
        assert sorted((folder / "logs" / "output.txt").read_text().split("\n")) == ["", "from a child", "met"]


def test_a_worker_serves_many_trials_and_is_replaced_after_one_that_failed(launcher: Local, tmp_path: Path) -> None:
    script = "import os\n(directory / 'pid').write_text(str(os.getpid()))\ncode = {}"
    pids, codes = [], [0, 0, 1, 0]
    for number, code in enumerate(codes):
        folder = job(tmp_path, str(number), script.format(code))
        assert wait(launcher.start(folder, None)) == [code]
        pids.append(int((folder / "pid").read_text()))
    assert pids[0] == pids[1] == pids[2] != pids[3]
    assert gone(pids[0])


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("import os; os._exit(7)", 7),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("import sys; sys.exit(3)", 3),
        ("import ctypes; ctypes.string_at(0)", -signal.SIGSEGV),
    ],
)
def test_a_trial_that_takes_its_process_down_is_over_and_the_next_one_runs(
    launcher: Local, tmp_path: Path, script: str, code: int
) -> None:
    assert wait(launcher.start(job(tmp_path, "bad", script), None)) == [code]
    assert wait(launcher.start(job(tmp_path, "good", ""), None)) == [0]


def test_a_trial_that_is_told_to_stop_may_write_before_it_ends(launcher: Local, tmp_path: Path) -> None:
    script = (
        "import signal, time\ndone = []\nsignal.signal(signal.SIGTERM, lambda *_: done.append(1))\n"
        "(directory / 'ready').touch()\nwhile not done: time.sleep(0.01)\n(directory / 'saved').touch()\ncode = 75"
    )
    folder = job(tmp_path, "a", script)
    started = launcher.start(folder, None)
    while not (folder / "ready").exists():
        time.sleep(0.01)
    started.stop(grace=20)
    assert wait(started) == [75]
    assert (folder / "saved").exists()


def test_a_trial_that_does_not_listen_is_killed_with_its_children(launcher: Local, tmp_path: Path) -> None:
    script = (
        "import signal, subprocess, sys, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(100)'])\n"
        "(directory / 'child').write_text(str(child.pid))\n(directory / 'ready').touch()\ntime.sleep(100)"
    )
    folder = job(tmp_path, "a", script)
    started = launcher.start(folder, None)
    while not (folder / "ready").exists():
        time.sleep(0.01)
    begin = time.monotonic()
    started.stop(grace=0.5)
    assert not started.poll()
    assert wait(started) == [-signal.SIGKILL]
    assert 0.5 < time.monotonic() - begin < 5
    assert gone(int((folder / "child").read_text()))


def test_nothing_outlives_the_process_that_swept(tmp_path: Path) -> None:
    folder = job(
        tmp_path,
        "a",
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(100)'])\n"
        "(directory / 'pids').write_text(f'{os.getpid()} {child.pid}')\n(directory / 'ready').touch()\ntime.sleep(100)",
    )
    code = (
        "import sys, time, pathlib\nfrom labkeras.experiment.launchers import local\n"
        "local._WORKER = 'tests.helpers.job_worker'\nlauncher = local.Local(workers=1)\n"
        "launcher.start(pathlib.Path(sys.argv[1]), None)\ntime.sleep(100)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(folder)], env=environment()) as sweep:
        while not (folder / "ready").exists():
            time.sleep(0.01)
        sweep.kill()
    for pid in (folder / "pids").read_text().split():
        assert gone(int(pid))


def test_close_ends_what_still_runs(tmp_path: Path) -> None:
    launcher = Local(workers=1)
    folder = job(tmp_path, "a", "import os, time\n(directory / 'pid').write_text(str(os.getpid()))\ntime.sleep(100)")
    launcher.start(folder, None)
    while not (folder / "pid").exists() or not (folder / "pid").read_text():
        time.sleep(0.01)
    launcher.close()
    assert gone(int((folder / "pid").read_text()))


def test_each_trial_sees_the_cards_of_its_slot_and_its_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    launcher = Local(slots_per_gpu=2, threads_per_worker=3)
    assert launcher.slots == 4
    script = (
        "import os, time\n(directory / 'seen').write_text(os.environ['CUDA_VISIBLE_DEVICES'] + ' ' + "
        "os.environ['OMP_NUM_THREADS'])\nwhile not (directory.parent / 'go').exists(): time.sleep(0.01)"
    )
    folders = [job(tmp_path, str(number), script) for number in range(4)]
    jobs = [launcher.start(folder, None) for folder in folders]
    while not all((folder / "seen").exists() for folder in folders):
        time.sleep(0.01)
    (tmp_path / "go").touch()
    wait(*jobs)
    launcher.close()
    assert [(folder / "seen").read_text() for folder in folders] == ["4 3", "6 3", "4 3", "6 3"]


@pytest.mark.parametrize(
    ("visible", "arguments", "expected"),
    [
        ("0,1,2,3", {}, ["0", "1", "2", "3"]),
        ("0,1,2,3", {"gpus": [1, 3]}, ["1", "3"]),
        ("GPU-a,GPU-b", {"slots_per_gpu": 2}, ["GPU-a", "GPU-b", "GPU-a", "GPU-b"]),
        ("0,1,2,3,4", {"gpus_per_trial": 2}, ["0,1", "2,3"]),
        ("", {}, []),
        ("-1", {}, []),
        ("0,1", {"gpus": []}, []),
    ],
)
def test_slots_of_cards(
    visible: str, arguments: dict[str, object], expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpus.gpu_slots(**{"gpus": None, **arguments}) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"gpus": [0, 7]}, "there are 2 graphics cards here; [7] are not"),
        ({"gpus": None, "gpus_per_trial": 2, "slots_per_gpu": 3}, "launcher.slots_per_gpu=3"),
        ({"gpus": None, "gpus_per_trial": 3}, "only 2 graphics cards"),
    ],
)
def test_cards_that_are_not_there(arguments: dict[str, object], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with pytest.raises(ConfigError) as caught:
        gpus.gpu_slots(**arguments)  # type: ignore[arg-type]
    assert words in str(caught.value)


def test_without_cards_there_is_a_worker_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "_count", lambda: 0)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert Local().slots == len(os.sched_getaffinity(0))
