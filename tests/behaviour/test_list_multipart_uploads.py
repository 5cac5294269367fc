"""ListMultipartUploads: every unfinished upload, exactly once, in order, whatever the page."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from multipart import abort, complete, create, put_part, refused, uploads


def pages(s3, bucket, **options):
    """Every page, by the markers that the server gives."""
    markers = {}
    while True:
        page = s3.list_multipart_uploads(Bucket=bucket, **options, **markers)
        yield page
        if not page["IsTruncated"]:
            return
        markers = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}


def walk(s3, bucket, **options):
    """Every (key, id) and every common prefix of all pages."""
    found, prefixes = [], []
    for page in pages(s3, bucket, **options):
        found += [(upload["Key"], upload["UploadId"]) for upload in page.get("Uploads", [])]
        prefixes += [prefix["Prefix"] for prefix in page.get("CommonPrefixes", [])]
    return found, prefixes


@pytest.fixture
def crowd(s3, bucket):
    """1,050 uploads of 210 keys, five of each, as sorted (key, id)."""
    names = [f"dir-{number % 7}/key-{number:03}" for number in range(210)] * 5
    with ThreadPoolExecutor(16) as threads:
        ids = list(threads.map(lambda key: create(s3, bucket, key), names))
    return sorted(zip(names, ids, strict=True))


def test_more_than_a_thousand_uploads_come_exactly_once_in_order(s3, bucket, crowd):
    first = s3.list_multipart_uploads(Bucket=bucket)
    assert (len(first["Uploads"]), first["IsTruncated"], first["MaxUploads"]) == (1000, True, 1000)
    for size in (1000, 333, 7):
        assert walk(s3, bucket, MaxUploads=size) == (crowd, [])
    initiated = {}
    for page in pages(s3, bucket):
        for upload in page["Uploads"]:
            initiated.setdefault(upload["Key"], []).append(upload["Initiated"])
    assert all(times == sorted(times) for times in initiated.values())


def test_a_prefix_chooses_and_a_delimiter_groups(s3, bucket, crowd):
    some = [upload for upload in crowd if upload[0].startswith("dir-3/")]
    assert walk(s3, bucket, Prefix="dir-3/", MaxUploads=11) == (some, [])
    groups = [f"dir-{number}/" for number in range(7)]
    for size in (1000, 7, 2, 1):
        assert walk(s3, bucket, Delimiter="/", MaxUploads=size) == ([], groups)
    assert walk(s3, bucket, Delimiter="/", Prefix="dir-3/", MaxUploads=13) == (some, [])


def test_groups_count_toward_the_page(s3, bucket):
    alone = [("b", create(s3, bucket, "b")), ("d", create(s3, bucket, "d"))]
    for key in ("a/1", "a/2", "c/1", "e/1"):
        create(s3, bucket, key)
    page = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/", MaxUploads=2)
    assert [prefix["Prefix"] for prefix in page["CommonPrefixes"]] == ["a/"]
    assert [(u["Key"], u["UploadId"]) for u in page["Uploads"]] == alone[:1]
    assert page["IsTruncated"]
    assert walk(s3, bucket, Delimiter="/", MaxUploads=2) == (alone, ["a/", "c/", "e/"])


def test_a_key_marker_alone_skips_the_whole_key(s3, bucket):
    create(s3, bucket, "a"), create(s3, bucket, "a")
    last = create(s3, bucket, "b")
    assert uploads(s3, bucket, KeyMarker="a") == [("b", last)]


def test_both_markers_go_on_inside_the_key(s3, bucket):
    ids = [create(s3, bucket, "a") for _ in range(4)]
    last = create(s3, bucket, "b")
    assert uploads(s3, bucket, KeyMarker="a", UploadIdMarker=ids[1]) == [("a", ids[2]), ("a", ids[3]), ("b", last)]


def test_an_id_marker_without_a_key_marker_says_nothing(s3, bucket):
    ids = [create(s3, bucket, "a") for _ in range(2)]
    assert uploads(s3, bucket, UploadIdMarker=ids[1]) == [("a", ids[0]), ("a", ids[1])]


def test_the_marker_of_an_aborted_upload_is_still_a_position(s3, bucket):
    ids = [create(s3, bucket, "a") for _ in range(4)]
    abort(s3, bucket, ids[1], key="a")
    assert uploads(s3, bucket, KeyMarker="a", UploadIdMarker=ids[1]) == [("a", ids[2]), ("a", ids[3])]


def test_aborting_page_by_page_empties_the_bucket(s3, bucket, crowd):
    aborted = 0
    for page in pages(s3, bucket, MaxUploads=100):
        for upload in page["Uploads"]:
            abort(s3, bucket, upload["UploadId"], key=upload["Key"])
            aborted += 1
    assert aborted == len(crowd)
    assert uploads(s3, bucket) == []


def test_an_id_marker_that_no_server_gave_is_refused(signer, bucket):
    query = [("uploads", ""), ("key-marker", "a"), ("upload-id-marker", "not an id")]
    signer.request("GET", "/bucket", query=query).refused(400, "InvalidArgument")


@pytest.mark.parametrize("size", ["0", "-1", "many", "1.5"])
def test_a_wrong_page_size_is_refused(signer, bucket, size):
    signer.request("GET", "/bucket", query=[("uploads", ""), ("max-uploads", size)]).refused(400, "InvalidArgument")


def test_a_page_size_over_a_thousand_is_a_thousand(signer, bucket):
    answer = signer.request("GET", "/bucket", query=[("uploads", ""), ("max-uploads", "5000")])
    assert (answer.status, answer.text("MaxUploads")) == (200, "1000")


def test_encoding_by_url_reaches_every_name(signer, s3, bucket):
    for key in ("a b/1+1", "a b/2", "ü&<"):
        create(s3, bucket, key)
    query = [("uploads", ""), ("encoding-type", "url"), ("delimiter", "/"), ("key-marker", "a a"), ("prefix", "")]
    answer = signer.request("GET", "/bucket", query=query)
    assert answer.text("EncodingType") == "url"
    assert answer.text("KeyMarker") in ("a%20a", "a+a")
    assert answer.text("Delimiter") in ("/", "%2F")
    assert answer.text("CommonPrefixes/Prefix") in ("a%20b/", "a+b/", "a%20b%2F", "a+b%2F")
    assert answer.text("Upload/Key") == "%C3%BC%26%3C"
    # A client decodes what it sees; without encoding the names come as they are.
    assert [key for key, _ in uploads(s3, bucket)] == ["a b/1+1", "a b/2", "ü&<"]


def test_another_encoding_is_refused(signer, bucket):
    signer.request("GET", "/bucket", query=[("uploads", ""), ("encoding-type", "rot13")]).refused(400, "InvalidArgument")


def test_the_elements_that_readers_look_for_are_there(signer, s3, bucket):
    upload = create(s3, bucket, ChecksumAlgorithm="SHA256")
    answer = signer.request("GET", "/bucket/", query=[("uploads", "")])
    assert answer.xml.tag == "ListMultipartUploadsResult"
    for empty in ("KeyMarker", "UploadIdMarker"):
        assert answer.text(empty) == ""
    assert (answer.text("NextKeyMarker"), answer.text("NextUploadIdMarker")) == ("key", upload)
    assert (answer.text("Bucket"), answer.text("MaxUploads"), answer.text("IsTruncated")) == ("bucket", "1000", "false")
    assert (answer.text("Upload/Key"), answer.text("Upload/UploadId")) == ("key", upload)
    assert answer.text("Upload/StorageClass") == "STANDARD"
    assert answer.text("Upload/Initiated").endswith("Z")
    assert answer.text("Upload/Initiator/ID") == answer.text("Upload/Owner/ID") != ""
    assert (answer.text("Upload/ChecksumAlgorithm"), answer.text("Upload/ChecksumType")) == ("SHA256", "COMPOSITE")


def test_an_upload_is_listed_from_its_answer_on_until_its_end(s3, bucket):
    first, second = create(s3, bucket, "a"), create(s3, bucket, "b")
    assert uploads(s3, bucket) == [("a", first), ("b", second)]
    complete(s3, bucket, first, [put_part(s3, bucket, first, 1, b"x", key="a")], key="a")
    assert uploads(s3, bucket) == [("b", second)]
    abort(s3, bucket, second, key="b")
    assert uploads(s3, bucket) == []


def test_keys_are_ordered_by_their_bytes(s3, bucket):
    keys = ["Z", "a", "a!", "a/", "a0", "é", "\ue000", "\U0001f9f1"]
    for key in reversed(keys):
        create(s3, bucket, key)
    assert [key for key, _ in uploads(s3, bucket)] == keys == sorted(keys, key=str.encode)


def test_a_missing_bucket_is_named(s3):
    with refused(404, "NoSuchBucket"):
        uploads(s3, "no-such-bucket")


def test_each_upload_shows_what_it_holds(signer, s3, bucket):
    unused, used = create(s3, bucket, "a"), create(s3, bucket, "b")
    for number, size in ((1, 1000), (5, 200), (5, 30)):
        put_part(s3, bucket, used, number, b"x" * size, key="b")
    put_part(s3, bucket, create(s3, bucket, "c"), 1, b"", key="c")
    answer = signer.request("GET", "/bucket", query=[("uploads", "")])
    shown = answer.extensions("Upload")
    assert [(upload["Parts"], upload["Bytes"]) for upload in shown] == [("0", "0"), ("2", "1030"), ("1", "0")]
    initiated = [element.text for element in answer.xml.iter("Initiated")]
    assert shown[0]["LastActivity"] == initiated[0], "nothing has come for it since"
    assert all(upload["LastActivity"] >= since for upload, since in zip(shown, initiated, strict=True))
    assert all("AbortDate" not in upload and "AbortRuleId" not in upload for upload in shown), "without a rule nothing expires"
    listed = {upload["Key"]: upload["UploadId"] for upload in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]}
    assert (listed["a"], listed["b"]) == (unused, used), "an SDK reads the listing as before"


def test_each_upload_shows_when_which_rule_will_abort_it(signer, s3, bucket):
    rules = [
        {"ID": 'a "week" & <more>', "Filter": {"Prefix": "a/"}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}},
        {"ID": "month", "Filter": {"Prefix": ""}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 30}},
        {"ID": "off", "Filter": {"Prefix": "b"}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}},
    ]
    states = ["Enabled", "Enabled", "Disabled"]
    rules = [rule | {"Status": state} for rule, state in zip(rules, states, strict=True)]
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
    created = [s3.create_multipart_upload(Bucket=bucket, Key=key) for key in ("a/1", "b")]
    shown = signer.request("GET", "/bucket", query=[("uploads", "")]).extensions("Upload")
    assert [upload["AbortRuleId"] for upload in shown] == ['a "week" & <more>', "month"]
    dates = [upload["AbortDate"].strftime("%Y-%m-%dT%H:%M:%S.000Z") for upload in created]
    assert [upload["AbortDate"] for upload in shown] == dates, "as the answer to Create said"
