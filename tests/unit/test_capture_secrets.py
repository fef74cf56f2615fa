"""Secrets in arguments, variables, addresses, texts and diffs are masked, what is none stays (c21, c22)."""

from __future__ import annotations

import base64
import json
import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstone.sdk.capture.secrets import (
    MASK,
    mask_arguments,
    mask_diff,
    mask_environment,
    mask_source,
    mask_text,
)

# Made here from pieces, so that no scanner takes this file for a leak.
CANARY = "Kx7" + "Qm2Vb9Lr4Tz8"
JWT = ".".join(
    base64.urlsafe_b64encode(part).decode().rstrip("=")
    for part in (b'{"alg":"HS256","typ":"JWT"}', b'{"sub":"1234567890"}', b"signature-of-the-token")
)
TOKENS = [
    "AKIA" + "IOSFODNN7EXAMPLE",
    "ASIA" + "Y34FZKBOKMUTVV7A",
    "gh" + "p_" + "16C7e42F292c6912E7710c838347Ae178B4a",
    "gh" + "s_" + "16C7e42F292c6912E7710c838347Ae178B4a",
    "github" + "_pat_" + "11ABCDEFG0aBcDeFgHiJkL_mNoPqRsTuVwXyZ0123456789",
    "gl" + "pat-" + "aBcD3fGh1jKlMn0pQrSt",
    "s" + "k-" + "aBcD3fGh1jKlMn0pQrStUvWx",
    "s" + "k-proj-" + "aBcD3fGh1jKl_Mn0pQr-StUvWx",
    "s" + "k-ant-" + "api03-aBcD3fGh1jKl_Mn0pQr-StUvWx",
    "s" + "k_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "h" + "f_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZ012345",
    "xo" + "xb-" + "17653672481-19874698323-pdFZKVeTuE8sk7oOcHrzzqgy",
    "AI" + "za" + "SyA1234567890abcdefghijklmnopqrstuv",
    "dap" + "i" + "0123456789abcdef0123456789abcdef",
    "npm" + "_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789",
    "SG" + "." + "aBcDeFgHiJkLmNoPqRsT" + "." + "uVwXyZ0123456789aBcDeFgH",
    JWT,
]
PEM = "\n".join(
    [
        "-----BEGIN RSA " + "PRIVATE KEY-----",
        *("MIIEpAIBAAKCAQEA" + CANARY + "x" * 30 for _ in range(5)),
        "-----END RSA " + "PRIVATE KEY-----",
    ]
)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["--password", CANARY], ["--password", MASK]),
        (["--password", "hunter2", "--lr", "0.1"], ["--password", MASK, "--lr", "0.1"]),
        ([f"--api-key={CANARY}"], [f"--api-key={MASK}"]),
        (["--api_key", CANARY, "train"], ["--api_key", MASK, "train"]),
        ([f"--apiKey={CANARY}"], [f"--apiKey={MASK}"]),
        (["-token", CANARY], ["-token", MASK]),
        (["--hf-token", CANARY, "--epochs", "3"], ["--hf-token", MASK, "--epochs", "3"]),
        (["--client-secret", CANARY], ["--client-secret", MASK]),
        ([f"TOKEN={CANARY}"], [f"TOKEN={MASK}"]),
        ([f"db.password={CANARY}", "db.host=pg"], [f"db.password={MASK}", "db.host=pg"]),
        ([f"+wandb.api_key={CANARY}"], [f"+wandb.api_key={MASK}"]),
        (["--passwords", "one", "two", "--n", "2"], ["--passwords", MASK, MASK, "--n", "2"]),
        (["--password", "--verbose"], ["--password", "--verbose"]),
        (["--header", f"Authorization: Bearer {CANARY}"], ["--header", f"Authorization: Bearer {MASK}"]),
        (["--header", "Authorization: Basic dXNlcjpwYXNz"], ["--header", f"Authorization: Basic {MASK}"]),
        ([f'--config={{"api_key": "{CANARY}", "n": 3}}'], [f'--config={{"api_key": "{MASK}", "n": 3}}']),
        (["--db", f"postgresql://kim:{CANARY}@db/x"], ["--db", f"postgresql://kim:{MASK}@db/x"]),
        ([f"--account-key={CANARY}"], [f"--account-key={MASK}"]),
        (["--token", CANARY + "\n" + CANARY], ["--token", MASK]),
        (["--auth", "kim:hunter2", "--db-pw", "x"], ["--auth", MASK, "--db-pw", MASK]),
        (["--secret-key", "/Jalr/K7MDENG/bPxRfiCY"], ["--secret-key", MASK]),
        (["host=h password=x dbname=y"], [f"host=h password={MASK} dbname=y"]),
        (["password:x"], [f"password:{MASK}"]),
        (["-H", f"X-Api-Key: {CANARY}"], ["-H", f"X-Api-Key: {MASK}"]),
        (["--wandb-key", "16c7e42f292c6912e7710c838347ae178b4a0000"], ["--wandb-key", MASK]),
    ],
)
def test_a_secret_argument_is_masked(given, kept):
    assert mask_arguments(given) == kept


