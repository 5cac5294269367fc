"""A proxy between a command and its server, which breaks or changes what a test tells it to."""

import contextlib
import http.client
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Broken(Exception):
    """The connection ends without an answer."""


@contextlib.contextmanager
def proxy(url, change):
    """Forwards to `url`. `change(method, path, forward)` returns the status and body of the answer, most simply those
    of `forward()`, or raises `Broken`."""
    target = urllib.parse.urlsplit(url)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {}

            def forward():
                connection = http.client.HTTPConnection(target.hostname, target.port, timeout=60)
                with contextlib.closing(connection):
                    # Everything as it came, the Host among it: it is signed.
                    connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                    for name, value in self.headers.items():
                        connection.putheader(name, value)
                    connection.endheaders(body)
                    answer = connection.getresponse()
                    headers.update(answer.getheaders())
                    return answer.status, answer.read()

            try:
                status, text = change(self.command, self.path, forward)
            except Broken:
                self.close_connection = True
                self.connection.close()
                return
            self.send_response_only(status)
            for name, value in headers.items():
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(text)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer

        def log_message(self, *_):
            """Says nothing."""

        def finish(self):
            # The other side may be gone, and so may ours.
            with contextlib.suppress(OSError, ValueError):
                super().finish()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
