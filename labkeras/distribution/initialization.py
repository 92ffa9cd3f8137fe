"""initialize: joins this process with others that somebody started by hand."""

import os
import socket
from typing import Any

import torch
import torch.distributed as dist

from labkeras.errors import InvalidArgumentError

__all__ = ["initialize"]

_PREFIX = "KERAS_DISTRIBUTION_"
_PORT = "29500"  # torch's own default


def initialize(
    job_addresses: str | None = None, num_processes: int | None = None, process_id: int | None = None
) -> None:
    """Joins the processes of a run; each calls it once, before anything else, and has one device.

    Under torchrun it needs no arguments, and in Slurm it needs no call. What is not given is taken from
    KERAS_DISTRIBUTION_JOB_ADDRESSES, KERAS_DISTRIBUTION_NUM_PROCESSES and KERAS_DISTRIBUTION_PROCESS_ID.

    Args:
        job_addresses: "host:port" of the first process; of the others, if they are listed too, only it is used.
        num_processes: how many processes there are.
        process_id: the number of this one, from 0.

    Raises:
        InvalidArgumentError: if the numbers do not go together, or an address is missing.
    """
    address = job_addresses or os.environ.get(f"{_PREFIX}JOB_ADDRESSES")
    processes = _number(num_processes, "NUM_PROCESSES", "WORLD_SIZE")
    rank = _number(process_id, "PROCESS_ID", "RANK")
    if processes is None and rank is None and address is None:
        return  # one process, which has nobody to join
    if processes is None or rank is None or not 0 <= rank < processes:
        raise InvalidArgumentError(
            "`process_id` must be a number from 0 to below `num_processes`. "
            f"Received: num_processes={processes}, process_id={rank}"
        )
    if processes > 1:
        _join(address, processes, rank)


def _number(given: int | None, name: str, launcher_name: str) -> int | None:
    if given is not None:
        return int(given)
    found = os.environ.get(f"{_PREFIX}{name}", os.environ.get(launcher_name))
    return None if found is None else int(found)


def _join(address: str | None, processes: int, rank: int) -> None:
    host, port = _first_process(address)
    os.environ |= {"MASTER_ADDR": host, "MASTER_PORT": port, "WORLD_SIZE": str(processes), "RANK": str(rank)}
    if not dist.is_initialized():
        # Both: what is said about the run itself travels between processors.
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    hosts: list[Any] = [None] * processes
    dist.all_gather_object(hosts, socket.gethostname())
    mine = hosts[rank]
    nodes = list(dict.fromkeys(hosts))
    # As torchrun says it, which Lightning reads.
    os.environ |= {
        "LOCAL_RANK": str(hosts[:rank].count(mine)),
        "LOCAL_WORLD_SIZE": str(hosts.count(mine)),
        "GROUP_RANK": str(nodes.index(mine)),
        "NODE_RANK": str(nodes.index(mine)),
    }


def _first_process(address: str | None) -> tuple[str, str]:
    if address is None and "MASTER_ADDR" in os.environ:
        return os.environ["MASTER_ADDR"], os.environ.get("MASTER_PORT", _PORT)
    first = (address or "").split(",")[0].strip()
    host, _, port = first.rpartition(":") if ":" in first else (first, "", _PORT)
    if not host or not port.isdigit():
        raise InvalidArgumentError(
            "`job_addresses` must begin with the address of the first process, as in '10.0.0.1:1234'. "
            f"Received: job_addresses={address!r}"
        )
    return host, port
