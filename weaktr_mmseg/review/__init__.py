"""One self-contained HTML page on which a person checks labels and masks of a run."""

from ..datasets.review_file import ACTIONS, Tick, apply_review, read_review
from .page import REVIEW_FILE, Written, write_review
from .suspicion import KINDS, Evidence, Suspicion, find_suspicions, gather_evidence

__all__ = [
    'ACTIONS',
    'KINDS',
    'REVIEW_FILE',
    'Evidence',
    'Suspicion',
    'Tick',
    'Written',
    'apply_review',
    'find_suspicions',
    'gather_evidence',
    'read_review',
    'write_review',
]
