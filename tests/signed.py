"""Requests signed by hand, for what a client library would normalise, refuse to send, or never get wrong.

This is Signature Version 4 written once more, from AWS's description of it, so that the server's own code is
compared with something that does not share its mistakes.
"""

import base64
import contextlib
import datetime
import hashlib
import hmac
import http.client
import socket
import ssl
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from urllib.parse import quote

from drystone import REGION

UNSIGNED = "UNSIGNED-PAYLOAD"
STREAMING = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
STREAMING_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
S3_NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"
OWN_NAMESPACE = "{urn:drystone:s3}"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


@dataclass
class Answer:
    """What the server sent back."""

    status: int
    headers: dict
    body: bytes

    @property
    def xml(self):
        """The body as elements without their namespace."""
        root = ElementTree.fromstring(self.body)
        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
        return root

    def text(self, path):
        """The text of the element at `path` below the root; None when it is not there."""
        return self.xml.findtext(path)

    def extensions(self, path):
        """By name, the texts of Drystone's own elements inside each element of S3's at `path`; `.` is the root."""
        path = "/".join(name if name == "." else S3_NAMESPACE + name for name in path.split("/"))
        inside = [list(element) for element in ElementTree.fromstring(self.body).findall(path)]
        return [
            {child.tag.removeprefix(OWN_NAMESPACE): child.text for child in children if child.tag.startswith(OWN_NAMESPACE)}
            for children in inside
        ]

    @property
    def code(self):
        """The S3 error code; None for an answer that is no error document."""
        if not self.body.lstrip().startswith(b"<"):
            return None
        return self.text("Code")

    def refused(self, status, code):
        """Asserts the refusal and returns this answer."""
        assert (self.status, self.code) == (status, code), (self.status, self.body[:2000])
        return self


