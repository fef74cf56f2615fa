"""CondaDependencies: packages, versions and channels, as a conda file says them."""

from __future__ import annotations

from pathlib import Path

import pytest

from runstone import CondaDependencies
from runstone.model.errors import UserErrorException
from runstone.model.requirements import Specification, merged, name_of, read_requirements

FILE = """
name: train
channels: [conda-forge]
dependencies:
  - python=3.11
  - pytorch=2.1
  - pip=23
  - pip:
      - --index-url https://example.org/simple
      - scikit-learn==1.4
      - azureml-defaults
"""


@pytest.fixture
def read(tmp_path: Path) -> CondaDependencies:
    (tmp_path / "conda.yml").write_text(FILE, encoding="utf-8")
    return CondaDependencies(tmp_path / "conda.yml")


def test_a_fresh_one_is_the_originals() -> None:
    made = CondaDependencies()
    assert made.as_dict() == {
        "name": "project_environment",
        "dependencies": ["python=3.8.13", {"pip": ["azureml-defaults"]}],
        "channels": ["anaconda", "conda-forge"],
    }
    assert made.get_default_number_of_packages() == 1


def test_create_takes_packages_for_both() -> None:
    made = CondaDependencies.create(pip_packages=["six", "numpy>1"], conda_packages=["pytorch=2.1"])
    assert made.pip_packages == ["azureml-defaults~=1.61.0", "six", "numpy>1"]
    assert made.conda_packages == ["pytorch=2.1"]
    assert made.get_python_version() == "3.10.18"
    unpinned = CondaDependencies.create(pin_sdk_version=False, python_version="3.12")
    assert unpinned.pip_packages == ["azureml-defaults"]
    assert unpinned.get_python_version() == "3.12"


def test_a_conda_file_is_read(read: CondaDependencies) -> None:
    assert read.get_python_version() == "3.11"
    assert read.conda_packages == ["pytorch=2.1", "pip=23"]
    assert read.conda_channels == ["conda-forge"]
    assert read.pip_packages == ["scikit-learn==1.4", "azureml-defaults"]
    assert read.pip_options == ["--index-url https://example.org/simple"]


def test_what_is_saved_is_read_again(read: CondaDependencies, project: Path) -> None:
    assert read.save() == "conda_dependencies.yml"
    assert CondaDependencies("conda_dependencies.yml") == read
    (project / "below").mkdir()
    assert read.save_to_file("below", "env.yml") == "env.yml"
    assert (project / "below" / "env.yml").read_text() == read.serialize_to_string()
    assert CondaDependencies(_underlying_structure=read.as_dict()) == read


def test_a_package_of_the_same_name_gives_way(read: CondaDependencies) -> None:
    read.add_pip_package("Scikit_Learn[all]>=1.5")
    assert read.pip_packages == ["azureml-defaults", "Scikit_Learn[all]>=1.5"]
    read.add_conda_package("conda-forge::PyTorch=2.2")
    assert read.conda_packages == ["pip=23", "conda-forge::PyTorch=2.2"]
    read.set_python_version("3.12")
    assert read.get_python_version() == "3.12"


def test_what_was_added_is_removed(read: CondaDependencies) -> None:
    read.remove_pip_package("scikit-learn")
    read.remove_pip_package("never-there")
    read.remove_conda_package("pytorch")
    read.remove_pip_option("--index-url")
    read.add_channel("nvidia")
    read.add_channel("nvidia")
    read.remove_channel("conda-forge")
    assert (read.pip_packages, read.pip_options) == (["azureml-defaults"], [])
    assert (read.conda_packages, read.conda_channels) == (["pip=23"], ["nvidia"])


def test_options_of_pip(read: CondaDependencies) -> None:
    read.set_pip_index_url("https://example.org/other")
    read.set_pip_option("--extra-index-url https://example.org/more")
    assert sorted(read.pip_options) == [
        "--extra-index-url https://example.org/more",
        "--index-url https://example.org/other",
    ]
    with pytest.raises(UserErrorException, match="begins with '--'"):
        read.set_pip_option("six")


def test_requirements_as_a_whole() -> None:
    made = CondaDependencies()
    made.set_pip_requirements(["six", "numpy"])
    assert made.pip_packages == ["six", "numpy"]
    assert CondaDependencies.merge_requirements(["six==1", "numpy", "six==2"]) == ["numpy", "six==2"]
    made.add_tensorflow_pip_package(version="2.16")
    made.add_tensorflow_conda_package("gpu", "2.16")
    assert made.pip_packages[-1] == "tensorflow==2.16"
    assert made.conda_packages == ["tensorflow-gpu=2.16"]


