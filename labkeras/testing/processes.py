"""A function in several processes that have joined, as torchrun would start them."""

import multiprocessing
import os
import socket
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from typing import Any

import torch

from labkeras.testing.properties import NotApplicable

__all__ = ["free_port", "run_ranks"]

_AFTER_GPU = "in combination with fork-based multiprocessing"  # torch's words


def run_ranks(function: Callable[..., Any], *arguments: Any, count: int = 2, seconds: float = 120) -> list[Any]:
    """What `function(*arguments)` returns in each of several processes that have joined, as torchrun would start them.

    Args:
        function: any function; it may be a local one, since the processes are forks of this one.
        *arguments: its arguments.
        count: how many processes.
        seconds: after which all of them are ended.

    Raises:
        NotApplicable: where processes cannot be forked.
        AssertionError: if one of them failed or did not answer in time.
    """
    if sys.platform == "win32":
        raise NotApplicable("there is no fork")
    context = multiprocessing.get_context("fork")
    receivers, started = [], []
    port = free_port()
    for rank in range(count):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_rank_main, args=(sender, port, rank, count, function, arguments))
        with warnings.catch_warnings():
            # Python 3.12 warns of forks beside other threads: pytest's, which hold nothing that a process needs.
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
        sender.close()
        receivers.append(receiver)
        started.append(process)
    deadline = time.monotonic() + seconds
    try:
        answers = [_answer(receiver, deadline) for receiver in receivers]
    finally:
        for process in started:
            process.join(max(deadline - time.monotonic(), 0.1))
            if process.is_alive():
                process.kill()
                process.join()
    faults = [text for is_fault, text in answers if is_fault]
    if any(_AFTER_GPU in text for text in faults):
        raise NotApplicable("autograd has worked on a GPU in this process, which cannot be forked after that")
    if faults:
        raise AssertionError("\n".join(faults))
    return [value for _, value in answers]


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def _answer(receiver: Any, deadline: float) -> tuple[bool, Any]:
    if not receiver.poll(max(deadline - time.monotonic(), 0.1)):
        return True, "a process did not answer in time"
    try:
        answer: tuple[bool, Any] = receiver.recv()
    except EOFError:
        return True, "a process died"
    return answer


def _rank_main(sender: Any, port: int, rank: int, count: int, function: Callable[..., Any], arguments: Any) -> None:
    numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "GROUP_RANK": 0}
    run = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "TORCHELASTIC_RUN_ID": "test", "GROUP_WORLD_SIZE": 1}
    os.environ |= {name: str(value) for name, value in {**numbers, **run}.items()}
    torch.set_num_threads(1)
    answer: tuple[bool, Any]
    try:
        answer = False, function(*arguments)
    except BaseException:
        answer = True, f"in process {rank}:\n{traceback.format_exc()}"
    sender.send(answer)
    sender.close()
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
