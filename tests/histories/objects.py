"""The objects that histories are about, as states and steps: what S3 promises of one key.

Each step takes a state and an operation and returns the state after it, or IMPOSSIBLE.
"""

from history import IMPOSSIBLE, UNKNOWN


def register(state, operation):
    """A value: `("write", value)`, `("read",)` and `("delete",)`."""
    kind = operation.call[0]
    if kind == "write":
        return operation.call[1]
    if kind == "delete":
        return None
    return state if operation.answer is UNKNOWN or operation.answer == state else IMPOSSIBLE


def conditional(state, operation):
    """A value that is replaced only where it is the expected one.

    `("swap", expected, new)` answers "done" or "refused"; `("read",)` answers the value.
    """
    kind = operation.call[0]
    if kind == "read":
        return state if operation.answer is UNKNOWN or operation.answer == state else IMPOSSIBLE
    _, expected, new = operation.call
    if operation.answer is UNKNOWN:
        return new if state == expected else state
    if (operation.answer == "done") != (state == expected):
        return IMPOSSIBLE
    return new if state == expected else state


# A key with its uploads: the object's tag, the open uploads and the completed ones, each with its parts, sorted.
NO_KEY = (None, (), ())


def multipart(state, operation):
    """One key: `create`, `part`, `parts`, `uploads`, `abort`, `complete`, `get`, `delete`.

    Of an object and of a part the tag is its value. A repeated Complete with the same list succeeds again and changes
    nothing; with another list it names a part that is not there.
    """
    tag, uploads, completed = state
    call, answer = operation.call, operation.answer
    kind = call[0]
    if kind == "get":
        return state if answer is UNKNOWN or answer == tag else IMPOSSIBLE
    if kind == "delete":
        return (None, uploads, completed)
    if kind == "uploads":
        shown = tuple(upload for upload, _ in uploads)
        return state if answer is UNKNOWN or answer == shown else IMPOSSIBLE
    if kind == "create":
        # The id of an upload whose creation was not answered is unknown, and nobody else has it: a listing shows it.
        return (tag, sorted_with(uploads, answer, ()), completed) if answer is not UNKNOWN else state
    upload = call[1]
    parts = dict(uploads).get(upload)
    if parts is None:
        return gone(state, operation)
    if kind == "part":
        _, _, number, value = call
        new = sorted_with(parts, number, value)
        return expect(answer, "done", (tag, sorted_with(uploads, upload, new), completed))
    if kind == "parts":
        return expect(answer, parts, state)
    if kind == "abort":
        return expect(answer, "done", (tag, without(uploads, upload), completed))
    _, _, listed, result = call
    if any(dict(parts).get(number) != value for number, value in listed):
        return expect(answer, "InvalidPart", state)
    after = (result, without(uploads, upload), sorted_with(completed, upload, listed))
    return expect(answer, "done", after)


def gone(state, operation):
    """The step of an operation on an upload that is not open."""
    kind, upload = operation.call[:2]
    listed = dict(state[2]).get(upload)
    if kind == "complete" and listed is not None:
        return expect(operation.answer, "done" if listed == operation.call[2] else "InvalidPart", state)
    return expect(operation.answer, "NoSuchUpload", state)


def expect(answer, right, after):
    """The state after an operation whose answer is right, or not known."""
    return after if answer is UNKNOWN or answer == right else IMPOSSIBLE


def sorted_with(pairs, name, value):
    return tuple(sorted((dict(pairs) | {name: value}).items()))


def without(pairs, name):
    return tuple(pair for pair in pairs if pair[0] != name)
