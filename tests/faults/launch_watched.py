"""Runs a command whose chosen system calls wait for a judge: `launch_watched.py SOCKET CALLS COMMAND...`.

It installs a seccomp filter on itself, hands the filter's listener over SOCKET (a file descriptor), and becomes COMMAND.
CALLS is a JSON list of [number, "always"], [number, "files"] (only for descriptors above 2) or [number, "makes", argument]
(only when that argument, the flags of an open, makes or empties a file).

It imports only what starts fast, because it runs before every server.
"""

import array
import ctypes
import json
import os
import socket
import struct
import sys

PR_SET_NO_NEW_PRIVS = 38
SYS_SECCOMP = 317
SECCOMP_SET_MODE_FILTER = 1
# The listener, and: once a call was received, only a fatal signal may interrupt it.
NEW_LISTENER, WAIT_KILLABLE_RECV = 1 << 3, 1 << 5
AUDIT_ARCH_X86_64 = 0xC000003E

# Classic BPF, as seccomp takes it.
LOAD, EQUAL, GREATER, ANY_BIT, RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
ASK, ALLOW = 0x7FC00000, 0x7FFF0000
# Offsets in `struct seccomp_data`.
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16


def program(calls):
    """The filter: listed calls are asked about, everything else is allowed."""
    lines = [(LOAD, 0, 0, ARCHITECTURE), (EQUAL, 1, 0, AUDIT_ARCH_X86_64), (RETURN, 0, 0, ALLOW), (LOAD, 0, 0, NUMBER)]
    for number, when, *argument in calls:
        if when == "always":
            lines += [(EQUAL, 0, 1, number), (RETURN, 0, 0, ASK)]
        elif when == "files":
            lines += [(EQUAL, 0, 4, number), (LOAD, 0, 0, ARGUMENTS), (GREATER, 0, 1, 2)]
            lines += [(RETURN, 0, 0, ASK), (RETURN, 0, 0, ALLOW)]
        else:
            lines += [(EQUAL, 0, 4, number), (LOAD, 0, 0, ARGUMENTS + 8 * argument[0])]
            lines += [(ANY_BIT, 0, 1, os.O_CREAT | os.O_TRUNC), (RETURN, 0, 0, ASK), (RETURN, 0, 0, ALLOW)]
    lines.append((RETURN, 0, 0, ALLOW))
    return lines


def main():
    judge = socket.socket(fileno=int(sys.argv[1]))
    lines = program(json.loads(sys.argv[2]))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in lines))
    head = struct.pack("HxxxxxxP", len(lines), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    listener = libc.syscall(SYS_SECCOMP, SECCOMP_SET_MODE_FILTER, NEW_LISTENER | WAIT_KILLABLE_RECV, head)
    if listener < 0:
        sys.exit(f"seccomp: {os.strerror(ctypes.get_errno())}")
    judge.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener]))])
    os.execvp(sys.argv[3], sys.argv[3:])


main()
