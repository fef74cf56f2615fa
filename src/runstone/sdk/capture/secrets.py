"""Masks secrets in arguments, environment variables, addresses, source text and diffs with `***`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from runstone.sdk.capture.names import is_secret

MASK = "***"

_MANY = ("secrets", "passwords", "credentials")

# A piece at a time: `re` keeps the interpreter's lock during a call, and the script has threads of its own.
_PIECE = 16 * 1024
_KEY_BLOCK = 16 * 1024

_STEM = r"(?:pass|pwd|pswd|pw\b|secret|token|key|cred|auth|sas|sig|jwt|pat\b|bearer|cookie|pin\b)"
_NAME = rf"(?<![\w.-])(?P<name>[\w.-]{{0,80}}?{_STEM}[\w.-]{{0,80}})"
_QUOTED = r"[A-Za-z]{0,2}(?P<quote>\\?[\"'])(?P<quoted>(?:(?!(?P=quote))(?:\\.|[^\n\\])){0,4096})(?P=quote)"
_ANNOTATION = r"(?:[ \t]*:[ \t]*[A-Za-z_][\w.\[\]| ]{0,60}?(?=[ \t]*=))?"
_JOINT = rf"(?P<joint>[\"'\]\\)]{{0,4}}{_ANNOTATION}[ \t]{{0,8}}(?::=|=>|[:=]=?|!=)[ \t]{{0,8}})"
_FLAGS = re.ASCII | re.IGNORECASE
_CODE_ASSIGNMENT = re.compile(rf"{_NAME}{_JOINT}{_QUOTED}", _FLAGS)
_ASSIGNMENT = re.compile(
    rf"{_NAME}{_JOINT}(?:{_QUOTED}|(?P<bare>[^\s\"'<>(){{}}\[\]][^\s\"'&;,)}}\]]{{0,255}}))", _FLAGS
)
_OPTION = re.compile(
    rf"{_NAME}(?P<joint>[ \t]{{1,8}})(?:{_QUOTED}|(?P<bare>[^\s\"'-][^\s\"'&;,)}}\]]{{0,255}}))", _FLAGS
)
_CALL = re.compile(
    r"(?:setdefault|getenv|putenv|setenv|get)\(\s{0,8}[\"'](?P<name>[\w.-]{1,160})[\"']"
    rf"(?P<joint>\s{{0,8}},\s{{0,8}}){_QUOTED}",
    re.ASCII,
)
# Enough of a bare value is read to judge it; the whole of it is masked.
_BARE_REST = re.compile(r"[^\s\"'&;,)}\]]*")
_LINE_REST = re.compile(r"[^\n]*")
_LINE_LEAD = r"[+-]?[ \t]{0,80}(?:export |set |ENV |ARG |- )?[ \t]{0,8}"
_LINE = re.compile(
    rf"^{_LINE_LEAD}(?P<name>[\w.-]{{1,160}})(?P<joint>[ \t]{{0,8}}:[ \t]{{1,8}}|[ \t]{{0,8}}=[ \t]{{0,8}})"
    r"(?P<bare>[^\s\"'][^\n]{0,255})",
    re.ASCII | re.MULTILINE,
)
_TEMPLATE = re.compile(r"\$\{[^}]*\}|\$\w+|\{\{[^}]*\}\}|\{[^}]*\}|<[^>]*>|%\([^)]*\)s|\$\([^)]*\)", re.ASCII)

_USER_INFO = re.compile(r"://(?P<user>[^\s/?#\"'<>`\\]{1,1024})@", re.ASCII)
_WEB = ("http", "https")
_AUTHORIZATION = re.compile(
    r"(?P<lead>authorization[\"']{0,2}[ \t]{0,8}[:=,][ \t]{0,8}[\"']?"
    r"(?:basic|bearer|token|digest|apikey)[ \t]{1,8}"
    r"|\bbearer[ \t]{1,8}(?=\S{0,64}\d))[A-Za-z0-9._~+/=:-]{6,4096}",
    _FLAGS,
)
_SIGNATURE = re.compile(r"(?P<lead>\bsig(?:nature)?=)[A-Za-z0-9%+/=_-]{16,1024}", _FLAGS)
_KEY_BEGIN = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,16} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_KEY_BODY = re.compile(r"(?:(?:\\[rn]|[\s\"'+,-]){0,16}[A-Za-z0-9+/=]{16,256})*", re.ASCII)
_SHAPES = re.compile(
    r"(?<![A-Za-z0-9_])(?:"
    r"(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}"
    r"|gh[pousr]_[A-Za-z0-9]{20,255}"
    r"|github_pat_[A-Za-z0-9_]{20,255}"
    r"|gl(?:pat|dt|rt|ptt)-[\w-]{20,255}"
    r"|sk-(?:proj|ant|svcacct|admin|or|live|test)-[\w-]{16,512}"
    r"|sk-[A-Za-z0-9]{20,255}"
    r"|[srp]k_(?:live|test)_[A-Za-z0-9]{10,255}"
    r"|(?:gsk|hf|npm|r8|api_org)_[A-Za-z0-9]{20,255}"
    r"|wandb_v\d_[A-Za-z0-9_]{20,255}"
    r"|xai-[A-Za-z0-9]{20,255}"
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,255}"
    r"|hooks\.slack\.com/services/[A-Za-z0-9/]{20,255}"
    r"|AIza[\w-]{35}"
    r"|ya29\.[\w-]{20,1024}"
    r"|GOCSPX-[\w-]{20,255}"
    r"|(?<!\w-)eyJ[\w-]{8,8192}(?:\.[\w-]{0,8192}){1,4}"
    r"|pypi-AgE[\w-]{16,1024}"
    r"|SG\.[\w-]{16,255}\.[\w-]{16,255}"
    r"|dapi[0-9a-f]{32}"
    r"|do[opr]_v1_[0-9a-f]{64}"
    r"|hvs\.[\w-]{20,255}"
    r"|dckr_pat_[\w-]{20,255}"
    r"|ATATT3[\w=-]{20,512}"
    r"|AGE-SECRET-KEY-1[0-9A-Z]{20,255})",
    re.ASCII,
)

# In source code an unquoted value is an expression; elsewhere it is the value itself.
_CODE_ENDINGS = """
    .py .pyi .pyx .ipynb .json .jsonl .js .mjs .cjs .ts .tsx .jsx .java .kt .scala .c .h .cc .cpp .hpp .cu
    .cuh .rs .go .cs .swift .jl .r .rb .php .lua .pl .m .sql .html .css
