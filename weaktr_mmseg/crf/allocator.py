"""How the C library treats freed memory, which a CRF on a CPU asks for again at once."""

from __future__ import annotations

import ctypes

KEPT_BYTES = 2**28
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
LARGEST_MMAP_THRESHOLD = 2**25


def tune_allocator() -> bool:
    """Asks the GNU C library to keep up to 256 MiB of freed memory in this process.

    A CRF allocates and frees tables of tens of megabytes in each iteration. By default such blocks
    go back to the system at once and are faulted in again. The setting holds for everything in the
    process, so it is for programs to call, which the tools and the pipeline do, and not for
    libraries.

    Returns:
        Whether the C library has the setting.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, TypeError, AttributeError):  # another C library
        return False
    return bool(
        mallopt(M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD) and mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
    )
