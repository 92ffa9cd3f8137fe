"""OptimizerWrapper: all that is asked of it is the inner optimizer's."""

from typing import Any

import torch

from labkeras.optimizers import SGD, Adam
from labkeras.optimizers.wrapper import OptimizerWrapper, innermost


class Doubled(OptimizerWrapper):
    """Steps with twice the gradients."""

    def step(self, closure: Any = None) -> Any:
        for param in self.trainable_variables:
            if param.grad is not None:
                param.grad.mul_(2)
        return self.inner_optimizer.step(closure)


def test_state_groups_and_counts_are_the_inner_optimizers() -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = Doubled(SGD(0.1, momentum=0.9))
    optimizer.apply([torch.ones(2)], [weight])
    inner = optimizer.inner_optimizer
    torch.testing.assert_close(weight.detach(), torch.tensor([0.8, 0.8]))
    assert optimizer.param_groups is inner.param_groups
    assert optimizer.state is inner.state
    assert int(optimizer.iterations) == int(inner.iterations) == 1
    optimizer.learning_rate = 0.5
    assert inner.param_groups[0]["lr"] == 0.5


def test_a_state_goes_from_one_to_another_and_to_its_inner_optimizer() -> None:
    weights = [torch.nn.Parameter(torch.ones(2)) for _ in range(2)]
    one, other = Doubled(Adam(0.1)), Adam(0.1)
    one.apply([torch.ones(2)], weights[:1])
    other.build(weights[1:])
    other.load_state_dict(one.state_dict())
    assert torch.equal(other.state[weights[1]]["momentum"], one.state[weights[0]]["momentum"])


def test_hooks_run_once() -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = Doubled(SGD(0.1))
    optimizer.build([weight])
    seen = []
    optimizer.register_step_post_hook(lambda *_: seen.append(1))
    optimizer.apply([torch.ones(2)])
    assert seen == [1]


def test_a_config_holds_the_inner_optimizer() -> None:
    config = Doubled(SGD(0.25, momentum=0.5), name="doubled").get_config()
    again = Doubled.from_config(config)
    assert again.get_config() == config
    assert again.inner_optimizer.get_config()["momentum"] == 0.5


def test_the_innermost_is_found_through_several() -> None:
    inner = SGD()
    assert innermost(Doubled(Doubled(inner))) is inner
    assert innermost(inner) is inner
