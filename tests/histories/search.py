"""Any object with states: a search for an order that explains a history.

After J. Wing and C. Gong, "Testing and Verifying Concurrent Objects" (1993), taken in the order of time as in G. Lowe,
"Testing for Linearizability" (2017): an operation takes effect only when it has to, which is when it ends or when
another one needs it. What is kept is every pair of a state and of the open operations that took effect already. Keys
are checked apart, because a history is linearizable if and only if each object's is.
"""

from history import IMPOSSIBLE, NotLinearizable, shown

# Pairs that are looked at for one end of an operation; ten clients on one key need some hundreds.
PAIRS_MAX = 200_000


def check(operations, initial, step):
    """Raises NotLinearizable unless some order explains every answer.

    `step(state, operation)` is the state after the operation, or IMPOSSIBLE when it cannot have its answer there. Of
    an operation whose fate is unknown it is the state after it took effect.
    """
    events = []
    for number, operation in enumerate(operations):
        # What ends at the moment at which another begins does not end before it.
        events.append((operation.start, 0, number))
        if not operation.is_unknown:
            events.append((operation.end, 1, number))
    events.sort()
    pairs, opened = {(initial, frozenset())}, set()
    for moment, ends, number in events:
        if not ends:
            opened.add(number)
            continue
        before, pairs = pairs, after_end(pairs, opened, number, operations, step)
        opened.discard(number)
        if not pairs:
            recent = [operations[other] for other in opened | {number}]
            nearby = [operation for operation in operations if moment - 10**8 < operation.end <= moment][-20:]
            states = "\n".join(str(state) for state, _ in list(before)[:5])
            around = f"open:\n{shown(recent)}\njust before:\n{shown(nearby)}\nstates:\n{states}"
            raise NotLinearizable(f"no order explains {operations[number]}\n{around}")


def after_end(pairs, opened, number, operations, step):
    """The pairs in which the operation `number`, which ends now, has taken effect."""
    after, seen, waiting = set(), set(pairs), list(pairs)
    while waiting:
        state, effective = waiting.pop()
        if number in effective:
            after.add((state, effective - {number}))
            continue
        for other in opened - effective:
            next_state = step(state, operations[other])
            if next_state is IMPOSSIBLE:
                continue
            pair = (next_state, effective | {other})
            if pair not in seen:
                seen.add(pair)
                waiting.append(pair)
        assert len(seen) < PAIRS_MAX, f"undecided: too many orders of {[operations[other] for other in opened]}"
    return after
