"""What the clients do, and how each of their requests reads as an operation on an object.

A workload is asked for one step at a time; a step sends one request (of the register over uploads: a handful) and
returns what it was, as `(object, call, answer)`. Tags stand for values: every body is written once, so its MD5 is its
name; and of every answer with a body the MD5 is compared with the tag, so that no torn body passes.
"""

import hashlib

from history import UNKNOWN
from wire import Lost, values

# Bodies on both sides of the border between rows and extents.
SIZES = [40, 40, 40, 3_000, 9_000, 100_000]


class Workload:
    """One client's part in a workload."""

    def __init__(self, client, bucket, number, chance):
        self.client, self.bucket, self.number, self.chance = client, bucket, number, chance
        self.written = 0

    def body(self, head=""):
        """A body that nobody writes again, and its tag."""
        self.written += 1
        text = f"{head}{self.bucket} {self.number} {self.written} ".encode()
        body = text + b"." * (self.chance.choice(SIZES) - len(text))
        return body, hashlib.md5(body).hexdigest()

    def path(self, key):
        return f"/{self.bucket}/{key}"

    def abandons(self):
        """Whether this request is cut off after it was sent."""
        return self.chance.random() < 0.004

    def get(self, key):
        """The tag and the body of what is there; None where nothing is."""
        status, headers, body = self.client.request("GET", self.path(key))
        if status == 404:
            return None, b""
        assert status == 200, (status, body)
        tag = headers["etag"].strip('"')
        digest = hashlib.md5(body)
        # Every object of several parts here has one.
        right = hashlib.md5(digest.digest()).hexdigest() + "-1" if "-" in tag else digest.hexdigest()
        assert right == tag, f"{key}: the body is not that of {tag}"
        return tag, body


class Registers(Workload):
    """PUT, GET, HEAD and listings of a few keys."""

    KEYS = [f"register-{number}" for number in range(6)]

    def step(self, _elapsed):
        key, kind = self.chance.choice(self.KEYS), self.chance.random()
        if kind < 0.4:
            body, tag = self.body()
            return [(key, ("write", tag), self.put(key, body))]
        if kind < 0.8:
            return [(key, ("read",), self.attempt(lambda: self.get(key)[0]))]
        if kind < 0.92:
            return [(key, ("read",), self.attempt(lambda: self.head(key)))]
        shown = self.attempt(self.list)
        return [(key, ("read",), shown if shown is UNKNOWN else shown.get(key)) for key in self.KEYS]

    def put(self, key, body):
        try:
            status, _, answer = self.client.request("PUT", self.path(key), body=body, abandon=self.abandons())
        except Lost:
            return UNKNOWN
        assert status == 200, (status, answer)
        return "done"

    def head(self, key):
        status, headers, _ = self.client.request("HEAD", self.path(key))
        assert status in (200, 404), status
        return headers["etag"].strip('"') if status == 200 else None

    def list(self):
        query = [("list-type", "2"), ("prefix", "register-")]
        status, _, body = self.client.request("GET", f"/{self.bucket}", query)
        assert status == 200, (status, body)
        return dict(zip(values(body, "Key"), (tag.strip('"') for tag in values(body, "ETag")), strict=True))

    def attempt(self, read):
        try:
            return read()
        except Lost:
            return UNKNOWN


class Counters(Workload):
    """Counters that are raised only where they are what was read: If-None-Match and If-Match."""

    KEYS = [f"counter-{number}" for number in range(4)]

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.known = dict.fromkeys(self.KEYS, (None, 0))

    def step(self, _elapsed):
        key = self.chance.choice(self.KEYS)
        if self.chance.random() < 0.5:
            try:
                tag, body = self.get(key)
            except Lost:
                return [(key, ("read",), UNKNOWN)]
            self.known[key] = (tag, int(body.split(b" ")[0]) if body else 0)
            return [(key, ("read",), tag)]
        expected, count = self.known[key]
        body, new = self.body(f"{count + 1} ")
        condition = {"if-match": f'"{expected}"'} if expected else {"if-none-match": "*"}
        call = ("swap", expected, new)
        try:
            status, _, answer = self.client.request("PUT", self.path(key), (), condition, body, abandon=self.abandons())
        except Lost:
            return [(key, call, UNKNOWN)]
        assert status in (200, 412) or (status == 404 and expected), (status, answer)
        if status == 200:
            self.known[key] = (new, count + 1)
        return [(key, call, "done" if status == 200 else "refused")]


