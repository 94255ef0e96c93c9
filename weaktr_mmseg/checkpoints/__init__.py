"""Conversion of published checkpoints to the parameter names of this project, and back."""

from .convert import convert_checkpoint, convert_state_dict
from .io import load_state_dict, save_state_dict
from .layouts import Layout, recognise
from .names import UnknownLayoutError

__all__ = [
    'Layout',
    'UnknownLayoutError',
    'convert_checkpoint',
    'convert_state_dict',
    'load_state_dict',
    'recognise',
    'save_state_dict',
]
