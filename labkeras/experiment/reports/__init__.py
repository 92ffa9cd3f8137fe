"""What a sweep came to: tables, pictures, a live display."""

from typing import TYPE_CHECKING

from labkeras.lazy import exports

if TYPE_CHECKING:
    from labkeras.experiment.reports.live import Display as Display
    from labkeras.experiment.reports.writer import ReportWriter as ReportWriter
    from labkeras.experiment.reports.writer import write_reports as write_reports

__all__, __getattr__, __dir__ = exports(__name__)
