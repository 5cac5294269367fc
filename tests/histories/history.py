"""What clients saw: operations with the moments of their calls and answers, and the words of the checkers."""

import enum
import math
from dataclasses import dataclass


class Word(enum.Enum):
    """Words that no answer of a server can be mistaken for, in whichever process."""

    # The answer to a request whose fate nobody knows: the connection broke, or the server was killed.
    UNKNOWN = "unknown"
    # What a step returns for an answer that is not possible in a state.
    IMPOSSIBLE = "impossible"


UNKNOWN, IMPOSSIBLE = Word
# The end of an operation of unknown fate: it may take effect at any later moment, or never.
NEVER = math.inf


@dataclass(frozen=True)
class Operation:
    """One operation of one client. `start` and `end` are readings of the machine's monotonic clock."""

    start: float
    end: float
    call: tuple
    answer: object

    @property
    def is_unknown(self):
        return self.end == NEVER


class NotLinearizable(AssertionError):
    """No order of the operations explains their answers."""


def one_after_another(operations):
    """The operations, each begun after the one before had ended: for writing histories down."""
    return [Operation(2 * place, 2 * place + 1, call, answer) for place, (call, answer) in enumerate(operations)]


def shown(operations):
    """Operations for a message, in the order of their starts."""
    lines = []
    for operation in sorted(operations, key=lambda operation: operation.start):
        answer = "?" if operation.answer is UNKNOWN else operation.answer
        lines.append(f"{operation.start} .. {operation.end}: {operation.call} -> {answer}")
    return "\n".join(lines)
