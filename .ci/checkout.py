"""A copy of what a commit of the working tree would hold."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

LIST_FILES = (
    *("git", "-c", "safe.directory=*", "ls-files", "-z"),
    *("--cached", "--others", "--exclude-standard"),
)


def checkout(repository: Path, target: Path) -> Path:
    """Copy tracked files and those that git does not ignore; returns `target`."""
    listed = subprocess.run(
        LIST_FILES, cwd=repository, check=True, capture_output=True, text=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (repository / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(repository / name, target / name)
    return target
