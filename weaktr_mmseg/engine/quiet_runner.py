"""A console that shows how a run proceeds; everything else is in its log file."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any

from mmengine.logging import MMLogger
from mmengine.runner import Runner

# Of mmengine's messages in one line, those that say nothing about how the run proceeds.
NOISE = re.compile(
    r'Exp name: |Saving checkpoint at |Checkpoints will be saved |Distributed training is not used'
    r'|per class results|Epoch\((?:val|test)\).* eta: '
    r'|LR is set based on |paramwise_options|Load checkpoint from|load .* in model from|Loads? '
    r'checkpoint by|Resize the pos_embed|Auto resumed|The previous best checkpoint'
)
# Warnings about which a user can do nothing.
POINTLESS = re.compile(
    r'The prefix is not set in metric class|"FileClient" will be deprecated|"HardDiskBackend" is '
    r'the alias|The model and loaded state dict do not match exactly'
)
POINTLESS_PYTHON = (
    'The draw is False',
    '.* instance named of .* has been created',
    'Default ``avg_non_ignore`` is False',
    'This DataLoader will create .* worker processes',
)
LINES = 2  # longer messages are tables, configs and lists of parameters
SUMMARY = 'Pipeline finished'
EPOCH = re.compile(r'Epoch\(train\)\s+\[\s*(\d+)\]')


class ConsoleFilter(logging.Filter):
    """Lets through what belongs on a console: one line an epoch, scores, where things are."""

    def __init__(self) -> None:
        super().__init__()
        self._epoch: str | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is shown."""
        message = record.getMessage()
        if record.levelno >= logging.WARNING:
            return not POINTLESS.match(message)
        if message.startswith(SUMMARY):
            return True
        if NOISE.match(message) or len(message.strip().splitlines()) not in range(1, LINES + 1):
            return False
        epoch = EPOCH.match(message)
        if epoch is None:
            return True
        known, self._epoch = self._epoch, epoch[1]
        return known != self._epoch


class QuietRunner(Runner):
    """mmengine's runner with a :class:`ConsoleFilter`, unless ``log_level`` is ``'DEBUG'``."""

    def build_logger(self, log_level: int | str = 'INFO', **kwargs: Any) -> MMLogger:
        """Builds the logger; its file gets everything."""
        logger = super().build_logger(log_level=log_level, **kwargs)
        for handler in logger.handlers:
            if isinstance(handler, logging.FileHandler):
                if isinstance(handler.stream, TextIOWrapper):  # names in it may have any script
                    handler.stream.reconfigure(encoding='utf-8')
            elif handler.level > logging.DEBUG:
                handler.addFilter(ConsoleFilter())
        return logger


@contextmanager
def quiet_warnings() -> Iterator[None]:
    """Hides Python's warnings of the frameworks about which a user can do nothing."""
    with warnings.catch_warnings():
        for message in POINTLESS_PYTHON:
            warnings.filterwarnings('ignore', message=message)
        yield
