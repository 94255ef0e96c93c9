from __future__ import annotations

import pytest
from torch.utils.data import DataLoader

from weaktr_mmseg.utils.errors import WeakTrInputError, WeakTrMissingFileError, input_errors


class Faulty:
    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> None:
        raise WeakTrMissingFileError('images/a.jpg: torn\nfile')


def test_message_is_one_line():
    assert str(WeakTrInputError('a:\n  b')) == 'a: b'


def test_error_of_a_worker_process_keeps_its_line_and_its_type():
    with pytest.raises(WeakTrMissingFileError) as caught:
        list(DataLoader(Faulty(), num_workers=1))
    assert str(caught.value) == 'images/a.jpg: torn file'


@pytest.mark.parametrize(
    ('raised', 'expected', 'message'),
    [
        (ValueError('a.jpg is torn'), WeakTrInputError, 'a.jpg is torn'),
        (ValueError('torn'), WeakTrInputError, 'a.jpg: torn'),
        (ValueError(), WeakTrInputError, 'a.jpg: ValueError'),
        (FileNotFoundError(2, 'none', 'b'), WeakTrMissingFileError, "a.jpg: [Errno 2] none: 'b'"),
        (PermissionError('a.jpg'), WeakTrInputError, 'a.jpg'),
        (WeakTrInputError('b'), WeakTrInputError, 'b'),
    ],
)
def test_errors_of_readers(raised, expected, message):
    with pytest.raises(expected) as caught, input_errors('a.jpg'):
        raise raised
    assert str(caught.value) == message
    assert isinstance(caught.value, FileNotFoundError) == isinstance(raised, FileNotFoundError)


def test_other_errors_keep_their_traceback():
    with pytest.raises(TypeError, match='bug'), input_errors('a.jpg'):
        raise TypeError('bug')
