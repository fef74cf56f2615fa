"""Times and durations as a filter writes them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from runstone.model.query.tree import Duration, Moment

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_LENGTH = r"[0-9]+(?:\.[0-9]+)?(?:ms|[smhdw])"
_DURATION = re.compile(rf"(?:{_LENGTH})+", re.IGNORECASE)
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|[smhdw])", re.IGNORECASE)
_RELATIVE = re.compile(rf"(now|today)\s*(?:([+-])\s*((?:{_LENGTH})+))?", re.IGNORECASE)
_LAST = re.compile(r"last\s+(?:([0-9]+)\s*)?(minute|hour|day|week|m|h|d|w)s?", re.IGNORECASE)
_ISO = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,9}))?)?\s?(Z|[+-][0-9]{2}:?[0-9]{2})?)?",
    re.IGNORECASE,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_DAY = 86_400_000_000
# beyond any time that a database keeps, and within 64 bits
_FAR = 1 << 62


def duration(text: str) -> Duration | None:
    """``90s``, ``15m``, ``2h``, ``7d``, ``1h30m``; None if it is none."""
    if not _DURATION.fullmatch(text):
        return None
    seconds = sum(float(number) * _UNITS[unit.lower()] for number, unit in _PART.findall(text))
    return Duration(text.lower(), min(seconds, _FAR / 1e6))


def moment(text: str, now: datetime) -> Moment | None:
    """``now - 7d``, ``today``, ``last 7 days``, a date, or a date and time (UTC if it does not say)."""
    text = text.strip()
    relative = _RELATIVE.fullmatch(text)
    if relative:
        return _relative(relative, now)
    last = _LAST.fullmatch(text)
    if last:
        length = int((last[1] or "1")[:12]) * _UNITS[last[2][0].lower()]
        until = _microseconds(now)
        return Moment(text.lower(), _bounded(until - int(length * 1e6)), until + 1)
    iso = _ISO.fullmatch(text)
    return _absolute(text.upper(), iso) if iso else None


def _relative(match: re.Match[str], now: datetime) -> Moment:
    base, sign, length = match[1].lower(), match[2], match[3]
    start = now if base == "now" else now.replace(hour=0, minute=0, second=0, microsecond=0)
    first, text = _microseconds(start), base
    if length:
        shift = duration(length)
        assert shift is not None  # the pattern is the same
        first += int(shift.seconds * 1e6) * (-1 if sign == "-" else 1)
        text = f"{base} {sign} {shift.text}"
    first = _bounded(first)
    return Moment(text, first, first + (_DAY if base == "today" else 1))


def _absolute(text: str, match: re.Match[str]) -> Moment | None:
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        start = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0))
        offset = _offset(zone)
    except ValueError:
        return None
    first = _microseconds(start.replace(tzinfo=timezone.utc)) - offset
    if fraction:
        return Moment(text, first + int(f"{fraction:0<6}"[:6]), first + int(f"{fraction:0<6}"[:6]) + 1)
    # as precise as it was written: a day, a minute or a second
    width = _DAY if hour is None else 60_000_000 if second is None else 1_000_000
    return Moment(text, first, first + width)


def _offset(zone: str | None) -> int:
    if zone is None or zone in "zZ":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    if hours > 23 or minutes > 59:
        raise ValueError(zone)
    return (hours * 3_600 + minutes * 60) * 1_000_000 * (-1 if zone[0] == "-" else 1)


def _microseconds(time: datetime) -> int:
    aware = time if time.tzinfo else time.replace(tzinfo=timezone.utc)
    return (aware - _EPOCH) // timedelta(microseconds=1)


def _bounded(microseconds: int) -> int:
    return max(-_FAR, min(_FAR, microseconds))
