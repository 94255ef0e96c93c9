#!/usr/bin/env bash
# Trains on a Slurm cluster.
# Usage: tools/slurm_train.sh PARTITION JOB_NAME CONFIG [options of tools/train.py]
# Variables: GPUS (8), GPUS_PER_NODE (8; 0 for CPU processes), TASKS_PER_NODE (GPUS_PER_NODE),
# CPUS_PER_TASK (5), PORT (29500), SRUN_ARGS (more options of srun).
set -euo pipefail
[ $# -ge 3 ] || {
    echo "usage: $0 PARTITION JOB_NAME CONFIG [options of tools/train.py]" >&2
    exit 2
}
partition=$1 name=$2
shift 2
exec "$(dirname "$0")/slurm_run.sh" "$partition" "$name" train.py "$@"
