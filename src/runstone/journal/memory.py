"""Frames that no disk would take, kept up to a bound until one does or the history has them."""

from __future__ import annotations

from collections import deque

# What a queued frame costs beside its bytes.
_QUEUED = 49


class Memory:
    """Frames that no disk would take, oldest first, up to a bound."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.dropped = 0
        self._frames: deque[bytes] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._frames)

    def add(self, frame: bytes) -> bool:
        """Keep a frame; False when there is no room."""
        if self._bytes + len(frame) + _QUEUED > self.limit:
            self.dropped += 1
            return False
        self._frames.append(frame)
        self._bytes += len(frame) + _QUEUED
        return True

    def restore(self, frames: list[bytes]) -> None:
        """Put frames before all others, beyond the bound if need be."""
        self._frames.extendleft(reversed(frames))
        self._bytes += sum(len(frame) + _QUEUED for frame in frames)

    def head(self, limit: int) -> list[bytes]:
        """The oldest frames, of at least one and at most about ``limit`` bytes."""
        size = 0
        found = []
        for frame in self._frames:
            found.append(frame)
            size += len(frame)
            if size >= limit:
                break
        return found

    def drop(self, count: int) -> None:
        """Forget the oldest ``count``."""
        for _ in range(min(count, len(self._frames))):
            self._bytes -= len(self._frames.popleft()) + _QUEUED