"""
_CODE = frozenset(_CODE_ENDINGS.split())
_SECRET_FILE = re.compile(
    r"(?:^|/)(?:\.netrc|_netrc|\.pgpass|\.git-credentials|id_(?:rsa|dsa|ecdsa|ed25519))$"
)
_DIFF_FILE = re.compile(rb"^diff --git [^\n]*\n", re.MULTILINE)


def mask_arguments(arguments: Sequence[str]) -> list[str]:
    """The same arguments, each secret value (`--password x`, `--api-key=x`, `db.password=x`) masked."""
    masked: list[str] = []
    pending = ""
    for argument in arguments:
        if pending and not _is_option(argument):
            masked.append(MASK if is_secret(pending, argument) else mask_text(argument))
            pending = pending if pending.endswith(_MANY) else ""
            continue
        pending = argument if argument.startswith("-") and "=" not in argument else ""
        masked.append(_mask_argument(argument))
    return masked


def mask_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """The same variables in the order of their names, the secret values masked."""
    return {
        name: MASK if is_secret(name, value) else mask_text(value)
        for name, value in sorted(variables.items())
    }


def mask_text(text: str, *, code: bool = False) -> str:
    """The same text, whatever in it looks like a secret masked. With `code`, unquoted values are
    left alone, for they are expressions: `token = read_token()`."""
    return "".join(_mask_piece(piece, code) for piece in _pieces(_mask_key_blocks(text)))


def mask_source(source: bytes, path: str) -> bytes:
    """The same file, masked as befits what its path says it is. Bytes that are no text survive."""
    if _SECRET_FILE.search(path):
        return MASK.encode() + b"\n"
    text = source.decode("utf-8", "surrogateescape")
    return mask_text(text, code=_is_code(path)).encode("utf-8", "surrogateescape")


def mask_diff(diff: bytes) -> bytes:
    """The same diff of git's, each file's part masked as befits the file."""
    bounds = [*(match.start() for match in _DIFF_FILE.finditer(diff)), len(diff)]
    head = mask_source(diff[: bounds[0]], "")
    return head + b"".join(_mask_file_diff(diff[start:end]) for start, end in pairwise(bounds))


def _is_option(argument: str) -> bool:
    return argument.startswith("--") or bool(re.fullmatch(r"-[A-Za-z]{1,3}", argument))


def _mask_argument(argument: str) -> str:
    name, equals, value = argument.partition("=")
    if equals and re.fullmatch(r"[\w.@/~+\[\]-]{1,200}", name) and is_secret(name, value):
        return f"{name}={MASK}"
    return mask_text(argument)


def _pieces(text: str) -> Iterator[str]:
    start = 0
    while len(text) - start > _PIECE:
        end = text.find("\n", start + _PIECE) + 1
        if not end:
            break
        yield text[start:end]
        start = end
    yield text[start:]


def _mask_key_blocks(text: str) -> str:
    kept, position = [], 0
    while begin := _KEY_BEGIN.search(text, position):
        kept += [text[position : begin.end()], MASK]
        end = text.find("-----END ", begin.end(), begin.end() + _KEY_BLOCK)
        body = _KEY_BODY.match(text, begin.end(), begin.end() + _KEY_BLOCK)
        position = end if end >= 0 else (body.end() if body else begin.end())
    return "".join([*kept, text[position:]])


def _mask_piece(text: str, code: bool) -> str:
    if "://" in text:
        text = _USER_INFO.sub(_without_user, text)
    text = _AUTHORIZATION.sub(lambda match: match["lead"] + MASK, text)
    text = _SIGNATURE.sub(lambda match: match["lead"] + MASK, text)
    for pattern in (_CODE_ASSIGNMENT, _CALL) if code else (_LINE, _ASSIGNMENT, _CALL, _OPTION):
        text = _mask_values(text, pattern)
    return _SHAPES.sub(MASK, text)


def _without_user(match: re.Match[str]) -> str:
    scheme = re.search(
        r"[A-Za-z][\w+.-]*$", match.string[max(0, match.start() - 32) : match.start()], re.ASCII
    )
    user, colon, password = match["user"].partition(":")
    if not scheme or scheme[0].lower() in _WEB:
        return f"://{MASK}@"
    return f"://{user}:{MASK}@" if colon and password else match[0]


def _mask_values(text: str, pattern: re.Pattern[str]) -> str:
    kept, copied, position = [], 0, 0
    while match := pattern.search(text, position):
        span = _secret_span(match)
        # What was no secret is read again from its value on: a value may be the name of the next.
        position = span[1] if span else match.end("joint")
        if span:
            kept += [text[copied : span[0]], MASK]
            copied = position
    return "".join([*kept, text[copied:]])


def _secret_span(match: re.Match[str]) -> tuple[int, int] | None:
    kind = "quoted" if match.groupdict().get("quote") else "bare"
    is_option = match["joint"].isspace()
    if is_option and not match["name"].startswith("-"):
        return None
    if _TEMPLATE.fullmatch(match[kind]) or not is_secret(match["name"], match[kind]):
        return None
    if kind == "quoted":
        return match.span(kind)
    rest = (_LINE_REST if match.re is _LINE else _BARE_REST).match(match.string, match.end())
    return match.start(kind), rest.end() if rest else match.end()


def _is_code(path: str) -> bool:
    return path[path.rfind(".") :].lower() in _CODE if "." in path else False


def _mask_file_diff(part: bytes) -> bytes:
    head, newline, body = part.partition(b"\n")
    path = head.decode("utf-8", "surrogateescape").rstrip('"').rpartition(" b/")[2]
    return (
        mask_text(head.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        + newline
        + mask_source(body, path)
    )
