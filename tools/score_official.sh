#!/usr/bin/env bash
# Prints the published table of VOC from the released checkpoints of WeakTr's authors.
#
#   tools/score_official.sh CAM.pth SEGMENTOR.pth OUT [ENCODER]
#
# CAM.pth and SEGMENTOR.pth are the authors' files, unconverted. ENCODER is the segmentor's: deit-s
# (default), vit-s (AugReg), dinov2-s or eva02-s. VOC lies in data/VOCdevkit/VOC2012 (docs/voc_coco.md);
# OPTIONS='test_dataloader.dataset.data_root=...' changes that for all steps. What is there is kept.
set -euo pipefail
[ $# -ge 3 ] || { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
cam=$1 segmentor=$2 out=$3 encoder=${4:-deit-s}
tools=$(cd "$(dirname "$0")" && pwd)
configs=$tools/../configs
case $encoder in
    vit-s) config=$configs/weaktr_voc.py ;;
    deit-s | dinov2-s | eva02-s) config=$configs/weaktr_voc_$encoder.py ;;
    *) echo "error: ENCODER: expected deit-s, vit-s, dinov2-s or eva02-s, got $encoder" >&2; exit 2 ;;
esac
read -ra options <<< "${OPTIONS:-}"
mkdir -p "$out"

python "$tools/convert_checkpoint.py" "$cam" "$out/cam.pth"
python "$tools/convert_checkpoint.py" "$segmentor" "$out/segmentor.pth"
python "$tools/generate_pseudo_labels.py" "$configs/weaktr_voc_cam.py" "$out/cam.pth" \
    --out "$out/labels" --split ImageSets/Segmentation/train.txt --threshold 0.43 --refine DenseCRF preset=voc_cam \
    ${options[@]+--cfg-options "${options[@]}"}
for split in train val; do
    python "$tools/test.py" "$config" "$out/segmentor.pth" --tta --work-dir "$out/$split" \
        --cfg-options test_dataloader.dataset.ann_file="ImageSets/Segmentation/$split.txt" \
        ${options[@]+"${options[@]}"}
done

python - "$out" <<'PYTHON'
import json, pathlib, sys

out = pathlib.Path(sys.argv[1])
labels = json.loads((out / 'labels/pseudo_labels.json').read_text())['metrics']
rows = [
    ('CAM, train, threshold 0.43', labels['cam_fused_miou']),
    ('CAM + CRF, train', labels['pseudo_label_miou']),
]
for split in ('train', 'val'):
    scores = max(out.glob(f'{split}/*/*.json'))  # of the latest run
    rows.append((f'segmentor, published protocol, {split}', json.loads(scores.read_text())['mIoU']))
print('\n'.join(f'| {name:<38} | {float(score):5.1f} |' for name, score in rows))
PYTHON
