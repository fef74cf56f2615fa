"""Where the conda environments of this machine are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from runstone.model.errors import UserErrorException
from runstone.service.connect import environment

_USUAL = ("miniconda3", "anaconda3", "miniforge3", "mambaforge", "micromamba", ".conda")


def interpreter(name: str) -> Path:
    """The interpreter of the conda environment of that name or path.

    Raises:
        UserErrorException: there is none; the message names those that were found.
    """
    folders = list(dict.fromkeys(_folders(environment())))
    given = [Path(name)] if Path(name).is_absolute() else []
    for folder in [*given, *(folder for folder in folders if folder.name == name)]:
        for place in ("bin/python", "python.exe"):
            if (folder / place).exists():
                return folder / place
    known = ", ".join(sorted(repr(folder.name) for folder in folders)) or "none"
    raise UserErrorException(
        f"There is no conda environment {name!r} on this machine; found: {known}. Give its name, or the "
        f"path of its directory."
    )


def _folders(environ: Mapping[str, str]) -> Iterator[Path]:
    home = Path(environ.get("HOME") or "~").expanduser()
    for root in _roots(environ, home):
        if (root / "envs").is_dir():
            yield from sorted(path for path in (root / "envs").iterdir() if path.is_dir())
    # conda writes down here where it has made environments elsewhere
    listed = home / ".conda" / "environments.txt"
    if listed.is_file():
        lines = listed.read_text(encoding="utf-8", errors="replace").splitlines()
        yield from (Path(line.strip()) for line in lines if line.strip())
    if environ.get("CONDA_PREFIX"):
        yield Path(environ["CONDA_PREFIX"])


def _roots(environ: Mapping[str, str], home: Path) -> Iterator[Path]:
    if environ.get("MAMBA_ROOT_PREFIX"):
        yield Path(environ["MAMBA_ROOT_PREFIX"])
    if environ.get("CONDA_EXE"):
        yield Path(environ["CONDA_EXE"]).parent.parent
    yield from (home / name for name in _USUAL)
    yield Path("/opt/conda")
