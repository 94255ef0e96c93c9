"""Tests with the installed mmsegmentation's own tools/test.py (see --help)."""

from mmseg_tool import run_mmseg_tool

if __name__ == '__main__':
    run_mmseg_tool('test.py')
