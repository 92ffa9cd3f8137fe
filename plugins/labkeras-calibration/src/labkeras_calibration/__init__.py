"""Calibration: the hooks of the plugin.

Addresses, not classes: so that `labkeras list` need not import torch to show them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from labkeras import hookimpl
from labkeras.plugins.subjects import ReportSection, Sweep, Trial

LABKERAS_API = 1

labkeras_check: dict[str, Any] = {
    "callbacks/reliability_diagram": {"metrics": ["expected_calibration_error"]},
}
"""How `labkeras plugin check` tries what needs arguments."""


@hookimpl
def labkeras_register_metrics() -> dict[str, str]:
    """How far probabilities can be believed."""
    return {
        "brier_score": "labkeras_calibration.brier_score:BrierScore",
        "expected_calibration_error": "labkeras_calibration.expected_calibration_error:ExpectedCalibrationError",
    }


@hookimpl
def labkeras_register_losses() -> dict[str, str]:
    """A loss that leaves networks less sure of themselves."""
    return {"tempered_focal": "labkeras_calibration.tempered_focal:TemperedFocal"}


@hookimpl
def labkeras_register_callbacks() -> dict[str, str]:
    """Pictures of it."""
    return {"reliability_diagram": "labkeras_calibration.reliability_diagram:ReliabilityDiagram"}


@hookimpl
def labkeras_config_searchpath() -> list[str]:
    """Experiments: `labkeras train -m experiment=calibration_digits`."""
    return ["pkg://labkeras_calibration.conf"]


@hookimpl
def labkeras_validate(config: Mapping[str, Any]) -> list[str]:
    """Diagrams need the metric that they show."""
    from labkeras_calibration.validation import faults  # as below

    return faults(config)


@hookimpl
def labkeras_report_section(sweep: Sweep, trials: Sequence[Trial], format: str) -> list[ReportSection]:
    """Calibration of each point of a sweep whose runs have measured it."""
    from labkeras_calibration.report import sections  # loads SciPy, which listing names should not cost

    return sections(trials, format)
