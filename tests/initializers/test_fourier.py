"""STFT kernels."""

import json
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch.testing import assert_close

from labkeras import initializers
from labkeras.errors import InvalidArgumentError
from labkeras.initializers import fourier
from tests.helpers.initializers import check_config

WINDOWS = [*fourier._WINDOWS, "parzen", None]


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("periodic", [False, True])
def test_kernels_are_keras_s_with_every_window(window: str | None, periodic: bool) -> None:
    pytest.importorskip("scipy")  # Keras's windows are SciPy's
    for side in ("real", "imag"):
        settings: Any = {"side": side, "window": window, "periodic": periodic}
        values = initializers.STFT(**settings)((64, 1, 33), dtype="float64")
        assert_close(values, keras.initializers.STFT(**settings)((64, 1, 33), dtype="float64"))


@pytest.mark.parametrize("scaling", ["density", "spectrum", None])
@pytest.mark.parametrize("shape", [(16, 1, 9), (9, 1, 17), (1, 1, 2)], ids=str)
def test_scaling_is_keras_s(scaling: str | None, shape: tuple[int, ...]) -> None:
    pytest.importorskip("scipy")
    values = initializers.STFT(scaling=scaling)(shape)
    assert_close(values, keras.initializers.STFT(scaling=scaling)(shape), rtol=1e-4, atol=1e-5)


def test_kernels_compute_a_fourier_transform() -> None:
    x = torch.randn(64)
    spectrum = torch.fft.rfft(x)
    for side, expected in (("real", spectrum.real), ("imag", spectrum.imag)):
        kernel = initializers.STFT(side, window=None)((64, 1, 33))
        assert_close(x @ kernel[:, 0], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("window", [np.hanning(8), np.hanning(8).tolist(), torch.hann_window(8)], ids=type)
def test_a_window_may_be_given_by_its_values(window: Any) -> None:
    values = initializers.STFT(window=window)((8, 1, 5), "float64")
    assert_close(values, keras.initializers.STFT(window=window)((8, 1, 5), "float64"), rtol=1e-6, atol=1e-8)


def test_the_config_is_keras_s() -> None:
    check_config("STFT")
    check_config("STFT", side="imag", window=None, scaling="spectrum", periodic=True)


def test_a_window_given_by_its_values_is_saved() -> None:
    config = json.loads(json.dumps(initializers.serialize(initializers.STFT(window=np.ones(4)))))
    assert config == keras.initializers.serialize(keras.initializers.STFT(window=np.ones(4)))
    expected = initializers.STFT(window="boxcar")((4, 1, 3))
    assert torch.equal(initializers.deserialize(config)((4, 1, 3)), expected)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"side": "left"}, "`side` must be 'real' or 'imag'. Received: side='left'"),
        ({"scaling": "loud"}, "`scaling` must be 'density', 'spectrum' or None. Received: scaling='loud'"),
        ({"window": "porthole"}, "SciPy has no window for this. Received: window='porthole'"),
    ],
    ids=str,
)
def test_bad_settings_are_named(settings: dict[str, Any], message: str) -> None:
    if "window" in settings:
        pytest.importorskip("scipy")
    with pytest.raises(InvalidArgumentError) as caught:
        initializers.STFT(**settings)
    assert str(caught.value).startswith(message)


def test_a_window_that_needs_scipy_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "scipy.signal", None)
    assert initializers.STFT(window="hann")((4, 1, 3)).shape == (4, 1, 3)
    with pytest.raises(InvalidArgumentError, match=r"one of SciPy's if that is installed\. Received: window='parzen'"):
        initializers.STFT(window="parzen")


@pytest.mark.parametrize("shape", [(8, 2, 5), (8, 5), (8, 1, 1)], ids=str)
def test_a_shape_that_is_no_kernel_s_is_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidArgumentError, match=r"\(frame length, 1, frequencies\), .* Received: shape="):
        initializers.STFT()(shape)


def test_a_window_of_another_length_is_named() -> None:
    with pytest.raises(InvalidArgumentError, match=r"as many values as .* 8\. Received: window of shape \(4,\)"):
        initializers.STFT(window=np.ones(4))((8, 1, 5))
