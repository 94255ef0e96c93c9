#!/usr/bin/env bash
# Tests on a Slurm cluster.
# Usage: tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [options of tools/test.py]
# Variables: as in slurm_train.sh.
set -euo pipefail
[ $# -ge 4 ] || {
    echo "usage: $0 PARTITION JOB_NAME CONFIG CHECKPOINT [options of tools/test.py]" >&2
    exit 2
}
partition=$1 name=$2
shift 2
exec "$(dirname "$0")/slurm_run.sh" "$partition" "$name" test.py "$@"
