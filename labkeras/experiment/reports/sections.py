"""Sections that plugins add to a report."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree

from labkeras.errors import PluginWarning
from labkeras.experiment.reports.study import Study
from labkeras.experiment.sweeps.telling import sweep_subject, trial_subject
from labkeras.plugins import hooks
from labkeras.plugins.subjects import ReportSection

__all__ = ["plugin_sections"]


def plugin_sections(study: Study, folder: Path, format: Literal["markdown", "html"]) -> list[ReportSection]:
    """What plugins have to say of a sweep, in the order in which it is shown.

    Args:
        study: the sweep.
        folder: of its report.
        format: of the sections' bodies. HTML that is not well-formed is left out, with a warning.
    """
    sweep = sweep_subject(folder, study.name, study.objectives)
    trials = [trial_subject(record) for record in study.trials]
    answers = hooks.observe("labkeras_report_section", sweep=sweep, trials=trials, format=format)
    found = [section for plugin, answer in answers for section in _sound(plugin, answer, format)]
    return sorted(found, key=lambda section: section.order)


def _sound(plugin: str, answer: Any, format: str) -> Iterator[ReportSection]:
    for section in answer if isinstance(answer, list | tuple) else [answer]:
        fault = "" if isinstance(section, ReportSection) else "it is no ReportSection"
        if not fault and format == "html":
            fault = _fault_in(section.body)
        if fault:
            warnings.warn(
                f"a section of the plugin {plugin!r} is left out of the report: {fault}. Received: {section!r:.200}",
                PluginWarning,
                stacklevel=2,
            )
        else:
            yield section


def _fault_in(body: str) -> str:
    try:
        ElementTree.fromstring(f"<div>{body}</div>")  # what it may define there are elements alone, no entities
    except ElementTree.ParseError as error:
        return f"its HTML is not well-formed ({error})"
    return ""
