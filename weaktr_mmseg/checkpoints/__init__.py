"""Weights: published layouts read, converted and written, without running what a file says."""

from .convert import convert_checkpoint, convert_state_dict
from .download import locate
from .encoders import encoder_state
from .fit import fit_encoder
from .io import load_state_dict, read_checkpoint, save_state_dict
from .layouts import Layout, recognise
from .names import UnknownLayoutError
from .pretrained import WeakTrPretrained, read_encoder
from .published import PUBLISHED
from .safe_load import use_safe_readers

__all__ = [
    'PUBLISHED',
    'Layout',
    'UnknownLayoutError',
    'WeakTrPretrained',
    'convert_checkpoint',
    'convert_state_dict',
    'encoder_state',
    'fit_encoder',
    'load_state_dict',
    'locate',
    'read_checkpoint',
    'read_encoder',
    'recognise',
    'save_state_dict',
    'use_safe_readers',
]
