"""A trained network in one folder: weights, config and model card."""

from __future__ import annotations

from pathlib import Path

from .errors import WeakTrMissingFileError

CONFIG, WEIGHTS, CARD = 'config.py', 'model.safetensors', 'README.md'


def model_files(model: str | Path, checkpoint: str | Path | None = None) -> tuple[Path, Path]:
    """Config and weights of a trained network.

    Args:
        model: A folder that ``tools/publish_model.py`` has written, or a config.
        checkpoint: Weights that go with the config; None for a folder.

    Returns:
        Both files.

    Raises:
        WeakTrMissingFileError: If the folder lacks one of them, or a config comes without weights.
    """
    if checkpoint is not None:
        return Path(model), Path(checkpoint)
    folder = Path(model)
    if not folder.is_dir():
        raise WeakTrMissingFileError(
            f'{model}: expected a folder of tools/publish_model.py, or a config and a checkpoint'
        )
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise WeakTrMissingFileError(f'{folder}: a published model has {name}, this has not')
    return folder / CONFIG, folder / WEIGHTS
