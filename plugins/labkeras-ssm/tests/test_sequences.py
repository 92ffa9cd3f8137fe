"""S4D and Mamba: the whole sequence at once is what their cells do step by step."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from labkeras import Model, Sequential
from labkeras.errors import InvalidArgumentError
from labkeras.graph.input import Input
from labkeras.layers import RNN, Dense, Embedding
from labkeras_ssm.mamba import Mamba, MambaCell
from labkeras_ssm.s4d import S4D, S4DCell

SETTINGS: list[tuple[type, dict[str, Any]]] = [
    (S4D, {"state_dim": 3}),
    (S4D, {"state_dim": 3, "initialization": "inv", "discretization": "bilinear", "use_glu": False}),
    (S4D, {"state_dim": 3, "initialization": "real", "use_bias": False}),
    (S4D, {"state_dim": 3, "initialization": "real", "discretization": "bilinear", "dt_min": 1.0, "dt_max": 3.0}),
    (Mamba, {"state_dim": 3}),
    (Mamba, {"state_dim": 2, "expand": 1, "conv_size": 2, "dt_rank": 3, "use_bias": True, "use_conv_bias": False}),
]
MASKS = {
    "none": None,
    "at the end": [[True] * 9, [True] * 5 + [False] * 4, [True] + [False] * 8],
    "at the start": [[True] * 9, [False] * 4 + [True] * 5, [False] * 8 + [True]],
    "anywhere": [[False] * 9, [True, False, True] * 3, [False, True, True] * 3],
}


def pair(cls: type, options: dict[str, Any], **more: Any) -> tuple[Any, RNN]:
    layer = cls(4, **options, **more, dtype="float64")
    return layer, RNN(layer.cell, **more, dtype="float64")


@pytest.mark.parametrize("begins", [False, True])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize(("cls", "options"), SETTINGS)
def test_it_is_its_cell_step_by_step(cls: type, options: dict[str, Any], mask: str, begins: bool) -> None:
    for more in ({"return_sequences": True}, {}, {"go_backwards": True, "zero_output_for_mask": True}):
        layer, loop = pair(cls, options, return_state=True, **more)
        if more.get("zero_output_for_mask"):
            layer.return_sequences = loop.return_sequences = True
        inputs = torch.randn(3, 9, 5, dtype=torch.float64)
        arguments: dict[str, Any] = {} if MASKS[mask] is None else {"mask": torch.tensor(MASKS[mask])}
        if begins:
            sizes = layer.state_size
            arguments["initial_state"] = [torch.randn(3, size, dtype=torch.float64) for size in sizes]
        assert_close(layer(inputs, **arguments), loop(inputs, **arguments))


@pytest.mark.parametrize(("cls", "options"), SETTINGS)
def test_a_loop_has_the_same_gradients(cls: type, options: dict[str, Any]) -> None:
    layer, loop = pair(cls, options, return_sequences=True)
    inputs = torch.randn(3, 9, 5, dtype=torch.float64, requires_grad=True)
    results = layer(inputs), loop(inputs)
    leaves = [inputs, *layer.trainable_weights]
    assert_close(*(torch.autograd.grad(one.sin().sum(), leaves) for one in results))


@pytest.mark.parametrize("mask", ["at the end", "anywhere"])
@pytest.mark.parametrize("cls", [S4D, Mamba])
def test_masked_steps_change_nothing(cls: type, mask: str) -> None:
    layer = cls(4, return_sequences=True, return_state=True)
    kept = torch.tensor(MASKS[mask])
    inputs = torch.randn(3, 9, 5)
    other = torch.where(kept.unsqueeze(-1), inputs, torch.full_like(inputs, 1e3))
    assert_close(layer(inputs, mask=kept), layer(other, mask=kept), rtol=0, atol=0)


def test_s4d_is_the_recurrence_of_the_paper() -> None:
    layer = S4D(2, state_dim=3, activation="linear", use_glu=False, return_sequences=True, dtype="float64")
    inputs = torch.randn(1, 6, 2, dtype=torch.float64)
    outputs = layer(inputs).detach()
    cell = layer.cell
    weights = {name: value.detach().numpy() for name, value in cell.named_parameters()}
    driven = inputs[0].numpy() @ weights["kernel"] + weights["bias"]
    for unit in range(2):
        a = -np.exp(weights["log_decay"][unit]) + 1j * weights["frequency"][unit]
        dt = np.exp(weights["log_step"][unit])
        factor, drive = np.exp(dt * a), (np.exp(dt * a) - 1) / a
        readout = weights["readout"][unit, :, 0] + 1j * weights["readout"][unit, :, 1]
        state = np.zeros(3, dtype=complex)
        for step in range(6):
            state = factor * state + drive * driven[step, unit]
            # The modes and their conjugates, which make the output real.
            both = np.concatenate([readout * state, np.conj(readout * state)]).sum()
            assert abs(both.imag) < 1e-12
            wanted = both.real + weights["skip"][unit] * driven[step, unit]
            assert float(outputs[0, step, unit]) == pytest.approx(wanted, rel=1e-9)


def test_s4d_starts_as_the_paper_says() -> None:
    cell = S4DCell(400, state_dim=8, dt_min=0.01, dt_max=1.0)
    cell.build((None, 3))
    steps = cell.log_step.detach()
    assert math.log(0.01) <= float(steps.min()) < math.log(0.02)
    assert math.log(0.5) < float(steps.max()) <= 0
    assert float(steps.mean()) == pytest.approx(math.log(0.1), abs=0.2)
    assert float(cell.readout.detach().square().sum(-1).mean()) == pytest.approx(1, rel=0.1)


def test_mamba_starts_as_the_paper_says() -> None:
    cell = MambaCell(200, state_dim=4, dt_min=0.01, dt_max=1.0)
    cell.build((None, 3))
    assert_close(torch.exp(cell.log_decay[0]).detach(), torch.arange(1.0, 5.0))
    steps = torch.nn.functional.softplus(cell.step_bias).detach()
    assert 0.0099 <= float(steps.min()) < 0.02
    assert 0.5 < float(steps.max()) <= 1.01
    assert float(steps.log().mean()) == pytest.approx(math.log(0.1), abs=0.25)
    assert cell.step_kernel.shape == (13, 400)  # 200 / 16, rounded up


@pytest.mark.parametrize("cls", [S4D, Mamba])
def test_a_sequence_can_be_read_in_pieces(cls: type) -> None:
    whole = cls(4, return_sequences=True, dtype="float64")
    inputs = torch.randn(2, 9, 3, dtype=torch.float64)
    wanted = whole(inputs)
    pieces = cls(4, return_sequences=True, stateful=True, dtype="float64")
    pieces.build((2, None, 3))
    pieces.set_weights(whole.get_weights())
    parts = [pieces(inputs[:, start:end]) for start, end in ((0, 4), (4, 5), (5, 9))]
    assert_close(torch.cat(parts, 1), wanted)
    pieces.reset_state()
    assert_close(pieces(inputs), wanted)


@pytest.mark.parametrize("cls", [S4D, Mamba])
def test_its_cell_takes_one_step_at_a_time(cls: type) -> None:
    layer = cls(4, return_sequences=True)
    inputs = torch.randn(2, 6, 3)
    wanted = layer(inputs)
    states = layer.cell.get_initial_state(2)
    for step in range(6):
        output, states = layer.cell(inputs[:, step], states)
        assert_close(output, wanted[:, step], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cls", [S4D, Mamba])
def test_states_stay_in_single_precision(cls: type) -> None:
    layer = cls(4, return_sequences=True, return_state=True, dtype="mixed_bfloat16")
    outputs, *states = layer(torch.randn(2, 6, 3))
    assert outputs.dtype == torch.bfloat16
    assert {state.dtype for state in states} == {torch.float32}
    again = layer(torch.randn(2, 6, 3), initial_state=states)
    assert {state.dtype for state in again[1:]} == {torch.float32}
    symbolic = layer(Input((None, 3)))
    assert [tensor.dtype for tensor in symbolic] == ["bfloat16", *("float32" for _ in states)]


@pytest.mark.parametrize("cls", [S4D, Mamba])
def test_models_take_sequences_of_any_length(cls: type) -> None:
    words = Input((None,), dtype="int64")
    sequences = Embedding(7, 3, mask_zero=True)(words)
    model = Model(words, Dense(2)(cls(4)(cls(4, return_sequences=True)(sequences))))
    assert model.output_shape == (None, 2)
    sentence = np.array([[3, 4, 5, 6]])
    padded = np.array([[3, 4, 0, 5, 6, 0, 0, 0]])
    assert_close(model(sentence), model(padded), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cls", [S4D, Mamba])
def test_long_sequences_stay_finite(cls: type) -> None:
    inputs: Tensor = torch.randn(1, 5_000, 2) * 10
    layer = cls(3, return_sequences=True)
    outputs = layer(inputs)
    outputs.square().mean().backward()
    assert outputs.isfinite().all()
    assert all(weight.grad.isfinite().all() for weight in layer.trainable_weights)


@pytest.mark.parametrize("cls", [S4D, Mamba])
def test_it_learns_to_remember_the_first_step(cls: type) -> None:
    torch.manual_seed(0)
    first = np.random.default_rng(0).standard_normal((256, 1)).astype("float32")
    x = np.concatenate([first[:, None], np.ones((256, 19, 1), dtype="float32")], 1)
    model = Sequential([cls(8, use_bias=True), Dense(1)])
    model.compile("adam", "mse")
    model.optimizer.learning_rate = 0.01
    history = model.fit(4 * x, first, epochs=50, batch_size=32, verbose=0)
    assert history.history["loss"][-1] < 0.1


@pytest.mark.parametrize("cls", [S4D, Mamba])
def test_a_config_names_the_settings_of_the_cell(cls: type) -> None:
    layer = cls(4, state_dim=5, go_backwards=True, name="reader")
    config = layer.get_config()
    assert "cell" not in config
    assert (config["units"], config["state_dim"], config["go_backwards"]) == (4, 5, True)
    again = cls.from_config(config)
    assert again.get_config() == config
    assert (again.units, again.state_dim) == (4, 5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: S4D(0), r"`units` must be a positive integer\. Received: units=0"),
        (lambda: S4D(2, state_dim=1.5), r"Received: state_dim=1\.5"),
        (lambda: S4D(2, initialization="linn"), r"Did you mean 'lin'\? Received: initialization='linn'"),
        (lambda: S4D(2, discretization="euler"), r"'zoh', 'bilinear'\..*Received: discretization='euler'"),
        (lambda: S4D(2, dt_min=0), r"`dt_min` must be above 0.*Received: dt_min=0, dt_max=0\.1"),
        (lambda: Mamba(2, dt_min=0.5), r"`dt_max` not below it\. Received: dt_min=0\.5, dt_max=0\.1"),
        (lambda: Mamba(2, expand=0), r"Received: expand=0"),
        (lambda: Mamba(2, conv_size=1), r"at least 2\. Received: conv_size=1"),
        (lambda: Mamba(2, dt_rank=0), r"Received: dt_rank=0"),
    ],
)
def test_it_names_the_bad_argument(make: Any, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        make()
