"""Round ticks, places of values."""

import pytest

from labkeras.experiment.reports.scales import Scale, Slots, nice_ticks, value_scale


@pytest.mark.parametrize(
    ("low", "high", "log", "labels"),
    [
        (0.0, 1.0, False, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0.913, 0.987, False, ["0.92", "0.94", "0.96", "0.98"]),
        (0.0, 40000.0, False, ["0", "10k", "20k", "30k", "40k"]),
        (-3.0, 3.0, False, ["-2", "0", "2"]),
        (1e-4, 1.0, True, ["0.0001", "0.001", "0.01", "0.1", "1"]),
        (0.01, 0.1, True, ["0.01", "0.02", "0.05", "0.1"]),
        (1e-12, 1.0, True, ["1e-12", "1e-10", "1e-8", "1e-6", "0.0001", "0.01", "1"]),
    ],
)
def test_ticks_are_at_round_values(low: float, high: float, log: bool, labels: list[str]) -> None:
    found = nice_ticks(low, high, log=log)
    assert [label for _, label in found] == labels
    assert all(low * 0.999 <= value <= high * 1.001 for value, _ in found if value > 0)


def test_a_logarithmic_scale_gives_equal_ratios_equal_room() -> None:
    scale = Scale(1e-4, 1.0, 0.0, 400.0, log=True)
    assert [scale(value) for value in (1e-4, 1e-3, 0.1, 1.0)] == pytest.approx([0.0, 100.0, 300.0, 400.0])


def test_one_value_far_worse_than_all_others_does_not_squeeze_them() -> None:
    losses = [0.1, 0.11, 0.12, 0.13, 0.14, 1e9]
    scale = value_scale(losses, "min", 100.0, 0.0)
    assert scale.high < 1.0
    assert scale(1e9) == 0.0  # at the border
    assert scale.holds(0.1)


@pytest.mark.parametrize("values", [[], [0.5], [0.5, 0.5], [0.0, 0.0]])
def test_no_value_and_equal_values_have_a_scale(values: list[float]) -> None:
    scale = value_scale(values, "max", 100.0, 0.0)
    assert scale.low < scale.high
    assert scale.ticks()


def test_truth_and_one_have_slots_of_their_own() -> None:
    slots = Slots((True, 1, "a"), 0.0, 30.0)
    assert [slots(value) for value in (True, 1, "a")] == [5.0, 15.0, 25.0]
