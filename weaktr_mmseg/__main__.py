"""The tools and configs of an installed weaktr_mmseg, by their names.

python -m weaktr_mmseg TOOL [ARGUMENT ...] runs tools/TOOL.py. Where an argument such as
weaktr_demo.py is no file here, the config of that name which came with the package is meant.

Examples:
    python -m weaktr_mmseg train weaktr_demo.py --work-dir runs/demo
    python -m weaktr_mmseg infer PHOTOS --config weaktr_demo.py --checkpoint best.pth
    python -m weaktr_mmseg train --help
    torchrun --nproc-per-node 2 -m weaktr_mmseg train weaktr_demo.py --launcher pytorch
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from weaktr_mmseg.utils.shipped_files import find_config, shipped_folder

SHARED = ('command_line', 'mmseg_tool')  # imported by the tools


def main() -> int:
    """Runs a tool in this process, or lists what there is; exit code 2 for an unknown tool."""
    folder = shipped_folder()
    tools = {path.stem: path for path in sorted((folder / 'tools').glob('*.py'))}
    tools = {name: path for name, path in tools.items() if name not in SHARED}
    name, *arguments = sys.argv[1:] or ['--help']
    if name in ('-h', '--help'):
        configs = (path.name for path in sorted((folder / 'configs').glob('*.py')))
        print(__doc__)
        print(f'Tools:   {", ".join(tools)}\nConfigs: {", ".join(configs)}\nFolder:  {folder}')
        return 0
    if name not in tools:
        print(f'error: no tool {name!r}; expected one of {", ".join(tools)}', file=sys.stderr)
        return 2
    sys.argv = [str(tools[name]), *map(_shipped_config, arguments)]
    sys.path.insert(0, str(folder / 'tools'))  # as if the file had been started
    runpy.run_path(sys.argv[0], run_name='__main__')
    return 0


def _shipped_config(argument: str) -> str:
    if not argument.endswith('.py') or Path(argument).exists():
        return argument
    return str(find_config(argument) or argument)


if __name__ == '__main__':
    sys.exit(main())
