"""A real server of the S3 protocol (moto's), in a process of its own, for tests of object storage."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from runstone import Datastore, Workspace

SERVER = """
import logging, sys
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
print(server.server_port, flush=True)
server.serve_forever()
"""


@dataclass
class S3:
    """A server with a bucket ``data``; each datastore that is registered has a prefix of its own."""

    address: str
    secret: str = field(default_factory=lambda: uuid.uuid4().hex)

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[S3]:
        """The server, until the end of the block."""
        with subprocess.Popen(
            [sys.executable, "-c", SERVER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as process:
            try:
                assert process.stdout is not None
                found = cls(f"http://127.0.0.1:{process.stdout.readline().strip()}")
                found.request("PUT", "data")
                yield found
            finally:
                process.kill()

    @property
    def options(self) -> dict[str, str]:
        """What a datastore on the server is registered with."""
        return {"endpoint": self.address, "region": "us-east-1"}

    def registered(self, workspace: Workspace, name: str = "bucket") -> Datastore:
        """A datastore with nothing in it, whose credentials are in the environment variable MY_S3_KEY."""
        return Datastore.register_object_store(
            workspace,
            name,
            f"s3://data/{uuid.uuid4().hex}",
            options=self.options,
            credentials={"secret_access_key": "MY_S3_KEY", "access_key_id": "MY_S3_KEY"},
        )

    def request(self, method: str, path: str) -> None:
        """Ask the server for something, as soon as it answers."""
        for _ in range(100):
            try:
                asked = urllib.request.Request(f"{self.address}/{path}", method=method)
                urllib.request.urlopen(asked, timeout=10).close()
                return
            except ConnectionError:
                time.sleep(0.1)
        raise AssertionError(f"{self.address} does not answer")
