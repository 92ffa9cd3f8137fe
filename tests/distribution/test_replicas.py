"""What the processes of a run do together, seen from one of them."""

import os
from typing import Any

import pytest
import torch
import torch.distributed as dist

from labkeras.distribution import replicas
from labkeras.distribution.replicas import Place
from labkeras.losses import MeanSquaredError
from labkeras.random import SeedGenerator
from labkeras.training.dealing import deal, dealt_count
from labkeras.training.rows import BatchRows
from tests.helpers.processes import run_ranks


@pytest.mark.parametrize("rows", [0, 1, 2, 5, 6, 7])
def test_the_shares_of_a_batch_are_all_of_it_and_the_first_is_the_largest(rows: int) -> None:
    shares = [Place(rank, 3).share(rows) for rank in range(3)]
    assert [row for share in shares for row in range(rows)[share]] == list(range(rows))
    sizes = [share.stop - share.start for share in shares]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] - sizes[-1] <= 1


def _rows(processes: int, splits_batches: bool, **arguments: Any) -> list[list[list[int]]]:
    taken = []
    for rank in range(processes):
        with replicas.working(Place(rank, processes, splits_batches)):
            rows = BatchRows(**arguments)
            batches = [list(range(arguments["length"]))[batch] for batch in rows]
            assert len(batches) == len(rows)
            taken.append(batches)
    return taken


def test_each_row_is_in_one_part_of_one_batch() -> None:
    assert _rows(2, False, length=5, batch_size=2, shuffle=False) == [[[0, 1], [4]], [[2, 3], []]]
    assert _rows(2, True, length=5, batch_size=2, shuffle=False) == [[[0], [2], [4]], [[1], [3], []]]


@pytest.mark.parametrize("deals", [True, False])
def test_batches_go_round_unless_each_process_has_its_own(deals: bool) -> None:
    batches = [torch.tensor([index]) for index in range(5)]
    taken = []
    for rank in range(2):
        with replicas.working(Place(rank, 2, deals=deals)):
            taken.append([batch.tolist() for batch in deal(batches, lambda batch: batch)])
            assert dealt_count(5) == len(taken[-1])
    own = [[[0], [2], [4]], [[1], [3], []]]
    assert taken == (own if deals else [[[0], [1], [2], [3], [4]]] * 2)


def test_alone_is_alone_within_a_run() -> None:
    with replicas.working(Place(1, 2)):
        assert (replicas.busy(), replicas.together(), replicas.current().count) == (True, True, 2)
        with replicas.alone():
            assert (replicas.busy(), replicas.together(), replicas.current().count) == (True, False, 1)
        assert replicas.current().rank == 1
    assert (replicas.busy(), replicas.together()) == (False, False)


def test_a_seeded_stream_differs_between_replicas() -> None:
    def draw() -> list[float]:
        values: list[float] = SeedGenerator(7).uniform((3,), torch.device("cpu")).tolist()
        return values

    with replicas.working(Place(0, 2)):
        first = draw()
    with replicas.working(Place(1, 2)):
        second = draw()
    assert first == draw()
    assert first != second


def test_a_replicas_loss_is_its_part_of_the_loss_of_all() -> None:
    y_true, y_pred = torch.arange(6.0).reshape(3, 2), torch.zeros(3, 2)
    weights, mask = torch.tensor([1.0, 0.5, 2.0]), torch.tensor([True, False, True])
    parts = [slice(0, 2), slice(2, 3)]

    def losses() -> list[list[float]]:
        dist.init_process_group("gloo")
        rank = int(os.environ["RANK"])
        rows, found = parts[rank], []
        masked = y_pred[rows].clone()
        masked._keras_mask = mask[rows]  # type: ignore[attr-defined]  # where Keras keeps it
        with replicas.working(Place(rank, 2)):
            for reduction in ("sum_over_batch_size", "sum", "mean_with_sample_weight"):
                loss = MeanSquaredError(reduction=reduction)
                for weight, outputs in ((None, y_pred[rows]), (weights[rows], y_pred[rows]), (None, masked)):
                    with replicas.in_step(len(y_true[rows]), torch.device("cpu")):
                        found.append(loss(y_true[rows], outputs, weight).item())
        return found

    first, second = run_ranks(losses)
    means = [(a + b) / 2 for a, b in zip(first, second, strict=True)]
    masked = y_pred.clone()
    masked._keras_mask = mask  # type: ignore[attr-defined]  # likewise
    expected = [
        MeanSquaredError(reduction=reduction)(y_true, outputs, weight).item()
        for reduction in ("sum_over_batch_size", "sum", "mean_with_sample_weight")
        for weight, outputs in ((None, y_pred), (weights, y_pred), (None, masked))
    ]
    assert means == pytest.approx(expected, rel=1e-6)
    assert first != pytest.approx(expected, rel=1e-2)
