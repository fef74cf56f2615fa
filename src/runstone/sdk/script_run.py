"""ScriptRun: a run that was submitted, seen from outside."""

from __future__ import annotations

import json
import time
from typing import Any

from runstone.model import runs as model
from runstone.model.errors import ActivityFailedException, NotFound
from runstone.sdk import details
from runstone.sdk.readable import Readable
from runstone.sdk.run import Run
from runstone.sdk.submitting import RUN_TYPE as _RUN_TYPE

LOG = "user_logs/std_log.txt"
LOOK_SECONDS = 0.2


class ScriptRun(Run):
    """A submitted run."""

    RUN_TYPE = _RUN_TYPE

    def cancel(self, children: bool = True) -> None:
        """Ask for the end of the run, and of its children; returns when the request is recorded.

        The status is CancelRequested until the last process is gone; Canceled at once for a run that nobody
        has begun. A run that has ended stays as it is, with a warning.
        """
        self._ask_to_end(children=children)

    def wait_for_completion(
        self, show_output: bool = False, wait_post_processing: bool = False, raise_on_error: bool = True
    ) -> dict[str, Any]:
        """Wait until the run has ended, printing what the script prints while it does; its details.

        Raises:
            ActivityFailedException: the run has failed, and ``raise_on_error``.
        """
        if not show_output:
            return super().wait_for_completion(False, wait_post_processing, raise_on_error)
        web = self.get_portal_url()
        heading = f"Streaming {LOG}"
        print(f"RunId: {self.id}\nWeb View: {web}\n\n{heading}\n{'=' * len(heading)}\n")
        self._stream()
        print(f"\nExecution Summary\n=================\nRunId: {self.id}\nWeb View: {web}\n")
        document = json.dumps(details.error_document(self._record), indent=4)
        if self._record.status is model.Status.FAILED and raise_on_error:
            raise ActivityFailedException(document)
        if self._record.status is model.Status.FAILED:
            print(f"Error:\n{document}\n")
        return self.get_details()

    def _stream(self) -> None:
        offset = 0
        readable = Readable()
        while True:
            ended = model.Status(self.get_status()).terminal
            while part := self._printed(offset):
                offset += len(part)
                print(readable.shown(part), end="", flush=True)
            if ended:
                print(readable.shown(b"", last=True), end="", flush=True)
                return
            time.sleep(LOOK_SECONDS)

    def _printed(self, offset: int) -> bytes:
        try:
            return self._service.logs.read(self._ref, LOG, offset=offset)
        except NotFound:
            # nothing yet, or nothing at all
            return b""
