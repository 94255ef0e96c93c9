"""Trains with the installed mmsegmentation's own tools/train.py (see --help)."""

from mmseg_tool import run_mmseg_tool

if __name__ == '__main__':
    run_mmseg_tool('train.py')
