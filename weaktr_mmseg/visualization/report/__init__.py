"""One self-contained HTML page about a finished run."""

from .page import REPORT_FILE, write_report

__all__ = ['REPORT_FILE', 'write_report']
