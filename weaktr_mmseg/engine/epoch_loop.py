"""Training by epochs that can be left and resumed at every iteration."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.dist import all_reduce, barrier, get_rank, get_world_size
from mmengine.runner import EpochBasedTrainLoop
from mmseg.registry import LOOPS
from torch import nn

from ..utils.errors import WeakTrInputError
from .checkpoint_files import ATOMIC, INTERRUPTED, POINTER, AtomicLocalBackend
from .effective_batch import hold_total_batch
from .seeding import seed_all, seed_workers
from .signals import SignalWatch, WeakTrInterrupted

# Processes agree on whether to leave every so many iterations: the agreement costs a round trip.
AGREE_EVERY = 10
POSITION = 'interrupted_at'
VALIDATED = 'last_validation'  # a name that log processors do not take for a score


@LOOPS.register_module()
class WeakTrEpochLoop(EpochBasedTrainLoop):
    """mmengine's loop with exact resumption: a resumed training equals an uninterrupted one.

    * Random numbers of an iteration or a validation are a function of the seed, the rank, the epoch
      and the iteration, and those of a data loader's worker of the seed, the rank, the epoch and
      the worker. So no random state is saved.
    * On SIGTERM or SIGINT it finishes the iteration, saves ``interrupted.pth`` and ends the
      process. On resumption the batches that were trained on are loaded, so that workers draw the
      same random numbers, but not used.
    * A validation that was due when the process ended is made up for.

    Args:
        runner: The runner.
        dataloader: Its config or the loader. ``persistent_workers`` is switched off in a config:
            workers are started, and seeded, anew for every epoch.
        total_batch_size: Images of an update over all processes, which then share them, see
            :func:`share_batch`. None: ``batch_size`` of each process decides, as in mmengine.
        updates: Updates that ``max_epochs`` was derived from, for the record; ``tools/train.py``
            and the pipeline do that, see :func:`fit_schedule`.
        **kwargs: ``max_epochs``, ``val_begin``, ``val_interval``, ``dynamic_intervals``.
    """

    def __init__(
        self,
        runner: Any,
        dataloader: Any,
        total_batch_size: int | None = None,
        updates: int | None = None,
        **kwargs: Any,
    ) -> None:
        if kwargs.get('max_epochs') is None:
            raise WeakTrInputError(
                f'train_cfg.max_epochs: expected a number, got None with updates={updates}; '
                'tools/train.py derives it from the data'
            )
        if isinstance(dataloader, dict):
            if total_batch_size is not None:
                hold_total_batch(runner, dataloader, total_batch_size)
            dataloader = {**dataloader, 'persistent_workers': False}
        super().__init__(runner, dataloader, **kwargs)
        self._signals = SignalWatch(deferred=True)
        self._done = 0

    def run(self) -> nn.Module:
        """Trains.

        Raises:
            WeakTrInterrupted: After a signal, when everything is saved.
            WeakTrInputError: If the checkpoint to resume from was saved within an epoch by
                another number of processes or batches.
        """
        with self._signals:
            self._done = self._batches_done()
            self.runner.call_hook('before_train')
            if self._epoch and not self._done:
                self._validate_if_due()
            while self._epoch < self._max_epochs and not self.stop_training:
                self.run_epoch()
                self._validate_if_due()
            self.runner.call_hook('after_train')
        return self.runner.model

    def run_epoch(self) -> None:
        """Trains one epoch, or the rest of it."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        place = (self.runner.seed, get_rank(), self._epoch)
        seed_workers(self.dataloader, *place)
        seed_all(*place, 0)
        for index, batch in enumerate(self.dataloader):
            if index >= self._done:
                self.run_iter(index, batch)
                self._leave_if_asked(index + 1)
            seed_all(*place, index + 1)
        self._done = 0
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def _validate_if_due(self) -> None:
        """Validates unless this epoch needs none or had it before the process ended."""
        loop, hub = self.runner.val_loop, self.runner.message_hub
        self._decide_current_val_interval()
        due = self._epoch % self.val_interval == 0 or self._epoch == self._max_epochs
        if loop is None or self._epoch < self.val_begin or not due:
            return
        if hub.get_info(VALIDATED) == self._epoch:
            return
        hub.update_info(VALIDATED, self._epoch)
        seed_all(self.runner.seed, get_rank(), self._epoch, len(self.dataloader) + 1)
        saved = str(hub.get_info('last_ckpt', '')).endswith(f'epoch_{self._epoch}.pth')
        if not saved:  # the way back to this point leads through a part of training
            loop.run()
            return
        with self._signals.at_once():
            loop.run()

    def _leave_if_asked(self, done: int) -> None:
        """Saves and leaves after ``done`` batches of the epoch if a process got a signal."""
        signum = self._signals.received or 0
        if get_world_size() > 1:
            # Gradients that wait to be accumulated differ between processes, and only one saves.
            if self._iter % AGREE_EVERY or not self.runner.optim_wrapper.should_update():
                return
            flag = torch.tensor(signum)
            all_reduce(flag, 'max')
            signum = int(flag)
        if not signum:
            return
        self._save(done)
        where = f'epoch {self._epoch + 1}, iteration {done} of {len(self.dataloader)}'
        raise WeakTrInterrupted(signum, f'{self.runner.work_dir}/{INTERRUPTED} ({where})')

    def _save(self, done: int) -> None:
        runner, hub = self.runner, self.runner.message_hub
        hub.update_info(POSITION, dict(done=done, **self._division()))
        meta = dict(epoch=self._epoch, iter=self._iter)
        runner.save_checkpoint(runner.work_dir, INTERRUPTED, meta=meta, backend_args=ATOMIC)
        if get_rank() == 0:
            path = f'{runner.work_dir}/{INTERRUPTED}'
            AtomicLocalBackend().put_text(path, f'{runner.work_dir}/{POINTER}')
        barrier()

    def _batches_done(self) -> int:
        """How many batches of the epoch were trained on before the process ended."""
        position = self.runner.message_hub.pop_info(POSITION, None)
        if position is None:
            return 0
        done = position.pop('done')
        if position != self._division():
            raise WeakTrInputError(
                f'{self.runner.work_dir}/{INTERRUPTED} was saved within an epoch of '
                f'{position}: expected the same now, got {self._division()}'
            )
        return done

    def _division(self) -> dict[str, int]:
        """What must be equal for the batches of an epoch to be equal."""
        return dict(processes=get_world_size(), batches=len(self.dataloader))
