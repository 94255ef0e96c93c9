"""What was written for the first release can still be imported."""

from __future__ import annotations

from importlib import import_module

import pytest

from weaktr_mmseg.utils.moved import MODULES, NAMES

OLD = [
    ('pseudo_labels', 'DenseCRF', 'crf'),
    ('pseudo_labels', 'read_mask', 'utils.masks'),
    ('pseudo_labels.dense_crf', 'unary_from_probabilities', 'crf'),
    ('datasets.transforms.load_image', 'read_rgb', 'utils.images'),
    ('datasets.check_data', 'check_data', 'data_check.check_data'),
    ('engine', 'WeakTrRunner', 'pipeline'),
    ('errors', 'WeakTrInputError', 'utils.errors'),
    ('inference', 'WeakTrInferencer', 'apis'),
    ('inference.models', 'build_segmentor', 'apis.models'),
]


@pytest.mark.parametrize('old, name, new', OLD)
def test_names_of_the_first_release_are_found_with_a_warning(old, name, new):
    with pytest.warns(FutureWarning, match=rf'{name} moved; import it from weaktr_mmseg\.{new}$'):
        found = getattr(import_module(f'weaktr_mmseg.{old}'), name)
    assert found is getattr(import_module(f'weaktr_mmseg.{new}'), name)


def test_every_target_exists():
    for targets in [*MODULES.values(), *NAMES.values()]:
        for target in targets:
            import_module(f'weaktr_mmseg.{target}')


def test_other_names_are_refused():
    with pytest.raises(ImportError):
        import_module('weaktr_mmseg.inference.nothing')
    with pytest.raises(AttributeError, match='no attribute'):
        _ = import_module('weaktr_mmseg.pseudo_labels').nothing
