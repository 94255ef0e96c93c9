#!/usr/bin/env bash
# Installs the project in a fresh environment of each Python, imports it and runs a tiny pipeline.
#
#   tools/dev/python_matrix.sh                    # 3.10 3.11 3.12 3.13
#   tools/dev/python_matrix.sh 3.13               # one of them
#
# A Python is found as pythonX.Y or among pyenv's versions. Environments are made below
# $MATRIX_DIR (default: a temporary folder, removed at the end). Exit code 1 if one fails.
set -uo pipefail
cd "$(dirname "$0")/../.."
versions=("$@")
[ ${#versions[@]} -gt 0 ] || versions=(3.10 3.11 3.12 3.13)
folder=${MATRIX_DIR:-$(mktemp -d)}
[ -n "${MATRIX_DIR:-}" ] || trap 'rm -rf "$folder"' EXIT
failed=0

interpreter() {
    local newest
    newest=$(ls -d "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python 2>/dev/null | sort -V | tail -n 1)
    if [ -n "$newest" ]; then echo "$newest"; else command -v "python$1"; fi
}

for version in "${versions[@]}"; do
    python=$(interpreter "$version") || { echo "Python $version: not found"; failed=1; continue; }
    environment=$folder/$version
    log=$folder/$version.log
    if "$python" -m venv "$environment" &&
        "$environment/bin/pip" install -q --disable-pip-version-check \
            -r requirements.txt -e '.[tests]' >"$log" 2>&1 &&
        "$environment/bin/python" -c 'import weaktr_mmseg' >>"$log" 2>&1 &&
        "$environment/bin/python" -m pytest -q tests/pipeline/test_runner.py tests/golden \
            >>"$log" 2>&1; then
        echo "Python $version: $("$environment/bin/python" -c \
            'import platform, torch, mmseg; print(platform.python_version(), "torch", torch.__version__, "mmseg", mmseg.__version__)' 2>/dev/null | tail -n 1), $(tail -n 1 "$log")"
    else
        echo "Python $version: failed, last lines of $log:"
        tail -n 5 "$log"
        failed=1
    fi
done
exit $failed
