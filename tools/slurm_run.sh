#!/usr/bin/env bash
# What slurm_train.sh and slurm_test.sh share: PARTITION JOB_NAME TOOL [arguments of the tool]
set -euo pipefail
partition=$1 name=$2 tool=$3
shift 3
gpus=${GPUS:-8} per_node=${GPUS_PER_NODE:-8}
tasks_per_node=${TASKS_PER_NODE:-$per_node}
((tasks_per_node > 0)) || tasks_per_node=$gpus
((tasks_per_node <= gpus)) || tasks_per_node=$gpus
((per_node <= gpus)) || per_node=$gpus
resources=(--ntasks="$gpus" --ntasks-per-node="$tasks_per_node" --cpus-per-task="${CPUS_PER_TASK:-5}")
((per_node == 0)) || resources+=(--gres="gpu:$per_node")
export MASTER_PORT=${PORT:-29500}
# --kill-on-bad-exit: the job ends when one of its processes does.
# shellcheck disable=SC2086  # SRUN_ARGS holds several options
exec srun --partition="$partition" --job-name="$name" "${resources[@]}" --kill-on-bad-exit=1 \
    ${SRUN_ARGS:-} python -u "$(dirname "$0")/$tool" "$@" --launcher=slurm
