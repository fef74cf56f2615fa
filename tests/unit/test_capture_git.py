"""What git tells of the script's work tree, in real repositories."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from runstone.sdk.capture.git import DIFF_LIMIT, UNTRACKED_LIMIT, git_state

Git = Callable[..., str]
WHO = {
    "GIT_AUTHOR_NAME": "Kim",
    "GIT_AUTHOR_EMAIL": "kim@example.com",
    "GIT_COMMITTER_NAME": "Kim",
    "GIT_COMMITTER_EMAIL": "kim@example.com",
    "GIT_CONFIG_NOSYSTEM": "1",
}


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "nobody"), **WHO}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    path = tmp_path / "project"
    path.mkdir()
    return path


@pytest.fixture
def git(tree: Path, environ: dict[str, str]) -> Git:
    def run(*arguments: str, cwd: Path = tree) -> str:
        done = subprocess.run(["git", *arguments], cwd=cwd, env=environ, capture_output=True, check=True)
        return done.stdout.decode().strip()

    run("-c", "init.defaultBranch=main", "init", "-q")
    return run


@pytest.fixture
def commit(tree: Path, git: Git) -> str:
    (tree / "train.py").write_text("print(1)\n")
    (tree / "src").mkdir()
    (tree / "src" / "model.py").write_text("layers = 3\n")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    return git("rev-parse", "HEAD")


def test_a_clean_tree_is_told_with_the_properties_of_the_original(tree, git, commit, environ):
    git("remote", "add", "origin", "https://example.com/team/project.git")
    state = git_state(tree, environ)
    assert state.root == str(tree)
    assert (state.diff, state.untracked, state.note) == (b"", (), "")
    assert state.properties == {
        "azureml.git.repository_uri": "https://example.com/team/project.git",
        "azureml.git.branch": "main",
        "azureml.git.commit": commit,
        "azureml.git.dirty": "False",
        "mlflow.source.git.repoURL": "https://example.com/team/project.git",
        "mlflow.source.git.branch": "main",
        "mlflow.source.git.commit": commit,
    }


def test_a_change_anywhere_in_the_tree_makes_it_dirty_and_is_in_the_diff(tree, git, commit, environ):
    (tree / "src" / "model.py").write_text("layers = 4\n")
    (tree / "scripts").mkdir()
    state = git_state(tree / "scripts", environ)
    assert state.properties["azureml.git.dirty"] == "True"
    assert b"diff --git a/src/model.py b/src/model.py" in state.diff
    assert b"-layers = 3\n+layers = 4\n" in state.diff


def test_staged_changes_are_in_the_diff_and_the_diff_applies(tree, git, commit, environ, tmp_path):
    (tree / "train.py").write_text("print(2)\n")
    (tree / "new.py").write_text("x = 1\n")
    git("add", ".")
    (tree / "src" / "model.py").unlink()
    state = git_state(tree, environ)
    other = tmp_path / "other"
    git("clone", "-q", str(tree), str(other))
    (other / "kept.diff").write_bytes(state.diff)
    git("apply", "kept.diff", cwd=other)
    assert (other / "train.py").read_text() == "print(2)\n"
    assert (other / "new.py").read_text() == "x = 1\n"
    assert not (other / "src" / "model.py").exists()


def test_untracked_files_are_listed_and_make_the_tree_dirty(tree, git, commit, environ):
    (tree / "notes ü \n.txt").write_text("x")
    (tree / "data").mkdir()
    (tree / "data" / "a.csv").write_text("1")
    state = git_state(tree, environ)
    assert sorted(state.untracked) == ["data/", "notes ü \\n.txt"]
    assert state.dirty


def test_ignored_files_and_our_own_history_do_not_make_a_tree_dirty(tree, git, commit, environ):
    (tree / ".git" / "info" / "exclude").write_text("*.log\n")
    (tree / "a.log").write_text("x")
    (tree / ".runstone" / "history").mkdir(parents=True)
    (tree / ".runstone" / "history" / "runstone.db").write_text("x")
    state = git_state(tree, environ)
    assert (state.dirty, state.untracked) == (False, ())


def test_many_untracked_files_are_listed_up_to_a_bound(tree, git, commit, environ):
    for number in range(UNTRACKED_LIMIT + 5):
        (tree / f"{number}.txt").touch()
    assert len(git_state(tree, environ).untracked) == UNTRACKED_LIMIT


def test_credentials_in_the_address_of_the_remote_are_masked(tree, git, commit, environ):
    git("remote", "add", "origin", "https://kim:hunter2@example.com/team/project.git")
    state = git_state(tree, environ)
    assert state.repository == "https://***@example.com/team/project.git"
    assert "hunter2" not in repr(state)


def test_secrets_in_the_diff_are_masked(tree, git, commit, environ):
    (tree / "train.py").write_text("password = 'hunter2'\nprint(1)\n")
    diff = git_state(tree, environ).diff
    assert b"+password = '***'" in diff
    assert b"hunter2" not in diff


def test_a_diff_that_is_too_long_is_cut_at_a_line_and_says_so(tree, git, commit, environ):
    (tree / "train.py").write_text("".join(f"line {number}\n" for number in range(200_000)))
    diff = git_state(tree, environ).diff
    lines = diff.decode().splitlines()
    assert len(diff) <= DIFF_LIMIT + 200
    assert lines[-1] == f"# runstone: cut here, the diff is longer than {DIFF_LIMIT} bytes"
    assert lines[-3].startswith("+line ")


def test_a_binary_change_is_named_and_bytes_that_are_no_text_survive(tree, git, commit, environ):
    (tree / "model.bin").write_bytes(bytes(range(256)))
    (tree / "latin.txt").write_bytes(b"caf\xe9\n")
    git("add", ".")
    diff = git_state(tree, environ).diff
    assert b"Binary files /dev/null and b/model.bin differ" in diff
    assert b"+caf\xe9\n" in diff


def test_what_a_person_has_set_for_reading_diffs_does_not_reach_the_kept_one(tree, git, commit, environ):
    for name, value in {
        "color.ui": "always",
        "diff.noprefix": "true",
        "diff.external": "false",
        "core.pager": "false",
        "diff.relative": "true",
    }.items():
        git("config", name, value)
    (tree / "train.py").write_text("print(2)\n")
    diff = git_state(tree / "src", environ).diff
    assert diff.startswith(b"diff --git a/train.py b/train.py\n")
    assert b"\x1b" not in diff


def test_without_the_diff_the_rest_is_told(tree, git, commit, environ):
    (tree / "train.py").write_text("print(2)\n")
    state = git_state(tree, environ, diff=False)
    assert (state.diff, state.dirty, state.commit) == (b"", True, commit)


def test_a_repository_without_a_commit_has_neither_commit_nor_diff(tree, git, environ):
    (tree / "train.py").write_text("print(1)\n")
    git("add", ".")
    state = git_state(tree, environ)
    assert state.properties == {
        "azureml.git.branch": "main",
        "mlflow.source.git.branch": "main",
        "azureml.git.dirty": "True",
    }


def test_a_detached_head_has_no_branch(tree, git, commit, environ):
    git("checkout", "-q", "--detach")
    state = git_state(tree, environ)
    assert (state.branch, state.commit) == ("", commit)
    assert "azureml.git.branch" not in state.properties


def test_outside_a_repository_there_are_no_properties(tmp_path, environ):
    state = git_state(tmp_path, environ)
    assert (state.properties, state.note) == ({}, "not in a git repository")


def test_a_directory_that_is_gone_is_noted(tmp_path, environ):
    assert "gone" in git_state(tmp_path / "none", environ).note


def test_without_git_it_is_noted(tree, git, commit, environ, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    state = git_state(tree, {**environ, "PATH": str(tmp_path / "empty")})
    assert state.properties == {}
    assert state.note.startswith("git is not installed")


def test_a_repository_that_git_distrusts_is_noted_with_git_s_words(tree, git, commit, environ):
    state = git_state(tree, {**environ, "GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"})
    assert state.properties == {}
    assert "dubious ownership" in state.note


def test_a_git_that_hangs_is_stopped(tree, git, commit, environ, tmp_path):
    answer = tmp_path / "bin" / "git"
    answer.parent.mkdir()
    answer.write_text("#!/bin/sh\nsleep 600 & sleep 600\n")
    answer.chmod(0o755)
    state = git_state(tree, {**environ, "PATH": f"{answer.parent}:{environ['PATH']}"}, seconds=0.3)
    assert (state.properties, state.note) == ({}, "git did not answer in time")


def test_what_git_answers_in_time_is_kept_when_the_diff_takes_too_long(tree, git, commit, environ, tmp_path):
    real = shutil.which("git")
    answer = tmp_path / "bin" / "git"
    answer.parent.mkdir()
    answer.write_text(f'#!/bin/sh\ncase "$*" in *diff*HEAD*) sleep 600;; esac\nexec {real} "$@"\n')
    answer.chmod(0o755)
    state = git_state(tree, {**environ, "PATH": f"{answer.parent}:{environ['PATH']}"}, seconds=2)
    assert (state.commit, state.diff) == (commit, b"")
    assert state.note == "git did not answer within 2 s: diff"


def test_the_repository_of_a_hook_that_runs_is_not_taken_for_the_script_s(
    tree, git, commit, environ, tmp_path
):
    state = git_state(tree, {**environ, "GIT_DIR": str(tmp_path / "elsewhere"), "GIT_INDEX_FILE": "/none"})
    assert (state.commit, state.dirty) == (commit, False)


def test_no_program_that_a_repository_names_is_started(tree, git, commit, environ, tmp_path):
    witness = tmp_path / "witness"
    script = tmp_path / "run.sh"
    script.write_text(f"#!/bin/sh\ntouch {witness}\n")
    script.chmod(0o755)
    for name in ("core.fsmonitor", "core.pager", "core.sshCommand", "diff.external", "diff.own.textconv"):
        git("config", name, str(script))
    (tree / ".git" / "info" / "attributes").write_text("*.py diff=own\n")
    (tree / "train.py").write_text("print(2)\n")
    assert b"+print(2)" in git_state(tree, environ).diff
    assert not witness.exists()


def test_asking_leaves_the_index_alone_even_while_it_is_locked(tree, git, commit, environ):
    os.utime(tree / "train.py", (1, 1))
    before = (tree / ".git" / "index").read_bytes()
    (tree / ".git" / "index.lock").touch()
    assert git_state(tree, environ).commit == commit
    assert (tree / ".git" / "index").read_bytes() == before


def test_a_linked_work_tree_is_told_as_itself(tree, git, commit, environ, tmp_path):
    git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    state = git_state(tmp_path / "side" / "src", environ)
    assert (state.root, state.branch, state.commit) == (str(tmp_path / "side"), "side", commit)
