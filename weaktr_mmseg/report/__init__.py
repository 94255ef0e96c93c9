"""One self-contained HTML page about a finished run."""

from .page import REPORT_FILE, write_report, write_report_or_warn

__all__ = [
    'REPORT_FILE',
    'write_report',
    'write_report_or_warn',
]
