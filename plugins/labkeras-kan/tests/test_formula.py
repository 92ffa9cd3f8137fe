"""The formulas, and what the data set gives."""

import numpy as np
import pytest
from scipy.special import jv

from labkeras.datasets.spec import spec_of
from labkeras.errors import InvalidArgumentError
from labkeras_kan.formula import FORMULAS, load_data


@pytest.mark.parametrize("formula", sorted(FORMULAS))
def test_the_data_is_as_its_spec_says(formula: str) -> None:
    spec = spec_of(load_data, formula=formula, rows=20, test_rows=10)
    (x, y), (x_test, y_test) = load_data(formula, rows=20, test_rows=10)
    assert spec is not None
    assert (x.shape, y.shape) == ((20, *spec.x.shape), (20, *spec.y.shape))
    assert (len(x_test), len(y_test)) == (10, 10)
    assert x.dtype == y.dtype == np.float32
    assert np.abs(x).max() <= 1


@pytest.mark.parametrize(
    ("formula", "function"),
    [
        ("bessel", lambda x: jv(0, 20 * x)),
        ("exp_sin", lambda x, y: np.exp(np.sin(np.pi * x) + y**2)),
        ("product", lambda x, y: x * y),
        (
            "sines_of_radii",
            lambda a, b, c, d: np.exp(0.5 * (np.sin(np.pi * (a**2 + b**2)) + np.sin(np.pi * (c**2 + d**2)))),
        ),
    ],
)
def test_the_values_are_those_of_the_formula(formula: str, function: object) -> None:
    (x, y), _ = load_data(formula, rows=50)
    np.testing.assert_allclose(y[:, 0], function(*x.T.astype(float)), rtol=1e-4, atol=1e-5)  # type: ignore[operator]


def test_noise_is_in_what_is_trained_on_alone() -> None:
    (_, clean), (_, clean_test) = load_data(rows=5_000, seed=3)
    (_, noisy), (_, noisy_test) = load_data(rows=5_000, seed=3, noise=0.5)
    assert np.std(noisy - clean) == pytest.approx(0.5, rel=0.05)
    np.testing.assert_array_equal(clean_test, noisy_test)


def test_seeds_give_other_points() -> None:
    assert not np.array_equal(load_data(seed=1)[0][0], load_data(seed=2)[0][0])
    np.testing.assert_array_equal(load_data(seed=1)[0][0], load_data(seed=1)[0][0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"formula": "exp_sine"}, r"Did you mean 'exp_sin'\? Received: formula='exp_sine'"),
        ({"rows": 0}, "Received: rows=0"),
        ({"noise": -1.0}, r"Received: noise=-1\.0"),
        ({"seed": -1}, "Received: seed=-1"),
    ],
)
def test_it_names_the_bad_argument(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        load_data(**arguments)  # type: ignore[arg-type]
