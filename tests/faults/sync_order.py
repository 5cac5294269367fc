"""What the order of system calls must be, whatever a file system happens to keep without being asked.

ext4 and XFS keep more than they promise: the name of a new file often survives a power cut without a sync of its folder. So
the calls themselves are judged: what was written is synced before the answer, and what is renamed was synced before.
"""

from watch import WRITES


def unsynced(calls):
    """What these calls, at whose end the client had its answer, leave to luck."""
    dirty, unnamed, wrong = set(), set(), []
    for call in calls:
        if call.name in WRITES:
            dirty.add(call.path)
        elif call.name == "openat" and call.path.startswith("volumes/"):
            unnamed.add("volumes")
        elif call.is_sync:
            dirty.discard(call.path)
            unnamed.discard(call.path)
        elif call.name == "rename":
            if call.path in dirty:
                wrong.append(f"{call.path} is renamed before it is synced")
            dirty.discard(call.path)
            unnamed.add(call.path.rpartition("/")[0] or ".")
        elif call.name.startswith("unlink"):
            dirty.discard(call.path)
    kept = [path for path in sorted(dirty) if path.startswith("volumes/") or path.endswith(".jnl")]
    wrong += [f"{path} is written and not synced" for path in kept]
    wrong += [f"names in {path} are not synced" for path in sorted(unnamed)]
    return wrong
