"""The judge of the judges: tries every order of a small history."""

from itertools import permutations

from history import IMPOSSIBLE


def is_linearizable(operations, initial, step):
    """Whether some order, with or without each operation of unknown fate, explains every answer."""
    known = [operation for operation in operations if not operation.is_unknown]
    unknown = [operation for operation in operations if operation.is_unknown]
    for chosen in range(2 ** len(unknown)):
        taken = known + [operation for place, operation in enumerate(unknown) if chosen >> place & 1]
        if any(explains(order, initial, step) for order in permutations(taken)):
            return True
    return False


def explains(order, initial, step):
    """Whether the order keeps what ended before something else began, and every answer is right in it."""
    state = initial
    for place, operation in enumerate(order):
        if any(later.end < operation.start for later in order[place + 1 :]):
            return False
        state = step(state, operation)
        if state is IMPOSSIBLE:
            return False
    return True
