import os
import socket
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from labkeras import metrics
from labkeras.metrics import Metric


class Parts(Metric):
    def __init__(self, rank: int) -> None:
        super().__init__()
        self.total = self.add_variable((2,), "zeros", name="total")
        self.steps = self.add_variable((), "zeros", dtype="int64", name="steps")
        self.mean = self.add_variable((), "zeros", aggregation="mean", name="mean")
        self.first = self.add_variable((), "zeros", aggregation="only_first_replica", name="first")
        self.own = self.add_variable((), "zeros", aggregation="none", name="own")
        for variable in self.variables:
            variable.assign_add(torch.full(variable.shape, rank + 1))


def run_rank(rank: int, port: int, folder: str) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "RANK": str(rank), "WORLD_SIZE": "2"}
    dist.init_process_group("gloo")
    mean, parts, calls = metrics.Mean(), Parts(rank), []
    mean.update_state([1.0, 2.0] if rank == 0 else [9.0])
    all_reduce = dist.all_reduce
    dist.all_reduce = lambda *args, **options: (calls.append(1), all_reduce(*args, **options))[1]
    with mean.synced(), parts.synced():
        seen = [mean.result().item(), *(v.tolist() for v in parts.variables)]
    after = [mean.result().item(), *(v.tolist() for v in parts.variables)]
    torch.save({"seen": seen, "after": after, "calls": len(calls)}, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


@pytest.mark.slow
def test_ranks_see_one_state_within_synced_and_their_own_afterwards(tmp_path: Path) -> None:
    mp.spawn(run_rank, args=(free_port(), str(tmp_path)), nprocs=2)
    for rank in range(2):
        report = torch.load(tmp_path / f"{rank}.pt")
        assert report["seen"] == [4.0, [3.0, 3.0], 3, 1.5, 1.0, rank + 1.0]
        own = float(rank + 1)
        assert report["after"] == [[1.5, 9.0][rank], [own, own], rank + 1, own, own, own]
        assert report["calls"] == 2


def test_without_a_group_nothing_happens() -> None:
    metric = metrics.Mean()
    metric.update_state([1.0, 3.0])
    with metric.synced():
        assert metric.result() == 2.0
