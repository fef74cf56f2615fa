"""Lists what is installed for this Python, from the names of the folders that installers leave."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import sys
from collections.abc import Iterator, Sequence

_FOLDER = re.compile(r"(?P<name>[^-]+)-(?P<version>[^-]+)(?:-[^/]*)?\.(?:dist|egg)-info")
_BARE = re.compile(r"(?P<name>.+)\.(?:dist|egg)-info")
_SEPARATORS = re.compile(r"[-_.]+")
_HEAD_LIMIT = 64 * 1024


def python_version() -> str:
    """Like `3.11.7`, with what follows it in a pre-release."""
    return platform.python_version()


def installed_packages(path: Sequence[str] | None = None) -> dict[str, str]:
    """Name to version of each distribution on `path` (`sys.path` if not given), sorted by name. Names are
    normalised (`scikit-learn`, `pyyaml`); of two with one name the first counts, as for `import`."""
    found: dict[str, str] = {}
    for folder in sys.path if path is None else path:
        for name, version in _distributions(folder or "."):
            found.setdefault(name, version)
    return dict(sorted(found.items()))


def packages_text(packages: dict[str, str]) -> str:
    """`name==version`, one a line, after comments that name Python and the platform; pip can read it."""
    lines = [
        f"# {platform.python_implementation()} {python_version()}",
        f"# {platform.system()} {platform.release()} {platform.machine()}",
        *(f"{name}=={version}" for name, version in packages.items()),
    ]
    return "\n".join(lines) + "\n"


def _distributions(folder: str) -> Iterator[tuple[str, str]]:
    with contextlib.suppress(OSError, ValueError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith((".dist-info", ".egg-info")):
                yield from _distribution(entry.path, entry.name)


def _distribution(path: str, file_name: str) -> Iterator[tuple[str, str]]:
    # pip keeps a half removed package under a name that begins with a tilde.
    match = _FOLDER.fullmatch(file_name) or _BARE.fullmatch(file_name)
    if not match or file_name.startswith("~"):
        return
    version = match.groupdict().get("version") or _version_inside(path)
    if version:
        yield _SEPARATORS.sub("-", match["name"]).lower(), version


def _version_inside(path: str) -> str:
    for file in (os.path.join(path, "METADATA"), os.path.join(path, "PKG-INFO"), path):
        with contextlib.suppress(OSError), open(file, encoding="utf-8", errors="replace") as lines:
            head = lines.read(_HEAD_LIMIT).partition("\n\n")[0]
            found = re.search(r"^Version:[ \t]*(\S+)", head, re.MULTILINE | re.IGNORECASE)
            return found[1] if found else ""
    return ""
