"""A mixed load whose outcome is known: clients that each work in a part of the store that is their own, one request at a time.

So after a crash the part of a client must look as before the request that was not answered, or as after it: never otherwise,
and never without what was answered.
"""

import hashlib
import random
from dataclasses import dataclass, field

from client import LOST, Refused, connected
from drystone import MIB
from multipart import pattern

SIZES = [0, 100, 512, 513, 4097, 70_000, 300_000, 5 * MIB // 4]
KEYS, UPLOADS, PARTS = 4, 2, 4


@dataclass
class Worker:
    """One client, and what its part of the store must look like."""

    name: str
    chance: random.Random
    # Objects and uploads as `Client.look` shows them, and as they will be after the request in flight.
    now: dict = field(default_factory=dict)
    then: dict = field(default_factory=dict)
    # Upload ids by key: what the view does not show.
    ids: dict = field(default_factory=dict)
    answered: int = 0
    # Errors that the server answered with.
    refused: list = field(default_factory=list)

    def work(self, server, requests):
        """Sends so many requests, or until one of them is not answered with success: nobody knows then whether it happened."""
        with connected(server) as client:
            for _ in range(requests):
                request, self.then, note = self.choose(client)
                try:
                    answer = request()
                except LOST:
                    return
                except Refused as refusal:
                    assert refusal.answer.status >= 500, refusal
                    self.refused.append(refusal)
                    return
                self.now = self.then
                note(answer)
                self.answered += 1

    def choose(self, client):
        """A request, the view after it, and what to remember of its answer."""
        key = f"{self.name}/{self.chance.randrange(KEYS)}"
        upload = f"{self.name}/upload-{self.chance.randrange(UPLOADS)}"
        is_open, present = ("upload", upload) in self.now, ("object", key) in self.now
        draw = self.chance.random()
        if draw < 0.35 and not is_open:
            return self.create(client, upload)
        if draw < 0.35:
            return self.part(client, upload)
        if draw < 0.45 and is_open:
            return self.end(client, upload)
        if draw < 0.55 and present:
            return self.delete(client, key)
        if draw < 0.65 and present:
            return self.copy(client, key)
        return self.put(client, key)

    def after(self, *gone, **_):
        return {item: value for item, value in self.now.items() if item not in gone}

    def put(self, client, key):
        body = self.body()
        view = self.after() | {("object", key): digest(body)}
        return lambda: client.put("bucket", key, body), view, ignore

    def delete(self, client, key):
        return lambda: client.delete("bucket", key), self.after(("object", key)), ignore

    def copy(self, client, key):
        view = self.after() | {("object", f"{self.name}/copy"): self.now["object", key]}
        return lambda: client.copy("bucket", f"{self.name}/copy", ("bucket", key)), view, ignore

    def create(self, client, key):
        def note(upload):
            self.ids[key] = upload

        return lambda: client.create("bucket", key), self.after() | {("upload", key): ()}, note

    def part(self, client, key):
        number, body = self.chance.randrange(1, PARTS + 1), self.body()
        parts = dict(self.now["upload", key]) | {number: digest(body)}
        view = self.after() | {("upload", key): tuple(sorted(parts.items()))}
        return lambda: client.part("bucket", key, self.ids[key], number, body), view, ignore

    def end(self, client, key):
        """Aborts an upload, or completes it with one of its parts."""
        parts, view = self.now["upload", key], self.after(("upload", key))
        if not parts or self.chance.random() < 0.4:
            return lambda: client.abort("bucket", key, self.ids[key]), view, ignore
        number, of_part = self.chance.choice(parts)
        view[("object", key)] = of_part
        return lambda: client.complete("bucket", key, self.ids[key], [(number, f'"{of_part}"')]), view, ignore

    def body(self):
        return pattern(self.chance.choice(SIZES), self.chance.randrange(1 << 30))

    def settle(self, found):
        """Says what is wrong with what was found after a cut; from here on that is how it is."""
        wrong = "" if found in (self.now, self.then) else f"{self.name} shows {found}, not {self.now} and not {self.then}; "
        self.now = found
        return wrong


def ignore(_):
    """Nothing to remember."""


def digest(body):
    return hashlib.md5(body).hexdigest()


def look(client, workers):
    """What the store shows of each worker; upload ids that a lost answer kept from a worker are noted."""
    views = {worker.name: {} for worker in workers}
    by_name = {worker.name: worker for worker in workers}
    for key in client.keys("bucket"):
        views[key.partition("/")[0]]["object", key] = digest(client.get("bucket", key).body)
    for key, upload in client.uploads("bucket"):
        name = key.partition("/")[0]
        by_name[name].ids[key] = upload
        parts = client.parts("bucket", key, upload)
        assert ("upload", key) not in views[name], f"two uploads of {key}"
        views[name]["upload", key] = tuple((number, etag.strip('"')) for number, etag, _ in parts)
    return views
