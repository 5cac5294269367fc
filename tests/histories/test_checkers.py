"""The checkers against every order of thousands of small histories, right ones and wrong ones."""

import random

import pytest

from every_order import is_linearizable
from history import IMPOSSIBLE, NEVER, UNKNOWN, NotLinearizable, Operation, one_after_another
from objects import NO_KEY, conditional, multipart, register
from search import check
from zones import check_register

HISTORIES = 3000
OPERATIONS_MAX = 6
# A share of each verdict below which a generator would prove nothing.
SHARE_MIN = 0.1


def accepts(checker, *arguments):
    try:
        checker(*arguments)
    except NotLinearizable:
        return False
    return True


def intervals(chance, count):
    """Starts and ends, some of them at the same moment."""
    moments = [sorted((chance.randrange(2 * count), chance.randrange(2 * count))) for _ in range(count)]
    return [(start, NEVER if chance.random() < 0.15 else end) for start, end in moments]


def history(chance, make_call, make_answer, step, initial):
    """A history that happened in some order, and of which one answer in a few was changed."""
    spans = intervals(chance, chance.randint(1, OPERATIONS_MAX))
    state, operations = initial, []
    for number, (start, end) in enumerate(sorted(spans, key=lambda span: (span[0] + span[1], span))):
        call = make_call(chance, number, operations)
        answer = UNKNOWN if end == NEVER else make_answer(chance, state, call, step)
        operations.append(Operation(start, end, call, answer))
        after = step(state, operations[-1])
        # Of those whose fate is unknown every second one takes effect.
        if after is not IMPOSSIBLE and (answer is not UNKNOWN or chance.random() < 0.5):
            state = after
    return operations


def compare(name, make, checkers, initial, step):
    chance = random.Random(name)
    verdicts = {True: 0, False: 0}
    for _ in range(HISTORIES):
        operations = make(chance)
        right = is_linearizable(operations, initial, step)
        verdicts[right] += 1
        for checker in checkers:
            assert checker(operations) == right, operations
    assert min(verdicts.values()) > SHARE_MIN * HISTORIES, verdicts


def test_registers_are_judged_as_by_trying_every_order():
    def make_call(chance, number, _operations):
        return ("write", f"v{number}") if chance.random() < 0.4 else ("read",)

    def make_answer(chance, state, call, _step):
        if call[0] == "write":
            return "done"
        return state if chance.random() < 0.8 else chance.choice([None, "v0", "v1", "v2", "v9"])

    def make(chance):
        return history(chance, make_call, make_answer, register, None)

    checkers = [
        lambda operations: accepts(check_register, operations),
        lambda operations: accepts(check, operations, None, register),
    ]
    compare("registers", make, checkers, None, register)


def test_conditional_writes_are_judged_as_by_trying_every_order():
    def make_call(chance, number, operations):
        if chance.random() < 0.4:
            return ("read",)
        known = [None] + [operation.call[2] for operation in operations if operation.call[0] == "swap"]
        return ("swap", chance.choice(known[-2:]), f"v{number}")

    def make_answer(chance, state, call, _step):
        if call[0] == "read":
            return state if chance.random() < 0.8 else chance.choice([None, "v0", "v1"])
        right = "done" if state == call[1] else "refused"
        return right if chance.random() < 0.9 else "done"

    def make(chance):
        return history(chance, make_call, make_answer, conditional, None)

    compare("conditional", make, [lambda operations: accepts(check, operations, None, conditional)], None, conditional)


