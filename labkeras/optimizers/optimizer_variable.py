"""What an optimizer keeps, seen as Keras's variables."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from labkeras.variable import Variable

__all__ = ["HostVariable", "slot_variable"]


class HostVariable(Variable):
    """A number of an optimizer as a scalar variable: its value now; assigning to it changes the number.

    The number itself stays a Python number, so that a step on an accelerator never waits for it.

    Args:
        value: the number.
        write: takes the number that is assigned.
        dtype: the data type it is shown in.
        path: its path: "adam/learning_rate".
    """

    write: Callable[[Any], None]

    def __new__(cls, value: float, write: Callable[[Any], None], dtype: str, path: str) -> "HostVariable":
        """Makes the tensor and keeps `write`."""
        variable = super().__new__(cls, value, dtype=dtype, trainable=False, name=path.rpartition("/")[2])
        assert isinstance(variable, HostVariable)
        variable.path = path
        variable.write = write
        return variable

    def assign(self, value: Any) -> Variable:
        super().assign(value)
        # A Python number is kept as it is, not as the nearest of this data type.
        self.write(value if isinstance(value, int | float) else self.item())
        return self

    def assign_add(self, value: Any) -> Variable:
        return self.assign(self.item() + value)

    def assign_sub(self, value: Any) -> Variable:
        return self.assign(self.item() - value)


def slot_variable(slot: Tensor, path: str) -> Variable:
    """A tensor of the optimizer's state as a variable that shares its memory."""
    variable = Variable(0.0, trainable=False, name=path.rpartition("/")[2]).like(slot)
    variable.path = path
    return variable
