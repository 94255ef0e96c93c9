"""Where the configs and tools of this project are: in a checkout, or in an installed wheel."""

from __future__ import annotations

from pathlib import Path


def shipped_folder() -> Path:
    """The folder with ``configs/`` and ``tools/``.

    Returns:
        The checkout, or ``weaktr_mmseg/.mim`` of a wheel.

    Raises:
        FileNotFoundError: If neither has them.
    """
    package = Path(__file__).parents[1]
    for folder in (package / '.mim', package.parent):
        if (folder / 'configs/weaktr_demo.py').is_file():
            return folder
    raise FileNotFoundError(
        f'{package}: expected the configs in {package / ".mim"} or beside the package; reinstall it'
    )


def find_config(name: str) -> Path | None:
    """The shipped config ``NAME``, ``NAME.py`` or ``configs/NAME.py``; None if there is none."""
    path = Path(name if name.endswith('.py') else f'{name}.py')
    if path.parent not in (Path(), Path('configs')):
        return None
    shipped = shipped_folder() / 'configs' / path.name
    return shipped if shipped.is_file() else None