@dataclass
class Signer:
    """Signs requests to one server. Paths and queries are sent exactly as they are given."""

    server: object
    access_key: str = ""
    secret_key: str = ""
    now: datetime.datetime | None = None

    def __post_init__(self):
        if not self.access_key:
            self.access_key, self.secret_key = self.server.credentials

    @property
    def host(self):
        return f"127.0.0.1:{self.server.port}"

    def request(self, method, path, *, query=(), headers=None, body=b"", payload=None, unsigned=(), alter=None):
        """Sends one signed request.

        `query` is a list of pairs, `payload` replaces the body's hash in x-amz-content-sha256, headers named in
        `unsigned` are sent but not signed, and `alter` changes the headers after they were signed.
        """
        sent, target = self.prepare(method, path, query, headers or {}, body, payload, unsigned)
        if alter:
            alter(sent)
        return self.send(method, target, sent, body)

    def prepare(self, method, path, query=(), headers=None, body=b"", payload=None, unsigned=()):
        """The headers to send, the signature among them, and the request target."""
        stamp = self.stamp()
        payload = payload or hashlib.sha256(body).hexdigest()
        sent = {"host": self.host, "x-amz-date": stamp, "x-amz-content-sha256": payload}
        sent |= {name.lower(): value for name, value in (headers or {}).items()}
        names = sorted(name for name in sent if name not in {other.lower() for other in unsigned})
        canonical_query = encode_query(query)
        signature = self.signature(method, path, canonical_query, {name: sent[name] for name in names}, payload, stamp)
        sent["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.access_key}/{self.scope(stamp)}, "
            f"SignedHeaders={';'.join(names)}, Signature={signature}"
        )
        return sent, path + ("?" + canonical_query if canonical_query else "")

    def presign(self, method, path, *, expires=60, query=(), headers=None):
        """A request target that carries its signature."""
        stamp = self.stamp()
        signed = {"host": self.host} | {name.lower(): value for name, value in (headers or {}).items()}
        pairs = [
            *query,
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", f"{self.access_key}/{self.scope(stamp)}"),
            ("X-Amz-Date", stamp),
            ("X-Amz-Expires", str(expires)),
            ("X-Amz-SignedHeaders", ";".join(sorted(signed))),
        ]
        canonical_query = encode_query(pairs)
        signature = self.signature(method, path, canonical_query, signed, UNSIGNED, stamp)
        return f"{path}?{canonical_query}&X-Amz-Signature={signature}"

    def signature(self, method, path, canonical_query, headers, payload, stamp):
        """The signature of one request."""
        lines = "".join(f"{name}:{' '.join(value.split())}\n" for name, value in sorted(headers.items()))
        canonical = "\n".join([method, path, canonical_query, lines, ";".join(sorted(headers)), payload])
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        return self.sign("\n".join(["AWS4-HMAC-SHA256", stamp, self.scope(stamp), digest]), stamp)

    def sign(self, text, stamp):
        """HMAC of `text` with the key of the day, region and service."""
        key = f"AWS4{self.secret_key}".encode()
        for word in (stamp[:8], REGION, "s3", "aws4_request"):
            key = hmac.digest(key, word.encode(), "sha256")
        return hmac.new(key, text.encode(), "sha256").hexdigest()

    def scope(self, stamp):
        return f"{stamp[:8]}/{REGION}/s3/aws4_request"

    def stamp(self):
        now = self.now or datetime.datetime.now(datetime.UTC)
        return now.strftime("%Y%m%dT%H%M%SZ")

    def chunked(self, method, path, body, *, size=65536, headers=None, query=(), alter_chunk=None):
        """Sends `body` in chunks that are each signed, as the AWS SDK for Java v1 does over plain HTTP."""
        extra = (headers or {}) | {"x-amz-decoded-content-length": str(len(body)), "content-encoding": "aws-chunked"}
        sent, target = self.prepare(method, path, query, extra, payload=STREAMING)
        previous = sent["authorization"].rpartition("Signature=")[2]
        stamp, framed = sent["x-amz-date"], b""
        pieces = [body[at : at + size] for at in range(0, len(body), size)] + [b""]
        for piece in pieces:
            text = "\n".join(
                ["AWS4-HMAC-SHA256-PAYLOAD", stamp, self.scope(stamp), previous, EMPTY_SHA256, hashlib.sha256(piece).hexdigest()]
            )
            previous = self.sign(text, stamp)
            shown = alter_chunk(previous) if alter_chunk else previous
            framed += f"{len(piece):x};chunk-signature={shown}\r\n".encode() + piece + b"\r\n"
        return self.send(method, target, sent, framed)

    def trailing(self, method, path, body, trailers, *, size=65536, headers=None, query=(), length=None):
        """Sends `body` in unsigned chunks followed by trailers, as recent SDKs do over TLS."""
        extra = (headers or {}) | {
            "x-amz-decoded-content-length": str(len(body) if length is None else length),
            "content-encoding": "aws-chunked",
            "x-amz-trailer": ",".join(trailers),
        }
        sent, target = self.prepare(method, path, query, extra, payload=UNSIGNED_TRAILER)
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        framed = b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces) + b"0\r\n"
        framed += b"".join(f"{name}:{value}\r\n".encode() for name, value in trailers.items()) + b"\r\n"
        return self.send(method, target, sent, framed)

    def send(self, method, target, headers, body=b""):
        """Sends the headers as they are, with a Content-Length if none is given."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        if self.server.authority:
            context = ssl.create_default_context(cafile=str(self.server.authority))
            connection = http.client.HTTPSConnection("127.0.0.1", self.server.port, timeout=30, context=context)
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            if "content-length" not in headers and "transfer-encoding" not in headers and (body or method in ("PUT", "POST")):
                connection.putheader("content-length", str(len(body)))
            connection.endheaders()
            # A server that refuses before the body closes early: its answer is there to read.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.send(body)
            answer = connection.getresponse()
            return Answer(answer.status, {n.lower(): v for n, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def open(self, method, path, *, query=(), headers=None, payload=UNSIGNED, narrow=False):
        """Sends only the head of a request and returns the connection, for bodies that stop half-way."""
        sent, target = self.prepare(method, path, query, headers or {}, payload=payload)
        head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in sent.items()) + "\r\n"
        connection = self.server.connect(narrow)
        connection.sendall(head.encode())
        return connection


def read_answer(connection: socket.socket):
    """Reads one whole answer from a plain connection."""
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return Answer(answer.status, {n.lower(): v for n, v in answer.getheaders()}, answer.read())


def encode_query(pairs):
    """The canonical query string, which is also what is sent."""
    encoded = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded)


def encode_path(*parts):
    """A path of a bucket and a key, percent-encoded as Signature Version 4 asks."""
    return "/" + "/".join(quote(part, safe="-_.~/") for part in parts)


def md5_base64(body):
    """The value of Content-MD5."""
    return base64.b64encode(hashlib.md5(body).digest()).decode()
