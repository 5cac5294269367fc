"""An S3 client that costs little: one connection, requests signed by hand, and a view of everything that a server shows."""

import contextlib
import hashlib
import http.client

from signed import UNSIGNED, Answer, Signer, encode_path, md5_base64

# What a request ends with when the server dies: no answer, or half of one.
LOST = (OSError, http.client.HTTPException)

# Pages of a listing: the tests' buckets hold far less.
PAGES_MAX = 50


class Refused(AssertionError):
    """The server answered, and with an error."""

    def __init__(self, method, path, answer):
        super().__init__(f"{method} {path}: {answer.status} {answer.body[:600]}")
        self.answer = answer


class Client:
    """Speaks S3 to one server; not for several threads at once."""

    def __init__(self, server, timeout=20):
        self.signer = Signer(server)
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout)

    def close(self):
        self.connection.close()

    def request(self, method, path, query=(), headers=None, body=b""):
        """The answer, whatever it is; an answer that is shorter than announced raises."""
        # The body's hash is the slowest part of a signature, and no test here is about it.
        sent, target = self.signer.prepare(method, path, query, headers or {}, body, payload=UNSIGNED)
        try:
            self.connection.request(method, target, body=body or None, headers=sent)
            answer = self.connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        except LOST:
            # What comes after a lost answer begins on a connection of its own.
            self.connection.close()
            raise

    def call(self, method, path, query=(), headers=None, body=b""):
        """The answer to a request that must succeed."""
        answer = self.request(method, path, query, headers, body)
        if answer.status >= 300 or (answer.status == 200 and b"<Error>" in answer.body[:200]):
            raise Refused(method, path, answer)
        return answer

    # Buckets and objects

    def create_bucket(self, bucket):
        self.call("PUT", f"/{bucket}")

    def delete_bucket(self, bucket):
        self.call("DELETE", f"/{bucket}")

    def buckets(self):
        return [name.text for name in self.call("GET", "/").xml.iterfind("Buckets/Bucket/Name")]

    def rules(self, bucket):
        """The lifecycle rules as the server shows them; None without any."""
        answer = self.request("GET", f"/{bucket}", [("lifecycle", "")])
        if answer.status == 404:
            return None
        assert answer.status == 200, answer
        return answer.body

    def set_rule(self, bucket, days):
        """Uploads in progress are aborted after some days."""
        action, after = "AbortIncompleteMultipartUpload", f"<DaysAfterInitiation>{days}</DaysAfterInitiation>"
        rule = f"<ID>old</ID><Status>Enabled</Status><Filter><Prefix></Prefix></Filter><{action}>{after}</{action}>"
        body = f"<LifecycleConfiguration><Rule>{rule}</Rule></LifecycleConfiguration>".encode()
        self.call("PUT", f"/{bucket}", [("lifecycle", "")], {"content-md5": md5_base64(body)}, body)

    def remove_rules(self, bucket):
        self.call("DELETE", f"/{bucket}", [("lifecycle", "")])

    def put(self, bucket, key, body, headers=None):
        return self.call("PUT", encode_path(bucket, key), headers=headers, body=body).headers["etag"]

    def copy(self, bucket, key, source):
        self.call("PUT", encode_path(bucket, key), headers={"x-amz-copy-source": encode_path(*source)})

    def get(self, bucket, key, headers=None):
        return self.call("GET", encode_path(bucket, key), headers=headers)

    def delete(self, bucket, key):
        self.call("DELETE", encode_path(bucket, key))

    def delete_all(self, bucket, keys):
        names = "".join(f"<Object><Key>{key}</Key></Object>" for key in keys)
        body = f"<Delete>{names}</Delete>".encode()
        headers = {"content-md5": md5_base64(body)}
        answer = self.call("POST", f"/{bucket}", [("delete", "")], headers, body)
        errors = answer.xml.findall("Error")
        if errors:
            raise Refused("POST", f"/{bucket}?delete", answer)

    def keys(self, bucket):
        return self._pages(f"/{bucket}", [("list-type", "2")], "Contents/Key", "NextContinuationToken", "continuation-token")

    # Uploads

    def create(self, bucket, key):
        return self.call("POST", encode_path(bucket, key), [("uploads", "")]).text("UploadId")

    def part(self, bucket, key, upload, number, body):
        query = [("partNumber", str(number)), ("uploadId", upload)]
        return self.call("PUT", encode_path(bucket, key), query, body=body).headers["etag"]

    def part_copy(self, bucket, key, upload, number, source, part_range=None):
        headers = {"x-amz-copy-source": encode_path(*source)}
        headers |= {"x-amz-copy-source-range": part_range} if part_range else {}
        query = [("partNumber", str(number)), ("uploadId", upload)]
        return self.call("PUT", encode_path(bucket, key), query, headers).text("ETag")

    def complete(self, bucket, key, upload, parts):
        """`parts` are pairs of number and ETag."""
        listed = "".join(f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>" for number, etag in parts)
        body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
        answer = self.call("POST", encode_path(bucket, key), [("uploadId", upload)], body=body)
        # A 200 may have been sent before the outcome was known.
        if answer.text("ETag") is None:
            raise Refused("POST", f"/{bucket}/{key}?uploadId", answer)
        return answer.text("ETag")

    def abort(self, bucket, key, upload):
        self.call("DELETE", encode_path(bucket, key), [("uploadId", upload)])

    def uploads(self, bucket):
        """(key, upload id) of every upload in progress."""
        answer = self.call("GET", f"/{bucket}", [("uploads", "")]).xml
        assert answer.findtext("IsTruncated") == "false", "the tests' buckets hold few uploads"
        return [(upload.findtext("Key"), upload.findtext("UploadId")) for upload in answer.iterfind("Upload")]

    def upload_of(self, bucket, key):
        """The id of the one upload of this key."""
        (upload,) = [upload for listed, upload in self.uploads(bucket) if listed == key]
        return upload

    def parts(self, bucket, key, upload):
        """(number, ETag, size) of every part."""
        answer = self.call("GET", encode_path(bucket, key), [("uploadId", upload)]).xml
        return tuple(
            (int(part.findtext("PartNumber")), part.findtext("ETag"), int(part.findtext("Size")))
            for part in answer.iterfind("Part")
        )

    # Everything

    def look(self):
        """All that the server shows: buckets, objects with a digest of the bytes that it returned, uploads with their parts."""
        view = {}
        for bucket in self.buckets():
            view["bucket", bucket] = self.rules(bucket) or "exists"
            for key in self.keys(bucket):
                answer = self.get(bucket, key)
                view["object", bucket, key] = (answer.headers["etag"], hashlib.sha256(answer.body).hexdigest())
            uploads = {}
            for key, upload in self.uploads(bucket):
                uploads.setdefault(key, []).append(self.parts(bucket, key, upload))
            for key, of_key in uploads.items():
                view["upload", bucket, key] = tuple(sorted(of_key))
        return view

    def empty(self):
        """Aborts every upload and deletes every object and bucket: one call each is enough."""
        for bucket in self.buckets():
            for key, upload in self.uploads(bucket):
                self.abort(bucket, key, upload)
            keys = self.keys(bucket)
            if keys:
                self.delete_all(bucket, keys)
            self.delete_bucket(bucket)

    def _pages(self, path, query, items, token, parameter):
        found, page = [], []
        for _ in range(PAGES_MAX):
            answer = self.call("GET", path, [*query, *page]).xml
            found += [item.text for item in answer.iterfind(items)]
            if not (after := answer.findtext(token)):
                return found
            page = [(parameter, after)]
        raise AssertionError(f"{path} has more than {PAGES_MAX} pages")


@contextlib.contextmanager
def connected(server, **options):
    """A client that is closed again."""
    client = Client(server, **options)
    try:
        yield client
    finally:
        client.close()
