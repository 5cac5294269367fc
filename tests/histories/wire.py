"""One client on one connection that is kept, signing by hand: fast enough for thousands of requests a second."""

import contextlib
import datetime
import hashlib
import hmac
import http.client
import re
import threading
from urllib.parse import quote

UNSIGNED = "UNSIGNED-PAYLOAD"
# How long a request may take before its fate counts as unknown.
PATIENCE = 30


class Lost(Exception):
    """The request was sent and its answer did not come: it may have been done, be done later, or never."""


class Refused(Exception):
    """Nobody listens: the request was not sent."""


class Client:
    """Talks to 127.0.0.1 at the port that `port()` says at the moment of each connection."""

    def __init__(self, port, access_key, secret_key, region):
        self.port, self.access_key, self.secret_key, self.region = port, access_key, secret_key, region
        self.connection = None
        self.keys = {}

    def request(self, method, path, query=(), headers=None, body=b"", *, abandon=False):
        """The status, headers and body of the answer; `abandon` cuts the connection instead of waiting for it."""
        target, sent = self.signed(method, path, query, headers or {})
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port(), timeout=PATIENCE)
            try:
                self.connection.connect()
            except OSError as error:
                self.close()
                raise Refused from error
        try:
            self.connection.request(method, target, body=body, headers=sent)
            if abandon:
                raise Lost
            answer = self.connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException, Lost) as error:
            self.close()
            raise Lost from error
        if answer.getheader("connection") == "close":
            self.close()
        if answer.status >= 500:
            raise Lost
        return answer.status, answer.headers, content

    def close(self):
        if self.connection is not None:
            with contextlib.suppress(OSError):
                self.connection.close()
            self.connection = None

    def signed(self, method, path, query, headers):
        """The request target and the headers to send."""
        stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
        pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in query)
        encoded = "&".join(f"{name}={value}" for name, value in pairs)
        sent = {"host": "localhost", "x-amz-content-sha256": UNSIGNED, "x-amz-date": stamp} | headers
        names = ";".join(sorted(sent))
        lines = "".join(f"{name}:{sent[name]}\n" for name in sorted(sent))
        canonical = f"{method}\n{path}\n{encoded}\n{lines}\n{names}\n{UNSIGNED}"
        scope = f"{stamp[:8]}/{self.region}/s3/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.new(self.key(stamp[:8]), text.encode(), "sha256").hexdigest()
        credential = f"Credential={self.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        sent["authorization"] = f"AWS4-HMAC-SHA256 {credential}"
        return path + ("?" + encoded if encoded else ""), sent

    def key(self, day):
        """The key of a day, which is derived once."""
        if day not in self.keys:
            key = f"AWS4{self.secret_key}".encode()
            for word in (day, self.region, "s3", "aws4_request"):
                key = hmac.digest(key, word.encode(), "sha256")
            self.keys[day] = key
        return self.keys[day]


def values(body, element):
    """The texts of every element of that name."""
    return [text.decode().replace("&quot;", '"') for text in re.findall(f"<{element}>([^<]*)</{element}>".encode(), body)]


def moment():
    """The step of a wait for a server that is starting."""
    threading.Event().wait(0.01)
