from __future__ import annotations

import errno
import os

import pytest

from weaktr_mmseg.engine.disk_space import disk_full_errors
from weaktr_mmseg.utils.errors import WeakTrInputError


@pytest.mark.parametrize('number', [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_file_is_named(number):
    message = r'^a/b: .*continue with --resume$'
    with pytest.raises(WeakTrInputError, match=message), disk_full_errors('folder'):
        raise OSError(number, os.strerror(number), 'a/b')


def test_error_of_a_worker_process_is_recognised():
    text = f'Caught OSError in DataLoader worker process 0.\nOSError: {os.strerror(errno.ENOSPC)}'
    message = '^folder: No space left'
    with pytest.raises(WeakTrInputError, match=message), disk_full_errors('folder'):
        raise OSError(text)


@pytest.mark.parametrize('error', [OSError(errno.EACCES, 'denied'), OSError('x'), KeyError('x')])
def test_other_errors_pass(error):
    with pytest.raises(type(error)) as passed, disk_full_errors('folder'):
        raise error
    assert passed.value is error
