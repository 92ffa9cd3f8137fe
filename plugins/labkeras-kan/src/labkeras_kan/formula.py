"""formula: samples of a known function, to see how well a model finds it again."""

from collections.abc import Callable
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import j0  # type: ignore[import-untyped]  # it ships no types

from labkeras.datasets.arguments import checked_count, checked_seed
from labkeras.datasets.spec import ArraySpec, DataSpec, gives
from labkeras.errors import InvalidArgumentError, did_you_mean
from labkeras.ranges import NonNegative, Range
from labkeras_kan.arguments import not_negative

__all__ = ["FORMULAS", "Formula", "load_data"]

Values = NDArray[np.float32]


class Formula(NamedTuple):
    """A function of some variables, each from -1 to 1."""

    variables: int
    function: Callable[[NDArray[np.float64]], NDArray[np.float64]]


FORMULAS = {
    "bessel": Formula(1, lambda x: np.asarray(j0(20 * x[:, 0]))),
    "exp_sin": Formula(2, lambda x: np.exp(np.sin(np.pi * x[:, 0]) + x[:, 1] ** 2)),
    "product": Formula(2, lambda x: x[:, 0] * x[:, 1]),
    "sines_of_radii": Formula(
        4,
        lambda x: np.exp(
            (np.sin(np.pi * (x[:, 0] ** 2 + x[:, 1] ** 2)) + np.sin(np.pi * (x[:, 2] ** 2 + x[:, 3] ** 2))) / 2
        ),
    ),
}
"""Functions of the paper's section 3.1, by name."""


def _spec(
    formula: str = "exp_sin", rows: int = 2_000, test_rows: int = 1_000, noise: float = 0.0, seed: int = 0
) -> DataSpec:
    del noise, seed  # they change the values alone
    return DataSpec(ArraySpec((_named(formula).variables,)), ArraySpec((1,)), rows=rows, test_rows=test_rows)


@gives(_spec)
def load_data(
    formula: str = "exp_sin",
    rows: Annotated[int, Range(at_least=1)] = 2_000,
    test_rows: Annotated[int, Range(at_least=1)] = 1_000,
    noise: NonNegative = 0.0,
    seed: Annotated[int, Range(at_least=0)] = 0,
) -> tuple[tuple[Values, Values], tuple[Values, Values]]:
    """Samples a formula at random points of [-1, 1]ⁿ.

    Args:
        formula: "exp_sin", exp(sin(πx) + y²); "product", xy; "bessel", J₀(20x); or "sines_of_radii",
            exp((sin(π(x₁² + x₂²)) + sin(π(x₃² + x₄²))) / 2).
        rows: how many samples to train on, at least 1.
        test_rows: the same to test on; these are without noise.
        noise: standard deviation of what is added to the values to train on, at least 0.
        seed: of points and noise, at least 0. Equal arguments give equal data.

    Shapes:
        x_train: (rows, variables), `float32` in [-1, 1]
        y_train: (rows, 1), `float32`
        x_test: (test_rows, variables)
        y_test: (test_rows, 1)

    Returns:
        `(x_train, y_train), (x_test, y_test)`.

    Raises:
        InvalidArgumentError: if an argument is out of its range, or no formula has the name.

    Reference:
        Z. Liu et al. (2024), "KAN: Kolmogorov-Arnold Networks", section 3.1, https://arxiv.org/abs/2404.19756

    Example:
        >>> (x_train, y_train), _ = load_data("product", rows=100)
        >>> x_train.shape, y_train.shape
        ((100, 2), (100, 1))
    """
    chosen = _named(formula)
    checked_count(rows, "rows")
    checked_count(test_rows, "test_rows")
    not_negative(noise, "noise")
    train, test = np.random.SeedSequence(checked_seed(seed)).spawn(2)
    return _samples(chosen, rows, noise, train), _samples(chosen, test_rows, 0.0, test)


def _named(formula: str) -> Formula:
    if formula not in FORMULAS:
        near = did_you_mean(str(formula), list(FORMULAS))
        raise InvalidArgumentError(
            f"`formula` must be one of {', '.join(map(repr, FORMULAS))}.{near} Received: formula={formula!r}"
        )
    return FORMULAS[formula]


def _samples(formula: Formula, rows: int, noise: float, seed: np.random.SeedSequence) -> tuple[Values, Values]:
    generator = np.random.default_rng(seed)
    x = generator.uniform(-1, 1, (rows, formula.variables))
    y = formula.function(x) + noise * generator.standard_normal(rows)
    return x.astype(np.float32), y[:, np.newaxis].astype(np.float32)
