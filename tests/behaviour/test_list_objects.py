"""ListObjects and ListObjectsV2: every key exactly once, in order, whatever the page."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from multipart import refused


def put(s3, bucket, *keys):
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda key: s3.put_object(Bucket=bucket, Key=key, Body=b"x"), keys))


def walk(s3, bucket, **options):
    """Every key and common prefix of all pages of version 2."""
    keys, prefixes = [], []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, **options):
        keys += [row["Key"] for row in page.get("Contents", [])]
        prefixes += [row["Prefix"] for row in page.get("CommonPrefixes", [])]
        assert page["KeyCount"] == len(page.get("Contents", [])) + len(page.get("CommonPrefixes", []))
    return keys, prefixes


def walk_v1(s3, bucket, **options):
    """The same for version 1, by the markers a client makes itself."""
    keys, prefixes, marker = [], [], ""
    while True:
        page = s3.list_objects(Bucket=bucket, Marker=marker, **options)
        new, groups = [row["Key"] for row in page.get("Contents", [])], [row["Prefix"] for row in page.get("CommonPrefixes", [])]
        keys, prefixes = keys + new, prefixes + groups
        if not page["IsTruncated"]:
            return keys, prefixes
        marker = page.get("NextMarker") or new[-1]


@pytest.fixture
def crowd(s3, bucket):
    """1,050 keys in seven folders, sorted."""
    keys = [f"dir-{number % 7}/key-{number:04}" for number in range(1050)]
    put(s3, bucket, *keys)
    return sorted(keys)


def test_more_than_a_thousand_keys_come_exactly_once_in_order(s3, bucket, crowd):
    first = s3.list_objects_v2(Bucket=bucket, MaxKeys=5000)
    assert (first["KeyCount"], first["MaxKeys"], first["IsTruncated"]) == (1000, 1000, True)
    for size in (1000, 333, 50):
        assert walk(s3, bucket, PaginationConfig={"PageSize": size}) == (crowd, [])
        assert walk_v1(s3, bucket, MaxKeys=size) == (crowd, [])


def test_a_prefix_chooses_and_a_delimiter_groups(s3, bucket, crowd):
    groups = [f"dir-{number}/" for number in range(7)]
    some = [key for key in crowd if key.startswith("dir-3/")]
    for size in (1000, 3, 1):
        assert walk(s3, bucket, Delimiter="/", PaginationConfig={"PageSize": size}) == ([], groups)
        assert walk_v1(s3, bucket, Delimiter="/", MaxKeys=size) == ([], groups)
    assert walk(s3, bucket, Delimiter="/", Prefix="dir-3/") == (some, [])
    assert walk(s3, bucket, Delimiter="/", Prefix="dir-") == ([], groups)


def test_groups_and_keys_mix_in_order(s3, bucket):
    put(s3, bucket, "a", "b/1", "b/2", "c", "d/1", "e")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 2})
    shown = [
        [row["Key"] for row in page.get("Contents", [])] + [row["Prefix"] for row in page.get("CommonPrefixes", [])]
        for page in pages
    ]
    assert shown == [["a", "b/"], ["c", "d/"], ["e"]]


def test_a_delimiter_may_be_long_or_odd(s3, bucket):
    put(s3, bucket, "a--b--c", "a--d", "e", "ü-x")
    assert walk(s3, bucket, Delimiter="--") == (["e", "ü-x"], ["a--"])
    assert walk(s3, bucket, Delimiter="ü") == (["a--b--c", "a--d", "e"], ["ü"])


def test_start_after_and_markers_are_positions(s3, bucket):
    put(s3, bucket, "a", "b", "c", "d/1", "d/2", "e")
    assert walk(s3, bucket, StartAfter="b") == (["c", "d/1", "d/2", "e"], [])
    assert walk(s3, bucket, StartAfter="bbb") == (["c", "d/1", "d/2", "e"], [])
    assert [row["Key"] for row in s3.list_objects(Bucket=bucket, Marker="c")["Contents"]] == ["d/1", "d/2", "e"]
    assert walk(s3, bucket, StartAfter="z") == ([], [])


def test_the_owner_is_shown_on_request(s3, bucket):
    put(s3, bucket, "a")
    assert "Owner" not in s3.list_objects_v2(Bucket=bucket)["Contents"][0]
    assert s3.list_objects_v2(Bucket=bucket, FetchOwner=True)["Contents"][0]["Owner"]["ID"]
    assert s3.list_objects(Bucket=bucket)["Contents"][0]["Owner"]["ID"]


def test_a_row_says_size_etag_and_time(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="key", Body=b"12345")["ETag"]
    [row] = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert (row["Key"], row["Size"], row["ETag"], row["StorageClass"]) == ("key", 5, etag, "STANDARD")
    assert row["LastModified"] == s3.head_object(Bucket=bucket, Key="key")["LastModified"].replace(
        microsecond=row["LastModified"].microsecond
    )


def test_no_keys_are_asked_for_and_none_are_given(s3, bucket):
    put(s3, bucket, "a")
    page = s3.list_objects_v2(Bucket=bucket, MaxKeys=0)
    assert (page["KeyCount"], page["IsTruncated"], page.get("Contents")) == (0, False, None)


@pytest.mark.parametrize(
    "query", [("max-keys", "-1"), ("max-keys", "many"), ("encoding-type", "rot13"), ("continuation-token", "not a token")]
)
def test_a_wrong_value_is_refused(signer, bucket, query):
    signer.request("GET", "/bucket", query=[("list-type", "2"), query]).refused(400, "InvalidArgument")


def test_encoding_by_url_reaches_every_name(signer, s3, bucket):
    put(s3, bucket, "a b/1+1", "a b/2", "ü&<")
    query = [("list-type", "2"), ("encoding-type", "url"), ("delimiter", "/")]
    answer = signer.request("GET", "/bucket", query=query)
    assert answer.text("Contents/Key") == "%C3%BC%26%3C"
    assert answer.text("CommonPrefixes/Prefix") in ("a+b/", "a%20b/", "a%20b%2F")
    assert walk(s3, bucket) == (["a b/1+1", "a b/2", "ü&<"], [])


def test_names_come_as_they_are_without_encoding(signer, s3, bucket):
    put(s3, bucket, "a&<>\"'", "b\r\nc\td", " lead and trail ")
    keys = [row.text for row in signer.request("GET", "/bucket").xml.findall("Contents/Key")]
    assert keys == [" lead and trail ", "a&<>\"'", "b\r\nc\td"]


def test_keys_are_ordered_by_their_bytes(s3, bucket):
    keys = ["Z", "a", "a!", "a/", "a0", "é", "\ue000", "\U0001f9f1"]
    put(s3, bucket, *keys)
    assert walk(s3, bucket) == (keys, [])


def test_what_was_acknowledged_is_listed(s3, bucket):
    for number in range(50):
        put(s3, bucket, f"key-{number:02}")
        assert len(walk(s3, bucket)[0]) == number + 1


def test_an_empty_bucket_has_an_empty_list(signer, bucket):
    answer = signer.request("GET", "/bucket", query=[("list-type", "2")])
    assert answer.xml.tag == "ListBucketResult"
    assert (answer.text("Name"), answer.text("Prefix"), answer.text("KeyCount"), answer.text("IsTruncated")) == (
        "bucket",
        "",
        "0",
        "false",
    )


def test_a_missing_bucket_is_named(s3):
    with refused(404, "NoSuchBucket"):
        s3.list_objects_v2(Bucket="no-such-bucket")
