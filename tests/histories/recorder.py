"""Runs one client of a workload as a process of its own, and writes down what it saw.

Called with one argument, a JSON object; see `Recording.start`. The clock is the machine's monotonic one, which all
processes read alike.
"""

import json
import pickle
import random
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import workloads
from history import NEVER, UNKNOWN, Operation
from wire import Client, Refused, moment

# Calls that only look: one without an answer tells nothing.
LOOKS = {"read", "get", "uploads", "parts"}


def now():
    return time.monotonic_ns()


def record(workload, begin, end):
    """The operations of one client, by object, from one moment to another."""
    seen = []
    while (start := now()) < end:
        try:
            steps = workload.step((start - begin) / 1e9)
        except Refused:
            # The server is down. What was asked before in the same step wrote nothing that counts.
            moment()
            continue
        finish = now()
        for name, call, answer in steps:
            if answer is not UNKNOWN:
                seen.append((name, Operation(start, finish, call, answer)))
            elif call[0] not in LOOKS:
                seen.append((name, Operation(start, NEVER, call, UNKNOWN)))
    return seen


@dataclass
class Recording:
    """A workload that several clients run against one server at the same time."""

    server: object
    folder: Path
    workload: str
    bucket: str
    region: str
    clients: int = 10
    processes: list = field(default_factory=list)

    def tell_port(self):
        """Tells the clients where the server listens now."""
        new = self.folder / "port.new"
        new.write_text(str(self.server.port))
        new.replace(self.folder / "port")

    def start(self, launch, seconds, seed):
        """Starts the clients; `launch` starts a command that ends with this process at the latest."""
        self.tell_port()
        begin = now()
        for number in range(self.clients):
            access_key, secret_key = self.server.credentials
            asked = {
                "workload": self.workload,
                "folder": str(self.folder),
                "bucket": self.bucket,
                "number": number,
                "seed": f"{seed} {number}",
                "begin": begin,
                "end": begin + int(seconds * 1e9),
                "credentials": [access_key, secret_key, self.region],
            }
            command = [sys.executable, "-B", __file__, json.dumps(asked)]
            self.processes.append(launch(command, self.folder / f"client-{number}.log", None))

    def operations(self, patience):
        """Waits for the clients; what they saw, by object."""
        seen = {}
        for number, process in enumerate(self.processes):
            code = process.wait(patience)
            log = (self.folder / f"client-{number}.log").read_text()
            assert code == 0, f"client {number} ended with {code}\n{log[-3000:]}"
            for name, operation in pickle.loads((self.folder / f"client-{number}.seen").read_bytes()):
                seen.setdefault(name, []).append(operation)
        return seen


def main():
    asked = json.loads(sys.argv[1])
    folder = Path(asked["folder"])
    client = Client(lambda: int((folder / "port").read_text()), *asked["credentials"])
    kind = getattr(workloads, asked["workload"])
    workload = kind(client, asked["bucket"], asked["number"], random.Random(asked["seed"]))
    seen = record(workload, asked["begin"], asked["end"])
    (folder / f"client-{asked['number']}.seen").write_bytes(pickle.dumps(seen))


if __name__ == "__main__":
    main()
