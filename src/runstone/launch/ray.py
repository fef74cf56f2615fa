"""Ray as a target: the HTTP interface of its job server, and no library."""

from __future__ import annotations

import json
import shlex
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runstone.launch.launcher import GONE, RUNNING, UNKNOWN, WAITING, Seen, name_of
from runstone.model.errors import Busy, Invalid
from runstone.model.jobs import Job

SECONDS = 30.0
_STATES = {"PENDING": WAITING, "RUNNING": RUNNING, "STOPPED": GONE, "SUCCEEDED": GONE, "FAILED": GONE}


class Ray:
    """Jobs of a Ray cluster. Its configuration: ``address`` (http://host:8265) and ``token``, if it asks for
    one."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        if not str(config.get("address", "")).startswith(("http://", "https://")):
            raise Invalid(
                f"A Ray target needs the address of its job server (http://...); got "
                f"{config.get('address')!r}."
            )
        self.concurrent: int | None = None
        self.every = 1.0
        self._address = str(config["address"]).rstrip("/")
        self._token = config.get("token")

    def start(self, job: Job, command: Sequence[str], *, folder: Path) -> str:
        """Submit a job whose entry point is the supervisor; one of our name is taken for it."""
        name = name_of(job)
        if self._call("GET", f"/api/jobs/{name}") is None:
            body = {
                "entrypoint": shlex.join(command),
                "submission_id": name,
                "metadata": {"run": job.run, "attempt": str(job.attempt)},
            }
            self._call("POST", "/api/jobs/", body)
        return name

    def ask(self, handles: Sequence[str]) -> Mapping[str, Seen]:
        """All jobs of the cluster in one call."""
        if not handles:
            return {}
        listed = self._call("GET", "/api/jobs/") or []
        states = {job.get("submission_id"): job for job in listed}
        return {handle: _seen(states.get(handle)) for handle in handles}

    def stop(self, handle: str) -> None:
        """Ask Ray to end a job; one that it does not know is no error."""
        self._call("POST", f"/api/jobs/{handle}/stop", {})

    def _call(self, verb: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The answer's JSON; None for what the server does not know."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._address + path, data=data, method=verb)
        request.add_header("Content-Type", "application/json")
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            if error.code in (401, 403):
                raise Invalid(f"Ray at {self._address} refused the token ({error.code}).") from error
            text = error.read(2000).decode("utf-8", "replace")
            if error.code == 500 and "already exists" in text:
                return {}
            kind = Invalid if error.code < 500 else Busy
            raise kind(f"Ray at {self._address} answered {error.code}: {text[-300:]}") from error
        except (urllib.error.URLError, TimeoutError, ValueError) as error:
            raise Busy(f"Ray at {self._address} cannot be reached: {error}") from error


def _seen(job: Mapping[str, Any] | None) -> Seen:
    if job is None:
        return Seen(GONE, "Ray does not know it any more")
    return Seen(_STATES.get(str(job.get("status")), UNKNOWN), str(job.get("message") or ""))
