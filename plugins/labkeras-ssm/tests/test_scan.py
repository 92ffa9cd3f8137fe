"""Linear recurrences all at once, against a plain loop."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from labkeras_ssm import scan, selective
from labkeras_ssm.scan import linear_scan
from labkeras_ssm.selective import selective_scan, selective_state


def looped(factors: Tensor, inputs: Tensor) -> Tensor:
    state, states = torch.zeros_like(inputs[:, 0]), []
    for step in range(inputs.shape[1]):
        state = factors[:, step] * state + inputs[:, step]
        states.append(state)
    return torch.stack(states, 1)


@pytest.fixture(params=["by halves", "by steps"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(scan, "_WIDE", 10**9 if request.param == "by halves" else 1)
    return str(request.param)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 8, 13, 31])
def test_it_is_the_recurrence(steps: int) -> None:
    factors, inputs = torch.rand(2, steps, 3, 2).double(), torch.randn(2, steps, 3, 2).double()
    assert_close(linear_scan(factors, inputs), looped(factors, inputs))


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("steps", [1, 2, 5, 6])
def test_its_gradients_are_those_of_small_steps(steps: int) -> None:
    factors = torch.rand(2, steps, 2, dtype=torch.float64, requires_grad=True)
    inputs = torch.randn(2, steps, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(linear_scan, (factors, inputs))
    assert torch.autograd.gradgradcheck(linear_scan, (factors, inputs))


@pytest.mark.usefixtures("way")
def test_long_sequences_neither_overflow_nor_vanish() -> None:
    # Factors whose product is below the smallest number of single precision: a scan that divides by it has only NaN.
    factors = torch.full((1, 4_000, 1), 0.5)
    result = linear_scan(factors, torch.ones(1, 4_000, 1))
    assert_close(result[:, 50:], torch.full((1, 3_950, 1), 2.0))
    assert not linear_scan(torch.zeros(1, 9, 1), torch.ones(1, 9, 1)).sub(1).any()


def test_it_takes_a_logarithmic_number_of_operations() -> None:
    def operations(steps: int) -> int:
        count = 0

        class Count(torch.utils._python_dispatch.TorchDispatchMode):
            def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
                nonlocal count
                count += 1
                return func(*args, **(kwargs or {}))

        with Count():
            linear_scan(torch.rand(1, steps, 1), torch.rand(1, steps, 1))
        return count

    few, many = operations(64), operations(4_096)
    assert many <= 2.2 * few  # twice the logarithm, 64 times the length


@pytest.fixture
def system() -> tuple[Tensor, ...]:
    torch.manual_seed(0)
    inputs, dt = torch.randn(2, 19, 3).double(), torch.rand(2, 19, 3).double()
    a, entry, reading = -torch.rand(3, 4).double() * 5, torch.randn(2, 19, 4).double(), torch.randn(2, 19, 4).double()
    return inputs, dt, a, entry, reading, torch.randn(2, 3, 4).double()


def stepped(
    inputs: Tensor, dt: Tensor, a: Tensor, entry: Tensor, reading: Tensor, state: Tensor
) -> tuple[Tensor, Tensor]:
    outputs = []
    for step in range(inputs.shape[1]):
        length = dt[:, step, :, None]
        state = torch.exp(length * a) * state + length * inputs[:, step, :, None] * entry[:, step, None]
        outputs.append((state * reading[:, step, None]).sum(-1))
    return torch.stack(outputs, 1), state


@pytest.mark.parametrize("at_once", [2**20, 1], ids=["in one", "in parts"])
@pytest.mark.parametrize("begins", [True, False])
def test_selective_systems_are_a_loop(
    system: tuple[Tensor, ...], at_once: int, begins: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(selective._AT_ONCE, "cpu", at_once)
    *given, start = (one.requires_grad_() for one in system)
    inputs, dt, a, entry, _ = given
    wanted, last = stepped(*given, start if begins else torch.zeros_like(start))
    found, state = selective_scan(*given, start if begins else None)
    assert_close((found, state), (wanted, last))
    assert_close(selective_state(inputs, dt, a, entry, start if begins else None), last)
    leaves = [*given, *([start] if begins else [])]
    mixed = (found.square().sum() + state.sin().sum(), wanted.square().sum() + last.sin().sum())
    assert_close(*(torch.autograd.grad(one, leaves, retain_graph=True) for one in mixed))


def test_a_part_of_the_states_is_kept_at_a_time(system: tuple[Tensor, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(selective._AT_ONCE, "cpu", 1)
    kept: list[int] = []

    def keep(value: Tensor) -> Tensor:
        kept.append(value.numel())
        return value

    *given, _ = system
    leaves = [one.requires_grad_() for one in given]
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        selective_scan(*leaves, None)
    assert max(kept) < 2 * 19 * 3 * 4  # the states of all steps
