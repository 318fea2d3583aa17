"""Files are given to real SDFormat parsers."""

from __future__ import annotations

import re
import shutil
import subprocess

# In the 1.9 specification of today's libsdformat, but not yet in that of Debian's 12.3.
NEWER = {'optical_frame_id', 'camera_info_topic'}
_UNKNOWN = re.compile(r'XML Element\[([^\]]+)\], child of element\[([^\]]+)\], not defined in SDF')


def tool():
    """Return Debian's checker (packages ignition-tools, libsdformat-dev, sdformat-sdf) or None."""
    return shutil.which('ign')


def problems(path, home):
    """Return what `ign sdf -k` and its log complain of; home: an empty folder for the log."""
    done = subprocess.run(
        [tool(), 'sdf', '-k', str(path)],
        env={'HOME': str(home), 'PATH': '/usr/bin:/bin'}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    found = [] if done.returncode == 0 else [done.stdout + done.stderr]
    # Unknown elements are no errors to it: they are only in the log, where a plugin's own are too.
    log = home / '.sdformat' / 'sdformat.log'
    for name, parent in _UNKNOWN.findall(log.read_text() if log.is_file() else ''):
        if name not in NEWER and parent != 'plugin':
            found.append(f'<{parent}> knows no <{name}>')
    return found
