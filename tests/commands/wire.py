"""The wire between a command and its server, which does what networks do: stalls, cuts off, changes a byte.

`proxy` changes whole answers; a wire knows no HTTP and breaks a body in its middle.
"""

import contextlib
import socket
import threading

CHUNK_BYTES = 64 * 1024


class Wire:
    """Forwards connections to a server. What it does besides is set before the command starts.

    `stall_after`: bytes of requests after which a connection forwards no more of them, while it stays open.
    `cut_after`: bytes of answers after which a connection is closed; `cuts_left` says how often that happens.
    `change_at`: the byte of a connection's answers that arrives as another; only of answers that are that long.
    """

    def __init__(self, server_port):
        self.server_port = server_port
        self.stall_after = None
        self.cut_after = None
        self.cuts_left = 0
        self.change_at = None
        self.stalled = threading.Event()
        self.changed = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets = [self._listener]
        self.port = self._listener.getsockname()[1]
        self._start(self._accept)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def close(self):
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _start(self, work, *arguments):
        threading.Thread(target=self._quietly, args=(work, *arguments), daemon=True).start()

    def _quietly(self, work, *arguments):
        with contextlib.suppress(OSError):
            work(*arguments)

    def _accept(self):
        while True:
            client, _ = self._listener.accept()
            server = socket.create_connection(("127.0.0.1", self.server_port))
            self._sockets += [client, server]
            self._start(self._requests, client, server)
            self._start(self._answers, client, server)

    def _requests(self, client, server):
        seen = 0
        while data := client.recv(CHUNK_BYTES):
            seen += len(data)
            if self.stall_after is not None and seen > self.stall_after:
                self.stalled.set()
                while client.recv(CHUNK_BYTES):
                    pass
                break
            server.sendall(data)
        # Closing alone would not end a connection on which the other thread waits.
        server.shutdown(socket.SHUT_RDWR)

    def _answers(self, client, server):
        seen = 0
        while data := server.recv(CHUNK_BYTES):
            if self.cut_after is not None and seen + len(data) > self.cut_after and self._may_cut():
                break
            if self.change_at is not None and seen <= self.change_at < seen + len(data):
                at = self.change_at - seen
                data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
                self.changed += 1
            seen += len(data)
            client.sendall(data)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
        client.close()
        server.close()

    def _may_cut(self):
        with self._lock:
            self.cuts_left -= 1
            return self.cuts_left >= 0