@pytest.mark.parametrize(
    "arguments",
    [
        ["--tokenizer", "bpe"],
        ["--key-size", "4"],
        ["--max-tokens", "512", "--num_tokens=3"],
        ["--pad-token", "<pad>", "--eos_token", "</s>", "--mask-token=[MASK]"],
        ["--token-type", "word", "--token-budget", "10000"],
        ["--sort-key", "date", "--key", "name", "--monkey", "see"],
        ["--passes", "3", "--pass", "2", "--compass", "north", "--bypass", "x"],
        ["--author", "kim", "--authority", "x", "--use-auth-token"],
        ["--commit", "16c7e42f292c6912e7710c838347ae178b4a0000"],
        ["--data", "/mnt/data/secrets/train.csv", "--out", "C:\\runs\\token.txt"],
        ["--ssh-key", "~/.ssh/id_rsa", "--private-key=/etc/ssl/server.pem"],
        ["--password-file", "/run/secrets/db", "--secret-name", "vault-entry"],
        ["--lr", "1e-3", "--seed", "20261123", "model.hidden=[128,128]", "--no-secrets"],
        ["--experiment", "sk-learn-baseline-with-many-words", "--run", "task-0123456789abcdefghij"],
        ["--uri", "s3://bucket/path@v1/x", "--repo", "git@host:org/repo.git", "-p", "8080"],
        ["--url", "http://localhost:8080/@scope/pkg?page=2"],
        ["--basic", "basic understanding of tokens"],
        ["", "-", "--", "=", "--=", "=x", "***"],
    ],
)
def test_what_only_sounds_like_a_secret_stays(arguments):
    assert mask_arguments(arguments) == arguments


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize(
    "around", ["{}", "--name={}", "x={};y", '"{}"', "+{}", "-{}", "a {} b", "https://h/?a={}"]
)
def test_a_token_is_known_by_its_shape(token, around):
    assert mask_text(around.format(token)).count(token[-12:]) == 0
    assert MASK in mask_text(around.format(token))


@pytest.mark.parametrize("token", TOKENS)
def test_a_token_in_an_environment_variable_is_masked(token):
    assert mask_environment({"SLURM_COMMENT": token, "LANG": "C"}) == {"LANG": "C", "SLURM_COMMENT": MASK}