def test_requirements_for_different_machines_stand_side_by_side() -> None:
    lines = ['six==1; python_version < "3.11"', 'six==2; python_version >= "3.11"']
    assert merged(lines) == lines


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("- a list", "is no conda file"),
        ("dependencies: [{npm: [x]}]", "'pip:' with a list"),
        ("dependencies: [{pip: six}]", "'pip:' with a list"),
        ("dependencies: ['=1.2']", "is no conda package"),
        ("a: [1", "cannot be read as YAML"),
        ("a: !!python/object/apply:os.getcwd []", "cannot be read as YAML"),
        ("a: 1\na: 2", "the key 'a' twice"),
        ("[" * 100 + "]" * 100, "nested deeper than 64"),
        ("{" + '"a": {' * 100 + "}" * 101, "nested deeper than 64"),
        ("a: &a [*a]", "an alias within itself"),
        ("name: " + "x" * (1 << 20), "over the size limit"),
    ],
)
def test_a_file_that_is_none_is_refused(project: Path, text: str, wrong: str) -> None:
    (project / "conda.yml").write_text(text, encoding="utf-8")
    with pytest.raises(UserErrorException, match=wrong):
        CondaDependencies("conda.yml")


def test_aliases_that_grow_are_refused(project: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for level in range(1, 10):
        lines.append(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]")
    (project / "conda.yml").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(UserErrorException, match="more than 50,000 values"):
        CondaDependencies("conda.yml")


def test_a_file_that_is_not_there(project: Path) -> None:
    with pytest.raises(UserErrorException, match=r"There is no conda file 'nope\.yml'"):
        CondaDependencies("nope.yml")


@pytest.mark.parametrize(
    ("conda", "pip"),
    [
        ("numpy", "numpy"),
        ("numpy=1.26", "numpy==1.26.*"),
        ("numpy==1.26.4", "numpy==1.26.4"),
        ("numpy=1.26.*", "numpy==1.26.*"),
        ("numpy=1.26.4=py311h_0", "numpy==1.26.4"),
        ("numpy >=1.26, <2", "numpy>=1.26,<2"),
        ("pytorch::pytorch=2.1", "torch==2.1.*"),
        ("ffmpeg", None),
    ],
)
def test_a_package_of_conda_in_the_words_of_pip(conda: str, pip: str | None) -> None:
    assert Specification.of(conda).for_pip() == pip


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("Scikit_Learn==1.4", "scikit-learn"),
        ("a[b,c]>1", "a"),
        ("a @ https://example.org/a.whl", "a"),
        ('a; python_version < "3.11"', "a"),
        ("--index-url x", ""),
        ("/tmp/x.whl", ""),
        ("-e .", ""),
    ],
)
def test_the_name_in_a_requirement(line: str, name: str) -> None:
    assert name_of(line) == name


def test_a_requirements_file_with_all_that_may_be_in_it(project: Path) -> None:
    (project / "below").mkdir()
    (project / "below" / "more.txt").write_text("pandas\n-c limits.txt\n./own-1.0-py3-none-any.whl\n")
    (project / "below" / "own-1.0-py3-none-any.whl").touch()
    (project / "requirements.txt").write_text(
        "# what we need\nsix==1.17  # pinned\n-r below/more.txt\n\n-e ./package\n--no-binary \\\n  six\n"
        "git+https://example.org/a.git#egg=a\n"
    )
    assert read_requirements(project / "requirements.txt") == [
        "six==1.17",
        "pandas",
        f"-c {project / 'below' / 'limits.txt'}",
        str(project / "below" / "own-1.0-py3-none-any.whl"),
        f"-e {project / 'package'}",
        "--no-binary    six",
        "git+https://example.org/a.git#egg=a",
    ]


def test_requirements_files_that_include_each_other_are_refused(project: Path) -> None:
    (project / "a.txt").write_text("-r b.txt\n")
    (project / "b.txt").write_text("-r a.txt\n")
    with pytest.raises(UserErrorException, match="include each other"):
        read_requirements(project / "a.txt")
    with pytest.raises(UserErrorException, match="no requirements file"):
        read_requirements(project / "c.txt")
