"""Seeds: set_random_seed, and a layer's own stream."""

import copy
import random

import numpy as np
import pytest
import torch

from labkeras.errors import InvalidArgumentError
from labkeras.random import SeedGenerator, set_random_seed

CPU = torch.device("cpu")


def test_one_seed_sets_pythons_numpys_and_torchs_generators() -> None:
    draws = []
    for _ in range(2):
        set_random_seed(7)
        draws.append((random.random(), np.random.rand(), torch.rand(()).item()))
    assert draws[0] == draws[1]


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "7", None, True])
def test_a_bad_seed_is_named(seed: object) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"`seed` must be an integer in .*Received: seed={seed!r}"):
        set_random_seed(seed)  # type: ignore[arg-type]


def test_a_stream_goes_on_and_starts_again_with_its_seed() -> None:
    one, other = SeedGenerator(5), SeedGenerator(5)
    first, second = one.uniform((4,), CPU), one.uniform((4,), CPU)
    assert not torch.equal(first, second)
    assert torch.equal(other.uniform((4,), CPU), first)
    assert torch.equal(other.uniform((4,), CPU), second)


def test_streams_of_different_seeds_differ() -> None:
    seeds = (0, 1, 2, 3, 4, 1337, 1339, 2**16, 2**31, 2**32 - 2, 2**32 - 1)
    draws = {tuple(SeedGenerator(seed).uniform((4,), CPU).tolist()) for seed in seeds}
    assert len(draws) == len(seeds)


def test_without_a_seed_the_global_generator_is_drawn_from() -> None:
    stream = SeedGenerator()
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    assert torch.equal(stream.uniform((4,), CPU), expected)
    assert stream.next_generator(CPU) is None


def test_values_are_uniform_floats_of_the_shape() -> None:
    values = SeedGenerator(1).uniform((100, 100), CPU)
    assert (values.shape, values.dtype) == ((100, 100), torch.float32)
    assert 0 <= values.min() < 0.001
    assert 0.999 < values.max() < 1
    assert values.mean().item() == pytest.approx(0.5, abs=0.01)


def test_the_state_is_a_variable_that_is_saved() -> None:
    stream = SeedGenerator(5)
    stream.uniform((2,), CPU)
    assert stream.state.tolist() == [5, 1]
    resumed = SeedGenerator(5)
    resumed.load_state_dict(stream.state_dict())
    assert torch.equal(resumed.uniform((2,), CPU), stream.uniform((2,), CPU))
    assert stream.state.path == "seed_generator/seed_generator_state"


def test_a_compiled_program_draws_the_same_numbers() -> None:
    class Noise(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stream = SeedGenerator(5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.stream.uniform(x.shape, x.device)

    module = Noise()
    torch._dynamo.reset()
    compiled = torch.compile(copy.deepcopy(module), fullgraph=True, backend="aot_eager")
    exported = torch.export.export(copy.deepcopy(module), (torch.zeros(3),)).module()
    for _ in range(2):
        expected = module(torch.zeros(3))
        assert torch.equal(compiled(torch.zeros(3)), expected)
        assert torch.equal(exported(torch.zeros(3)), expected)


def test_the_config_makes_an_equal_stream() -> None:
    stream = SeedGenerator.from_config(SeedGenerator(5, name="noise").get_config())
    assert (stream.seed, stream.name) == (5, "noise")
