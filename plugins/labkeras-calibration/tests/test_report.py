"""The section of a report: what its table says."""

from pathlib import Path
from xml.etree import ElementTree

from labkeras.plugins.subjects import Sweep, Trial
from labkeras_calibration import labkeras_report_section

SWEEP = Sweep(Path(), "digits", (("val_accuracy", "max"),))


def trial(number: int, gamma: float, **metrics: float) -> Trial:
    return Trial(number, Path(str(number)), {"loss.gamma": gamma, "seed": number}, "done", (0.5,), metrics, 1.0)


def test_points_are_listed_best_calibrated_first_with_seeds_averaged() -> None:
    trials = [
        trial(0, 0.0, test_expected_calibration_error=0.5, test_accuracy=0.75),
        trial(1, 2.0, test_expected_calibration_error=0.25, test_accuracy=0.5),
        trial(2, 2.0, test_expected_calibration_error=0.25, test_accuracy=0.5),
    ]
    (section,) = labkeras_report_section(SWEEP, trials, "markdown")
    assert section.title == "Calibration"
    head, _, first, second = section.body.splitlines()
    assert head == "| point | test expected calibration error | test accuracy | runs |"
    assert first.startswith("| gamma=2 | 0.2500 ± 0.0000 |")
    assert first.endswith("| 2 |")
    assert second.startswith("| gamma=0 | 0.5000 |")


def test_html_is_well_formed_and_escaped() -> None:
    odd = Trial(0, Path(), {"name": "<b>"}, "done", (0.5,), {"val_brier_score": 0.5}, 1.0)
    (section,) = labkeras_report_section(SWEEP, [odd], "html")
    table = ElementTree.fromstring(section.body)
    assert [cell.text for cell in table.iter("td")] == ["name=<b>", "0.5000", "1"]


def test_a_sweep_that_has_not_measured_it_has_no_section() -> None:
    assert labkeras_report_section(SWEEP, [trial(0, 1.0, test_accuracy=0.5)], "markdown") == []
