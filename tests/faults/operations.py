"""Every operation that changes a store, and the store that they start from.

An operation is one function that talks to a server. It reports each request that was answered with success, so that a
test knows what was acknowledged when the power went.
"""

from collections.abc import Callable
from dataclasses import dataclass

from drystone import MIB
from multipart import PART, pattern

# Sizes on both sides of each border: in the metadata, in a shared volume, with room taken ahead.
SMALL, MEDIUM, LARGE = 500, 100_000, 3 * MIB // 2
# Bodies of this size go to the metadata and fill a memtable of 256 KiB.
FLUSH_BYTES, FLUSH_OBJECTS = 500, 400

# What an acknowledgement stands for: the whole operation.
ALL = "all"


def prepare(client):
    """The store that every operation starts from."""
    for bucket in ("alpha", "empty", "doomed"):
        client.create_bucket(bucket)
    for name, size in (("small", SMALL), ("medium", MEDIUM), ("large", LARGE), ("nothing", 0)):
        client.put("alpha", name, pattern(size, len(name)))
    client.copy("alpha", "shared", ("alpha", "medium"))
    client.copy("alpha", "shared-small", ("alpha", "small"))
    upload = client.create("alpha", "assembled")
    etags = [client.part("alpha", "assembled", upload, 1, pattern(PART, 1))]
    etags += [client.part("alpha", "assembled", upload, 2, pattern(SMALL, 2))]
    client.complete("alpha", "assembled", upload, enumerate(etags, 1))
    for bucket, key in (("alpha", "open"), ("doomed", "open")):
        upload = client.create(bucket, key)
        client.part(bucket, key, upload, 1, pattern(PART, 3))
        client.part(bucket, key, upload, 2, pattern(SMALL, 4))
    client.set_rule("doomed", 7)
    # Its completion replaces an object.
    upload = client.create("alpha", "medium")
    client.part("alpha", "medium", upload, 7, pattern(MEDIUM, 6))
    client.create("alpha", "begun")


@dataclass(frozen=True)
class Operation:
    """What a client does; `run(client, acknowledged)` adds to `acknowledged` after each answer."""

    name: str
    run: Callable
    # Whether it is one request, which happens as a whole or not at all. Otherwise each item stands for itself.
    whole: bool = True


OPERATIONS = {}


def operation(name, whole=True):
    """Registers a function that makes one request, or one that names what it acknowledges when there are more."""

    def register(function):
        def run(client, acknowledged):
            if whole:
                function(client)
                acknowledged.append(ALL)
            else:
                function(client, acknowledged)

        OPERATIONS[name] = Operation(name, run, whole)
        return function

    return register


def simple(name, request):
    operation(name)(request)


simple("create a bucket", lambda client: client.create_bucket("another"))
simple("delete a bucket", lambda client: client.delete_bucket("empty"))
simple("delete a bucket with an upload", lambda client: client.delete_bucket("doomed"))
simple("set a lifecycle rule", lambda client: client.set_rule("alpha", 7))
simple("replace a lifecycle rule", lambda client: client.set_rule("doomed", 14))
simple("remove lifecycle rules", lambda client: client.remove_rules("doomed"))
simple("put nothing", lambda client: client.put("alpha", "new", b""))
simple("put small", lambda client: client.put("alpha", "new", pattern(SMALL, 10)))
simple("put medium", lambda client: client.put("alpha", "new", pattern(MEDIUM, 11)))
simple("put large", lambda client: client.put("alpha", "new", pattern(LARGE, 12)))
simple("replace large by small", lambda client: client.put("alpha", "large", pattern(SMALL, 13)))
simple("replace small by medium", lambda client: client.put("alpha", "small", pattern(MEDIUM, 14)))
simple("delete small", lambda client: client.delete("alpha", "small"))
simple("delete large", lambda client: client.delete("alpha", "large"))
simple("delete what a copy shares", lambda client: client.delete("alpha", "medium"))
simple("delete a multipart object", lambda client: client.delete("alpha", "assembled"))
simple("copy small", lambda client: client.copy("alpha", "copy", ("alpha", "small")))
simple("copy large", lambda client: client.copy("alpha", "copy", ("alpha", "large")))
simple("copy over large", lambda client: client.copy("alpha", "large", ("alpha", "assembled")))
simple("create an upload", lambda client: client.create("alpha", "new"))


def part_of_open(number, body):
    return lambda client: client.part("alpha", "open", client.upload_of("alpha", "open"), number, body)


simple("upload a small part", part_of_open(4, pattern(SMALL, 20)))
simple("upload a medium part", part_of_open(4, pattern(MEDIUM, 21)))
simple("upload a large part", part_of_open(4, pattern(PART, 22)))
simple("upload a part again", part_of_open(2, pattern(MEDIUM, 23)))
simple("upload a large part again", part_of_open(1, pattern(LARGE, 24)))


@operation("copy a part")
def copy_a_part(client):
    client.part_copy("alpha", "open", client.upload_of("alpha", "open"), 4, ("alpha", "large"), "bytes=70000-900000")


@operation("copy a part over another")
def copy_a_part_over_another(client):
    client.part_copy("alpha", "open", client.upload_of("alpha", "open"), 1, ("alpha", "assembled"))


@operation("complete")
def complete_all(client):
    upload = client.upload_of("alpha", "open")
    client.complete("alpha", "open", upload, [(number, etag) for number, etag, _ in client.parts("alpha", "open", upload)])


@operation("complete without some parts")
def complete_some(client):
    upload = client.upload_of("alpha", "open")
    parts = client.parts("alpha", "open", upload)
    client.complete("alpha", "open", upload, [(number, etag) for number, etag, _ in parts if number != 1])


@operation("complete over an object")
def complete_over(client):
    upload = client.upload_of("alpha", "medium")
    client.complete("alpha", "medium", upload, [(number, etag) for number, etag, _ in client.parts("alpha", "medium", upload)])


simple("abort", lambda client: client.abort("alpha", "open", client.upload_of("alpha", "open")))
simple("abort without parts", lambda client: client.abort("alpha", "begun", client.upload_of("alpha", "begun")))


@operation("delete objects", whole=False)
def delete_objects(client, acknowledged):
    keys = ["small", "large", "shared", "assembled", "not there"]
    client.delete_all("alpha", keys)
    acknowledged += [("object", "alpha", key) for key in keys]


@operation("write metadata to tables", whole=False)
def write_tables(client, acknowledged):
    """Enough small bodies for several memtables, so that tables are written and journals go."""
    for number in range(FLUSH_OBJECTS):
        key = f"flush-{number:03}"
        client.put("alpha", key, pattern(FLUSH_BYTES, 30 + number))
        acknowledged.append(("object", "alpha", key))


def judge(operation, before, after, found, acknowledged):
    """Says what is wrong with what a crash left; nothing when all is as promised."""
    if operation.whole:
        allowed = [after] if acknowledged else [before, after]
        if found in allowed:
            return ""
        return f"acknowledged: {bool(acknowledged)}; " + "; ".join(
            f"unlike one allowed state in {differ(view, found)}" for view in allowed
        )
    wrong = []
    for item in sorted({*before, *after, *found}, key=str):
        allowed = {after.get(item)} if item in acknowledged else {before.get(item), after.get(item)}
        if found.get(item) not in allowed:
            wrong.append(f"{item}: {found.get(item)} is none of {allowed}")
    return "; ".join(wrong)


def differ(one, other):
    """Where two views differ."""
    return {item: (one.get(item), other.get(item)) for item in {*one, *other} if one.get(item) != other.get(item)}