def test_variables_are_masked_by_name():
    masked = mask_environment(
        {
            "SLURM_JWT": "short",
            "NCCL_DEBUG": "INFO",
            "DB_PWD": "x y",
            "PWD": "/srv/app",
            "RANK": "0",
            "API_KEY": "",
        }
    )
    assert masked == {
        "API_KEY": "",
        "DB_PWD": MASK,
        "NCCL_DEBUG": "INFO",
        "PWD": "/srv/app",
        "RANK": "0",
        "SLURM_JWT": MASK,
    }


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("https://kim:pw@example.com/r.git", "https://***@example.com/r.git"),
        ("https://x-access-token@example.com/r.git", "https://***@example.com/r.git"),
        ("HTTPS://kim:p@ss@example.com/r", "HTTPS://***@example.com/r"),
        ("ssh://git@example.com/r.git", "ssh://git@example.com/r.git"),
        ("ssh://git:pw@example.com:22/r.git", "ssh://git:***@example.com:22/r.git"),
        ("redis://:pw@cache:6379/0", "redis://:***@cache:6379/0"),
        ("mongodb+srv://kim:pw@cluster/x", "mongodb+srv://kim:***@cluster/x"),
        ("git@example.com:org/r.git", "git@example.com:org/r.git"),
        ("https://a.example/x https://u:p@b.example/y", "https://a.example/x https://***@b.example/y"),
        ("https://h/c?sv=2024&sig=abcdefghijklmnop%2B%3D&se=1", "https://h/c?sv=2024&sig=***&se=1"),
        ("https://h/c?access_token=abc&page=2", "https://h/c?access_token=***&page=2"),
        ("AccountName=me;AccountKey=YWJj+/ab==;End=x", "AccountName=me;AccountKey=***;End=x"),
    ],
)
def test_credentials_in_an_address_are_masked(address, kept):
    assert mask_text(address) == kept


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ('password = "hunter2"', 'password = "***"'),
        ('password: str = "hunter2"', 'password: str = "***"'),
        ("config['api_key'] = 'abc'", "config['api_key'] = '***'"),
        ('os.environ["TOKEN"] = "abc"', 'os.environ["TOKEN"] = "***"'),
        ('os.environ.setdefault("WANDB_API_KEY", "abc")', 'os.environ.setdefault("WANDB_API_KEY", "***")'),
        ("connect(user='me', password='pw', port=1)", "connect(user='me', password='***', port=1)"),
        ("login(token=token, password='pw')", "login(token=token, password='***')"),
        (r'"password": "a\"b", "n": 1', '"password": "***", "n": 1'),
        (r'"api_key = \"abc\"\n",', r'"api_key = \"***\"\n",'),
        ('if password == "hunter2":', 'if password == "***":'),
        ('SECRET = b"hunter2"', 'SECRET = b"***"'),
    ],
)
def test_a_literal_secret_in_source_code_is_masked(line, kept):
    assert mask_text(line, code=True) == kept


@pytest.mark.parametrize(
    "line",
    [
        "token = read_token()",
        "password = os.environ['PASSWORD']",
        "def login(password: str, token: str | None = None) -> None:",
        'password = ""',
        'url = f"{host}?token={token}"',
        'token = "${TOKEN}"',
        'tokenizer.pad_token = "<pad>"',
        'eos_token="</s>"',
        'key = "name"',
        "for token in tokens:",
        'parser.add_argument("--tokenizer", default="bpe")',
        "keys = sorted(key for key in table)",
        'monkey = "see"',
        "assert secrets.compare(a, b)",
    ],
)
def test_source_code_without_a_secret_stays(line):
    assert mask_text(line, code=True) == line


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("PASSWORD=hunter2\nHOST=db\n", "PASSWORD=***\nHOST=db\n"),
        ("export TOKEN=a&b,c;d)\n", "export TOKEN=***\n"),
        ("  password: correct horse battery\n", "  password: ***\n"),
        ("token = $TOKEN\n", "token = $TOKEN\n"),
        ("api_key: '{{ vault.key }}'\n", "api_key: '{{ vault.key }}'\n"),
        ("run: train --password hunter2 --lr 3\n", "run: train --password *** --lr 3\n"),
        ("max_token: 5\npassword: x\n", "max_token: 5\npassword: ***\n"),
    ],
)
def test_a_secret_in_a_settings_file_is_masked_without_quotes_too(text, kept):
    assert mask_text(text) == kept