def test_uploads_are_judged_as_by_trying_every_order():
    def make_call(chance, number, _operations):
        kind = chance.choice(["create", "part", "part", "parts", "uploads", "abort", "complete", "complete", "get", "delete"])
        upload = chance.choice(["u0", "u1"])
        calls = {
            "part": ("part", upload, 1, chance.choice(["a", "b"])),
            "parts": ("parts", upload),
            "abort": ("abort", upload),
            "complete": ("complete", upload, ((1, chance.choice(["a", "b"])),), f"object-{number}"),
        }
        return calls.get(kind, (kind,))

    def make_answer(chance, state, call, step):
        answers = ["done", "NoSuchUpload", "InvalidPart", None, (), ("u0",), ("u1",), ("u0", "u1"), ((1, "a"),), ((1, "b"),)]
        answers += ["u0", "u1"] if call[0] == "create" else [state[0]]
        if call[0] == "create":
            return chance.choice(["u0", "u1"])
        possible = [answer for answer in answers if step(state, Operation(0, 1, call, answer)) is not IMPOSSIBLE]
        return chance.choice(possible) if possible and chance.random() < 0.9 else chance.choice(answers)

    def make(chance):
        # Most histories begin with an open upload that has a part.
        start = one_after_another([(("create",), "u0"), (("part", "u0", 1, "a"), "done")])
        state = multipart(multipart(NO_KEY, start[0]), start[1])
        begun = [Operation(op.start - 10, op.end - 10, op.call, op.answer) for op in start]
        return begun + history(chance, make_call, make_answer, multipart, state)[:4]

    compare("uploads", make, [lambda operations: accepts(check, operations, NO_KEY, multipart)], NO_KEY, multipart)


def test_a_lost_update_is_found():
    both = [Operation(0, 10, ("swap", None, "a"), "done"), Operation(0, 10, ("swap", None, "b"), "done")]
    with pytest.raises(NotLinearizable):
        check(both, None, conditional)


def test_an_upload_that_is_listed_after_its_abort_is_found():
    created = [(("create",), "u"), (("abort", "u"), "done"), (("uploads",), ("u",))]
    with pytest.raises(NotLinearizable):
        check(one_after_another(created), NO_KEY, multipart)


def test_an_object_that_changes_back_is_found():
    changes = [(("write", "a"), "done"), (("write", "b"), "done"), (("read",), "b"), (("read",), "a")]
    with pytest.raises(NotLinearizable):
        check_register(one_after_another(changes))


def test_what_nobody_knows_may_take_effect_late_or_never():
    lost = Operation(0, NEVER, ("write", "lost"), UNKNOWN)
    for answers in ([None, None], [None, "lost"], ["lost", "lost"]):
        reads = [Operation(10 * place, 10 * place + 1, ("read",), answer) for place, answer in enumerate(answers, 1)]
        check_register([lost, *reads])
        check([lost, *reads], None, register)
    reads = [Operation(10, 11, ("read",), "lost"), Operation(20, 21, ("read",), None)]
    with pytest.raises(NotLinearizable):
        check_register([lost, *reads])


def long_history(chance, count):
    """What ten clients see of a register, each operation taking effect at a moment between its call and its answer."""
    spans = []
    for client in range(10):
        moment = client
        for _ in range(count // 10):
            start = moment + chance.randint(1, 20)
            moment = start + chance.randint(1, 50)
            spans.append((chance.uniform(start, moment), start, moment))
    state, operations = None, []
    for number, (_, start, end) in enumerate(sorted(spans)):
        if chance.random() < 0.4:
            state = f"v{number}"
            operations.append(Operation(start, end, ("write", state), "done"))
        else:
            operations.append(Operation(start, end, ("read",), state))
    return operations


@pytest.mark.parametrize("seed", range(5))
def test_one_stale_answer_in_a_long_history_is_found(seed):
    chance = random.Random(seed)
    operations = long_history(chance, 5000)
    check_register(operations)
    check(operations, None, register)
    # A read that saw a value which was written over long before.
    place = next(place for place in range(3000, 5000) if operations[place].call[0] == "read")
    stale = next(operation for operation in operations[2500:] if operation.call[0] == "write")
    operations[place] = Operation(operations[place].start, operations[place].end, ("read",), stale.call[1])
    for judge in (lambda: check_register(operations), lambda: check(operations, None, register)):
        with pytest.raises(NotLinearizable):
            judge()