class Uploads(Workload):
    """Every call of multipart uploads, on keys that are used for a moment, so that their histories stay short."""

    KEYS = 3
    # Seconds for which a set of keys is used.
    MOMENT = 0.4
    WITHOUT_UPLOAD = ["create", "create", "uploads", "uploads", "get", "delete"]
    WITH_UPLOAD = ["create", "uploads", "get", "part", "part", "part", "parts", "parts", "abort", "complete", "complete"]

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.keys = {}

    def step(self, elapsed):
        moment = int(elapsed / self.MOMENT)
        key = f"upload-{moment}-{self.chance.randrange(self.KEYS)}"
        if key not in self.keys:
            # What is known of each upload of the key: its parts. Older keys are not used again.
            self.keys = {name: known for name, known in self.keys.items() if name.startswith(f"upload-{moment}-")} | {key: {}}
        known = self.keys[key]
        kind = self.chance.choice(self.WITH_UPLOAD if known else self.WITHOUT_UPLOAD)
        call, answer = getattr(self, f"{kind}_step")(key, known, self.chance.choice(sorted(known)) if known else None)
        return [(key, call, answer)]

    def send(self, method, key, query=(), body=b"", *, abandon=False):
        """The status and the body; None when the answer was lost."""
        try:
            status, _, content = self.client.request(method, self.path(key), query, None, body, abandon=abandon)
        except Lost:
            return None, b""
        return status, content

    def outcome(self, status, body):
        """How a call on an upload ended."""
        if status is None:
            return UNKNOWN
        if status in (200, 204) and b"<Error>" not in body:
            return "done"
        code = values(body, "Code")[0]
        assert code in ("NoSuchUpload", "InvalidPart"), body
        return code

    def create_step(self, key, known, _upload):
        status, body = self.send("POST", key, [("uploads", "")])
        if status is None:
            return ("create",), UNKNOWN
        upload = values(body, "UploadId")[0]
        known[upload] = {}
        return ("create",), upload

    def uploads_step(self, key, known, _upload):
        try:
            status, _, body = self.client.request("GET", f"/{self.bucket}", [("uploads", ""), ("prefix", key)])
        except Lost:
            return ("uploads",), UNKNOWN
        assert status == 200, (status, body)
        shown = tuple(sorted(values(body, "UploadId")))
        for upload in shown:
            known.setdefault(upload, {})
        return ("uploads",), shown

    def get_step(self, key, _known, _upload):
        try:
            return ("get",), self.get(key)[0]
        except Lost:
            return ("get",), UNKNOWN

    def delete_step(self, key, _known, _upload):
        status, body = self.send("DELETE", key)
        assert status in (None, 204), (status, body)
        return ("delete",), UNKNOWN if status is None else "done"

    def part_step(self, key, known, upload):
        number = self.chance.randint(1, 2)
        body, tag = self.body()
        query = [("uploadId", upload), ("partNumber", str(number))]
        answer = self.outcome(*self.send("PUT", key, query, body, abandon=self.abandons()))
        if answer == "done":
            known[upload][number] = tag
        return ("part", upload, number, tag), answer

    def parts_step(self, key, known, upload):
        status, body = self.send("GET", key, [("uploadId", upload)])
        if status != 200:
            return ("parts", upload), self.outcome(status, body)
        tags = [tag.strip('"') for tag in values(body, "ETag")]
        shown = tuple(zip(map(int, values(body, "PartNumber")), tags, strict=True))
        known[upload] = dict(shown)
        return ("parts", upload), shown

    def abort_step(self, key, _known, upload):
        answer = self.outcome(*self.send("DELETE", key, [("uploadId", upload)], abandon=self.abandons()))
        return ("abort", upload), answer

    def complete_step(self, key, known, upload):
        parts = known[upload] or {1: "0" * 32}
        # One part: of two the first would have to have 5 MiB.
        number = self.chance.choice(sorted(parts))
        query = [("uploadId", upload)]
        answer = self.outcome(*self.send("POST", key, query, document(number, parts[number]), abandon=self.abandons()))
        # The tag of an object is the MD5 of its parts' MD5s.
        tag = hashlib.md5(bytes.fromhex(parts[number])).hexdigest() + "-1"
        return ("complete", upload, ((number, parts[number]),), tag), answer


