"""Checks that one complete OpenMMLab family is installed, originals or onedl continuation."""

from __future__ import annotations

from importlib import import_module

from mmengine.utils import digit_version

# Import name: (lowest version, first version not known to work, name in the onedl family).
REQUIRED = {
    'mmengine': ('0.10.0', '1.0.0', 'onedl-mmengine'),
    'mmcv': ('2.0.1', '3.0.0', 'onedl-mmcv'),
    'mmseg': ('1.2.0', '2.0.0', 'onedl-mmsegmentation'),
    'mmpretrain': ('1.2.0', '2.0.0', 'onedl-mmpretrain'),
}


def check_dependencies() -> None:
    """Verifies that the frameworks import and have supported versions.

    Raises:
        ImportError: If one is missing, broken or of another version; the message names the
            package, both families it can come from, and what was found.
    """
    for name, (lowest, below, onedl_name) in REQUIRED.items():
        try:
            version = import_module(name).__version__
        except ImportError as error:
            raise ImportError(
                f'weaktr_mmseg needs {name} (pip install {onedl_name}, or the original of '
                f'OpenMMLab); importing it failed: {error}'
            ) from error
        if not digit_version(lowest) <= digit_version(version) < digit_version(below):
            raise ImportError(
                f'weaktr_mmseg needs {name} >= {lowest}, < {below}; found {version}. '
                f'Install a supported one with: pip install "{onedl_name}"'
            )
