"""Checkpoints that survive the end of the process at any moment."""

from __future__ import annotations

from collections import deque
from operator import ge, le
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmseg.registry import HOOKS

from ..checkpoint_files import ATOMIC, INTERRUPTED, POINTER
from ..distributed import bare_model

GRADIENTS = 'accumulated_gradients'


@HOOKS.register_module()
class WeakTrCheckpointHook(CheckpointHook):
    """mmengine's hook with files that are never torn and never all gone.

    Local files are written under a temporary name and renamed, and an outdated checkpoint is
    removed after the new one is complete; mmengine removes it first, which leaves nothing to go
    on from if the disk is full or the process ends in between. Of epochs with the same score the
    later one is the best: a score may be saturated, as the mAP of a class in every image.

    Args:
        interval: As in mmengine; None saves whenever the training loop validates.
        backend_args: As in mmengine; None writes local files atomically.
        **kwargs: Arguments of mmengine's hook.
    """

    keep_ckpt_ids: deque[int]
    rule_map = dict(greater=ge, less=le)

    interval: int | None

    def __init__(
        self, interval: int | None = -1, *args: Any, backend_args: dict | None = None, **kwargs: Any
    ) -> None:
        super().__init__(interval, *args, backend_args=backend_args or dict(ATOMIC), **kwargs)

    def before_train(self, runner: Any) -> None:
        """Prepares saving."""
        if self.interval is None:
            self.interval = runner.train_loop.val_interval
        super().before_train(runner)

    def before_save_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Adds gradients that wait for others to be accumulated, as at an odd end of an epoch."""
        if not runner.optim_wrapper.should_update():
            named = bare_model(runner).named_parameters()
            checkpoint[GRADIENTS] = {n: p.grad.cpu() for n, p in named if p.grad is not None}

    def after_load_checkpoint(self, runner: Any, checkpoint: dict) -> None:
        """Restores these gradients."""
        gradients = checkpoint.pop(GRADIENTS, {})
        for name, parameter in bare_model(runner).named_parameters():
            if name in gradients:
                parameter.grad = gradients[name].to(parameter.device)

    def _save_checkpoint_with_step(self, runner: Any, step: int, meta: dict) -> None:
        outdated = self._keep(runner, step)
        name = self.filename_tmpl.format(step)
        self.last_ckpt = self._path(name)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.save_checkpoint(
            self.out_dir,
            name,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        if is_main_process():
            pointer = self.file_backend.join_path(runner.work_dir, POINTER)
            self.file_backend.put_text(self.last_ckpt, pointer)
            for path in (*outdated, self._path(INTERRUPTED)):
                if self.file_backend.isfile(path):
                    self.file_backend.remove(path)

    def _keep(self, runner: Any, step: int) -> list[str]:
        """Notes the step among those to keep; gives the checkpoints that it replaces."""
        if self.max_keep_ckpts <= 0 or step in self.keep_ckpt_ids:
            return []
        steps = [*self.keep_ckpt_ids, step]
        self.keep_ckpt_ids = deque(steps[-self.max_keep_ckpts :], self.max_keep_ckpts)
        runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        return [self._path(self.filename_tmpl.format(i)) for i in steps[: -self.max_keep_ckpts]]

    def _path(self, name: str) -> str:
        return self.file_backend.join_path(self.out_dir, name)
