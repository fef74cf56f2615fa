"""Requirements as people write them: lines for pip, specifications for conda, and one in the words of the
other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from runstone.model.errors import Invalid

DEEPEST = 8
# Versions that the original writes by itself where nobody has asked for one.
UNASKED = ("3.6.2", "3.8.13", "3.10.18")
# Packages that the index has under the name that conda gives them, and those that it calls otherwise.
_SAME = """
absl-py altair attrs beautifulsoup4 bokeh boto3 catboost click cloudpickle cython dask datasets dill
fastparquet flask fsspec gensim h5py imbalanced-learn ipykernel ipython jinja2 joblib jsonschema
jupyter jupyterlab keras lightgbm lxml matplotlib mlflow mypy nbconvert networkx nltk notebook numba
numpy onnx onnxruntime openpyxl optuna packaging pandas pillow plotly polars protobuf psutil pyarrow
pydantic pytest python-dateutil pytz pyyaml regex requests ruff scikit-image scikit-learn scipy
seaborn setuptools shap six spacy sqlalchemy statsmodels sympy tensorboard tensorflow tokenizers
torchaudio torchvision tqdm transformers wheel xgboost xlrd zstandard"""
_INDEXED = {name: name for name in _SAME.split()} | {
    "pytorch": "torch",
    "py-xgboost": "xgboost",
    "tensorflow-gpu": "tensorflow",
    "matplotlib-base": "matplotlib",
    "pytables": "tables",
    "msgpack-python": "msgpack",
    "dask-core": "dask",
}
# What conda itself is told, and what every environment has anyway.
_CARRIED = ("python", "pip")

_SPECIFICATION = re.compile(r"(?:[\w.-]+::)?(?P<name>[A-Za-z0-9_][\w.-]*)\s*(?P<version>[=<>!~ ].*)?$")
_CONTINUED = re.compile(r"\\\n")
_COMMENT = re.compile(r"(^|\s)#.*$")
_INCLUDE = re.compile(r"(?:-r|--requirement)[ =]*(?P<path>.+)$")
_LOCAL = re.compile(r"(?P<option>-e|--editable|-f|--find-links|-c|--constraint)(?:\s+|=)(?P<path>.+)$")


@dataclass(frozen=True)
class Specification:
    """A package as conda is asked for it: a name in small letters, and what follows it."""

    name: str
    version: str = ""

    @classmethod
    def of(cls, text: str) -> Specification:
        """The parts of ``name``, ``name=1.2``, ``channel::name>=1,<2`` or ``name=1.2=build``."""
        found = _SPECIFICATION.match(str(text).strip())
        if found is None:
            raise Invalid(f"{text!r} is no conda package; write it as 'name', 'name=1.2' or 'name>=1.2'.")
        return cls(found["name"].lower(), (found["version"] or "").strip())

    @property
    def number(self) -> str:
        """The version without the sign of equality, and without the build; a range as it is."""
        if not self.version.startswith("=") and self.version[:1] in "<>!~":
            return self.version
        return self.version.lstrip("=").strip().partition("=")[0].strip()

    def for_pip(self) -> str | None:
        """The same package as pip is asked for it, None where the package index is not known to have it."""
        name = _INDEXED.get(self.name)
        if name is None or not self.version:
            return name
        if self.version[0] in "<>!~" or self.version.startswith("=="):
            return f"{name}{self.version.replace(' ', '')}"
        exact = self.version.count("=") > 1 or self.number.endswith("*")
        return f"{name}=={self.number}" if exact else f"{name}=={self.number}.*"

    @property
    def carried(self) -> bool:
        """Whether it is Python itself or pip, which are no packages to install."""
        return self.name in _CARRIED


def name_of(requirement: str) -> str:
    """The name that a line for pip begins with, as the package index spells it; empty for an option or a
    path."""
    found = re.match(r"\s*([A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)\s*(?:\[|[=<>!~;@]|$)", requirement)
    return re.sub(r"[-_.]+", "-", found[1]).lower() if found else ""


def read_requirements(path: Path) -> list[str]:
    """The lines of a requirements file, those of the files that it includes in their place, local paths made
    absolute.

    Raises:
        Invalid: a file is not there, or files include each other.
    """
    return list(_included(path, 0))


def expanded(lines: Iterable[str], folder: Path) -> list[str]:
    """Lines for pip as if they stood in a requirements file of that folder."""
    return list(_expanded(lines, folder, 0))


def merged(requirements: Iterable[str]) -> list[str]:
    """The same lines, each once, in their order; of two lines for one package the later one stands,
    unless they are for different machines (``; python_version < "3.11"``)."""
    found: dict[str, str] = {}
    for line in requirements:
        key = line if ";" in line else name_of(line) or line
        found.pop(key, None)
        found[key] = line
    return list(found.values())


def _included(path: Path, depth: int) -> Iterator[str]:
    if depth > DEEPEST:
        raise Invalid(f"Requirements files include each other more than {DEEPEST} deep, at {path}.")
    if not path.is_file():
        raise Invalid(f"There is no requirements file {str(path)!r}; give the path of one.")
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    yield from _expanded(_CONTINUED.sub(" ", text).splitlines(), path.parent, depth)


def _expanded(lines: Iterable[str], folder: Path, depth: int) -> Iterator[str]:
    for line in lines:
        text = _COMMENT.sub("", line).strip()
        include = _INCLUDE.match(text)
        if include:
            yield from _included(folder / include["path"].strip(), depth + 1)
        elif text:
            yield _absolute(text, folder)


def _absolute(line: str, folder: Path) -> str:
    local = _LOCAL.match(line)
    if local and "://" not in local["path"]:
        return f"{local['option']} {(folder / local['path'].strip()).resolve()}"
    if line.startswith("-") or "://" in line:
        return line
    path = folder / line
    looks = line.startswith((".", "/")) or line.endswith((".whl", ".tar.gz", ".zip"))
    return str(path.resolve()) if looks and path.exists() else line