def document(number, tag):
    """A CompleteMultipartUpload document of one part."""
    part = f"<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>"
    return f"<CompleteMultipartUpload>{part}</CompleteMultipartUpload>".encode()


class RegisterOverUploads(Workload):
    """A register that is swapped with nothing but uploads, as Elasticsearch's repository analysis does on S3.

    To swap, a client creates an upload with the new value and lists the key's uploads. The one with the lowest id goes
    on, aborts the others and waits until the listing shows only its own; then it reads the register, and completes its
    upload if the value is the expected one. Whoever is not the lowest, or finds its upload gone, gives up: nothing was
    written. It works on a store whose uploads are linearizable, and on no other.
    """

    KEYS = [f"swapped-{number}" for number in range(2)]
    # Listings after which a client gives up waiting for others to vanish.
    LISTINGS_MAX = 50
    # How often a client finds the register taken before it believes that whoever took it is gone.
    TAKEN_MAX = 20

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.known = dict.fromkeys(self.KEYS, (None, 0))
        self.taken = 0

    def step(self, _elapsed):
        key = self.chance.choice(self.KEYS)
        if self.chance.random() < 0.3:
            try:
                self.known[key] = self.current(key)
            except Lost:
                return [(key, ("read",), UNKNOWN)]
            return [(key, ("read",), self.known[key][0])]
        expected, count = self.known[key]
        body, _ = self.body(f"{count + 1} ")
        # The value is an object of one part.
        new = hashlib.md5(hashlib.md5(body).digest()).hexdigest() + "-1"
        try:
            answer = self.swap(key, expected, body)
        except Lost:
            return [(key, ("swap", expected, new), UNKNOWN)]
        if answer == "done":
            self.known[key] = (new, count + 1)
        # Who gave up knows nothing of the value.
        return [] if answer == "given up" else [(key, ("swap", expected, new), answer)]

    def current(self, key):
        tag, body = self.get(key)
        return tag, int(body.split(b" ")[0]) if body else 0

    def swap(self, key, expected, body):
        shown = self.others(key)
        self.taken = self.taken + 1 if shown else 0
        if self.taken > self.TAKEN_MAX:
            for other in shown:
                self.client.request("DELETE", self.path(key), [("uploadId", other)])
        if shown:
            return "given up"
        status, _, answer = self.client.request("POST", self.path(key), [("uploads", "")])
        assert status == 200, (status, answer)
        upload = values(answer, "UploadId")[0]
        ours = [("uploadId", upload)]
        status, headers, _ = self.client.request("PUT", self.path(key), [*ours, ("partNumber", "1")], None, body)
        if status == 404:
            return "given up"
        tag = headers["etag"]
        if not self.wins(key, upload):
            self.client.request("DELETE", self.path(key), ours)
            return "given up"
        if self.current(key)[0] != expected:
            self.client.request("DELETE", self.path(key), ours)
            return "refused"
        status, _, answer = self.client.request("POST", self.path(key), ours, None, document(1, tag.strip('"')))
        if status == 404 or b"<Code>NoSuchUpload" in answer:
            return "given up"
        assert status == 200 and b"<Error>" not in answer, (status, answer)
        return "done"

    def wins(self, key, upload):
        """Whether ours is the lowest; then the others are aborted until none of them is listed."""
        for _ in range(self.LISTINGS_MAX):
            shown = self.others(key)
            if not shown or shown[0] != upload:
                return False
            if shown == [upload]:
                return True
            for other in shown[1:]:
                self.client.request("DELETE", self.path(key), [("uploadId", other)])
        return False

    def others(self, key):
        query = [("uploads", ""), ("prefix", key)]
        status, _, body = self.client.request("GET", f"/{self.bucket}", query)
        assert status == 200, (status, body)
        return sorted(values(body, "UploadId"))