@pytest.mark.parametrize("sign", ["", "+", "-", " ", "    "])
def test_a_private_key_is_masked_whole(sign):
    text = "\n".join(sign + line for line in ["before", *PEM.splitlines(), "after = 1"])
    masked = mask_text(text, code=True)
    assert CANARY not in masked
    assert "before" in masked
    assert masked.endswith("after = 1")


def test_a_private_key_that_is_cut_off_is_masked_to_its_end():
    assert CANARY not in mask_text("x\n" + PEM[:150])


def test_a_mention_of_private_keys_does_not_swallow_what_follows():
    line = 'if "-----BEGIN ' + 'PRIVATE KEY-----" in text:\n    raise ValueError("a key (really)")\n'
    assert 'raise ValueError("a key (really)")' in mask_text(line, code=True)


def test_a_diff_is_masked_file_by_file():
    diff = (
        "diff --git a/train.py b/train.py\n--- a/train.py\n+++ b/train.py\n@@ -1 +1,2 @@\n"
        f"-token = read()\n+token = read_anew()\n+password = '{CANARY}'\n"
        "diff --git a/.env b/.env\n--- a/.env\n+++ b/.env\n@@ -1 +1 @@\n"
        f"-TOKEN=old{CANARY}\n+TOKEN=new{CANARY}\n"
        f"diff --git a/.netrc b/.netrc\n@@ -0,0 +1 @@\n+machine h login kim password {CANARY}\n"
        "diff --git a/z.md b/z.md\n+the end\n"
    )
    masked = mask_diff(diff.encode()).decode()
    assert CANARY not in masked
    assert "+token = read_anew()\n+password = '***'\n" in masked
    assert "-TOKEN=***\n+TOKEN=***\n" in masked
    assert masked.endswith("diff --git a/z.md b/z.md\n+the end\n")


def test_bytes_that_are_no_text_survive():
    raw = bytes(range(256)) * 3
    assert mask_source(raw, "model.bin") == raw
    assert mask_diff(b"diff --git a/x b/x\n" + raw) == b"diff --git a/x b/x\n" + raw


def test_a_kept_notebook_is_still_json():
    cell = {"source": ['password = "it\'s\\n"\n', 'os.environ["TOKEN"] = "abc"\n', "x = 1\n"]}
    kept = json.loads(mask_source(json.dumps({"cells": [cell]}).encode(), "a.ipynb"))
    assert kept["cells"][0]["source"][2] == "x = 1\n"
    assert "abc" not in str(kept)


@given(st.text(alphabet=string.ascii_letters + string.digits + "!$%^*()_+.,/?@~", min_size=6, max_size=60))
def test_whatever_stands_behind_a_password_option_is_masked(secret):
    if secret.lower() not in {"none", "null", "true", "false"}:
        assert mask_arguments(["--db-password", secret, "tail"]) == ["--db-password", MASK, "tail"]
        assert mask_arguments([f"--db-password={secret}"]) == [f"--db-password={MASK}"]


@given(st.text(max_size=300), st.booleans())
def test_masking_takes_any_text_and_masking_again_changes_nothing(text, code):
    once = mask_text(text, code=code)
    assert mask_text(once, code=code) == once


def test_a_long_text_is_masked_wherever_the_secret_stands(rng: random.Random):
    lines = [f"value_{n} = compute({rng.random()})" for n in range(3000)]
    places = rng.sample(range(len(lines)), 40)
    for place in places:
        lines[place] = f"api_key = '{CANARY}{place}'"
    masked = mask_text("\n".join(lines), code=True).split("\n")
    assert [masked[place] for place in places] == ["api_key = '***'"] * 40
    assert len(masked) == 3000
