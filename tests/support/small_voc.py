"""A clean VOC layout of 14 images, as the checks of data read it, and its pipeline."""

from __future__ import annotations

import torch
from mmengine.config import Config

import weaktr_mmseg  # noqa: F401
from weaktr_mmseg.utils.palette import voc_palette

SIZE = (24, 16)  # width, height


def config(root):
    """A pipeline: the CAM stage trains on train.txt, the segmentor is scored on val.txt."""

    def loader(split, labels=None, masks=False):
        mask_dir = 'SegmentationClass' if masks else None
        return dict(
            dataset=dict(
                type='ImageLabelDataset',
                data_root=str(root),
                ann_file=split,
                data_prefix=dict(img_path='JPEGImages', seg_map_path=mask_dir),
                labels=labels,
                metainfo=dict(classes=['background', 'cat', 'dog'], palette=voc_palette(3)),
            )
        )

    xml = dict(type='voc_xml', path='Annotations')
    init = dict(type='Pretrained', checkpoint=str(root / 'vit.pth'))
    return Config(
        dict(
            cam_stage=dict(
                model=dict(backbone=dict(num_classes=2, init_cfg=init), cam_head=dict()),
                train_dataloader=loader('train.txt', xml),
                test_dataloader=loader('train.txt', xml, masks=True),
            ),
            model=dict(backbone=dict(), decode_head=dict(num_classes=3)),
            train_dataloader=loader('train.txt'),
            val_dataloader=loader('val.txt', masks=True),
        )
    )


def save_checkpoint(root, **shapes):
    state = {name.replace('__', '.'): torch.zeros(shape) for name, shape in shapes.items()}
    torch.save({'state_dict': state}, root / 'vit.pth')
