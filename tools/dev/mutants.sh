#!/usr/bin/env bash
# Changes the code in one place at a time and counts how often a test notices.
#
#   tools/dev/mutants.sh --sample 20 weaktr_mmseg/pseudo_labels    # 20 places, the same ones each time
#   tools/dev/mutants.sh weaktr_mmseg/pipeline/resume.py           # every place of a file
#
# Paths are files and folders of the package; --seed chooses other places, --tests other tests than
# those that mirror the file or import from it. Works on a copy. Needs the extra `dev` and Linux or
# macOS. Exit code 1 if fewer than 90 % are noticed.
set -euo pipefail
cd "$(dirname "$0")/../.."
export OMP_NUM_THREADS=1
exec python tools/dev/mutants.py "$@"
