"""Processes of `labkeras train`, killed at any moment, go on and end as if nothing had been."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from labkeras.experiment.runs.directory import RunDirectory
from tests.helpers import dying_runs
from tests.helpers.dying_runs import DEATH, PLUGIN, outcome, overrides
from tests.helpers.processes import environment, install_plugin, run_labkeras
from tests.helpers.run_server import RunServer

pytestmark = pytest.mark.slow

SIGKILL = -9
KINDS = {
    "arrays": overrides(),
    "unbuilt": overrides("arrays", "model=unbuilt"),
    "loader": overrides("loader"),
    "workers": overrides("loader", workers=2),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunServer]:
    folder = tmp_path_factory.mktemp("killed")
    dying_runs.write_conf(folder / "conf")
    install_plugin(folder, "labkeras-dying", PLUGIN)
    with RunServer(folder, {**environment(folder), "OMP_NUM_THREADS": "1", DEATH: "-1:-1:error"}) as started:
        yield started


@pytest.fixture(scope="module")
def whole(server: RunServer) -> dict[str, Any]:
    """What runs come to that nothing happens to."""
    outcomes = {}
    for kind, lines in KINDS.items():
        code, output = train(server, f"whole-{kind}", lines)
        assert code == 0, output
        outcomes[kind] = outcome(server.folder / f"whole-{kind}")
    return outcomes


def train(server: RunServer, name: str, lines: list[str], **more: Any) -> tuple[int, str]:
    return server.labkeras("train", "--config-dir", "conf", *lines, f"run_dir={name}", "resume=true", **more)


def random_death(draw: random.Random) -> dict[str, Any]:
    """A moment within a run: a batch, the middle of a save, a time."""
    place = draw.choice(["batch", "batch", "save", "time"])
    if place == "time":
        return {"seconds": draw.uniform(0.02, 0.4)}
    if place == "save":
        return {DEATH: f"save:{draw.randrange(1, 60)}:kill"}
    batch = draw.choice([*range(4), *range(4), 1000, 2000])
    return {DEATH: f"{draw.randrange(4)}:{batch}:kill"}


@pytest.mark.parametrize("kind", KINDS)
def test_killed_anywhere_it_ends_as_if_it_had_not_been(server: RunServer, whole: dict[str, Any], kind: str) -> None:
    draw = random.Random(f"kills of {kind}")
    landed = number = 0
    while landed < 5:
        name, number = f"{kind}-{number}", number + 1
        for _ in range(draw.randint(1, 3)):  # so often a run is killed, unless it ends before
            code, output = train(server, name, KINDS[kind], **random_death(draw))
            assert code in (SIGKILL, 0), output
            landed += code == SIGKILL
        code, output = train(server, name, KINDS[kind])
        assert code == 0, output
        broken = outcome(server.folder / name)
        for part in broken:
            assert broken[part] == whole[kind][part], (name, part)


@pytest.mark.parametrize("death", ["0:1:term", "2:1000:term", "3:2000:term"])
@pytest.mark.parametrize("kind", ["arrays", "workers"])
def test_sigterm_leaves_a_checkpoint_and_the_code_75(
    server: RunServer, whole: dict[str, Any], kind: str, death: str
) -> None:
    name = f"{kind}-term-{death.replace(':', '-')}"
    code, output = train(server, name, KINDS[kind], **{DEATH: death})
    assert code == 75, output
    assert "labkeras resume" in output
    record = RunDirectory.open(server.folder / name).record()
    assert record["state"] == "preempted"
    assert record["failure"]["kind"] == "preempted"
    epoch, batch = (int(part) for part in death.split(":")[:2])
    batches = {1000: 5 if kind == "workers" else 4, 2000: 0}.get(batch, batch + 1)
    code, output = server.labkeras("resume", name)
    assert code == 0, output
    resumed = RunDirectory.open(server.folder / name).record()["resumed"]
    assert [(entry["epoch"], entry["batch"]) for entry in resumed] == [(epoch + (batch == 2000), batches)]
    broken = outcome(server.folder / name)
    assert {part for part in broken if broken[part] != whole[kind][part]} == set()


def test_a_new_process_goes_on_by_name_and_says_so_when_it_is_done(server: RunServer, whole: dict[str, Any]) -> None:
    code, output = train(server, "fresh", KINDS["arrays"], **{DEATH: "1:2:kill"})
    assert code == SIGKILL, output
    assert RunDirectory.open(server.folder / "fresh").record()["state"] == "killed"
    for _ in range(2):
        ended = run_labkeras(server.folder, "resume", "fresh")
        assert ended.returncode == 0, ended.stderr
        assert outcome(server.folder / "fresh") == whole["arrays"]
    assert "nothing to go on with" in ended.stderr
