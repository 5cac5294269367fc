"""Registers whose writes are all different: one look at each operation decides, however long the history.

P. Gibbons and E. Korach, "Testing Shared Memories", SIAM Journal on Computing 26 (1997): when every value is written
once, it is known which write each read saw. A write and its reads are a cluster; a cluster must lie before another
when one of its operations ends before one of the other's begins. The history is linearizable if and only if no two
clusters must lie before each other and no read ends before its write begins.

Calls: `("write", value)` and `("read",)`, whose answer is the value, or None for what was there at first.
"""

import bisect
import math
from dataclasses import dataclass

from history import NotLinearizable, shown


@dataclass
class Zone:
    """A cluster: its first end and its last start."""

    value: object
    operations: list
    end_min: float = math.inf
    start_max: float = -math.inf

    def add(self, operation):
        self.operations.append(operation)
        self.end_min = min(self.end_min, operation.end)
        self.start_max = max(self.start_max, operation.start)

    @property
    def is_forward(self):
        """Whether one of its operations ends before another begins: then the value was there all the time between."""
        return self.end_min < self.start_max


def check_register(operations):
    """Raises NotLinearizable unless some order of the operations explains every read."""
    # What was there at first was written before everything.
    zones = {None: Zone(None, [], end_min=-math.inf)}
    writes = {}
    for operation in operations:
        if operation.call[0] == "write":
            value = operation.call[1]
            assert value not in writes, f"{value} is written twice: this check needs writes that differ"
            writes[value] = operation
            zones[value] = Zone(value, [])
            zones[value].add(operation)
    for operation in operations:
        if operation.call[0] != "read" or operation.is_unknown:
            continue
        zone = zones.get(operation.answer)
        if zone is None:
            raise NotLinearizable(f"nobody wrote what was read: {operation}")
        write = writes.get(operation.answer)
        if write is not None and operation.end < write.start:
            raise NotLinearizable(f"read before it was written: {operation}, {write}")
        zone.add(operation)
    # A write whose fate is unknown and that nobody saw may never have happened.
    checked = [zone for value, zone in zones.items() if len(zone.operations) > 1 or value is None or not writes[value].is_unknown]
    check_zones(checked)


def check_zones(zones):
    """No two zones must lie before each other."""
    forward = sorted((zone for zone in zones if zone.is_forward), key=lambda zone: zone.end_min)
    last = None
    for zone in forward:
        if last is not None and zone.end_min < last.start_max and last.end_min < zone.start_max:
            raise NotLinearizable(complaint(last, zone))
        if last is None or zone.start_max > last.start_max:
            last = zone
    ends = [zone.end_min for zone in forward]
    for zone in zones:
        if zone.is_forward:
            continue
        # Forward zones lie one after the other, so only the last that begins before this one can hold it.
        place = bisect.bisect_left(ends, zone.start_max) - 1
        if place >= 0 and zone.end_min < forward[place].start_max:
            raise NotLinearizable(complaint(forward[place], zone))


def complaint(one, other):
    """The two clusters that must lie before each other."""
    return f"each before the other:\n{shown(one.operations[:20])}\n-- and\n{shown(other.operations[:20])}"
