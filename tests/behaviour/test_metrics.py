"""Metrics of unfinished uploads, and the dashboard and alert rules that are made of them."""

import json
import re
import subprocess
import time
from pathlib import Path

import pytest

from drystone import within
from multipart import abort, create, pattern, put_part

ROOT = Path(__file__).parent.parent.parent
MONITORING = ROOT / "examples/monitoring"
# Uploads are counted at the start and ten seconds after each count; a busy machine gets more.
COUNTED_SECONDS = 40


def samples(server):
    """The value of every series, by its name and labels as they are written."""
    status, text = server.admin("/metrics")
    assert status == 200
    lines = [line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#")]
    return {series: float(value) for series, _, value in lines}


def wait_for(server, wanted):
    """Waits until the series in `wanted` have these values."""

    def shown():
        now = samples(server)
        return {series: now.get(series) for series in wanted}

    within(COUNTED_SECONDS, lambda: shown() == wanted, lambda: f"{shown()} is shown, not {wanted}")


def test_every_bucket_shows_what_its_unfinished_uploads_hold(server, s3):
    for bucket in ("empty", "used"):
        s3.create_bucket(Bucket=bucket)
    before = time.time()
    for key, size in (("a", 70_000), ("b", 7)):
        put_part(s3, "used", create(s3, "used", key), 1, pattern(size), key=key)
    wait_for(
        server,
        {
            'drystone_uploads_open{bucket="empty"}': 0,
            'drystone_uploads_open{bucket="used"}': 2,
            'drystone_uploads_held_bytes{bucket="empty"}': 0,
            'drystone_uploads_held_bytes{bucket="used"}': 70_007,
            'drystone_uploads_held_bytes_by_age{bucket="used",age="<1h"}': 70_007,
            'drystone_uploads_held_bytes_by_age{bucket="used",age="<1d"}': 0,
            'drystone_uploads_held_bytes_by_age{bucket="used",age="<7d"}': 0,
            'drystone_uploads_held_bytes_by_age{bucket="used",age="<30d"}': 0,
            'drystone_uploads_held_bytes_by_age{bucket="used",age="older"}': 0,
            'drystone_uploads_oldest_timestamp_seconds{bucket="empty"}': None,
            "drystone_reclaim_queue_extents": 0,
            "drystone_reclaim_queue_bytes": 0,
        },
    )
    shown = samples(server)
    assert before - 1 <= shown['drystone_uploads_oldest_timestamp_seconds{bucket="used"}'] <= time.time()
    assert before - 1 <= shown["drystone_uploads_walk_timestamp_seconds"] <= time.time()
    assert 0 <= shown["drystone_uploads_walk_duration_seconds"] < COUNTED_SECONDS


def test_a_deleted_bucket_has_no_series_any_more(server, s3, bucket):
    create(s3, bucket)
    wait_for(server, {'drystone_uploads_open{bucket="bucket"}': 1})
    s3.delete_bucket(Bucket=bucket)
    within(COUNTED_SECONDS, lambda: 'bucket="bucket"' not in server.admin("/metrics")[1])


def test_what_ends_without_an_object_is_counted_by_its_cause(server, s3, bucket):
    for _ in range(3):
        upload = create(s3, bucket)
        put_part(s3, bucket, upload, 1, b"12345")
        abort(s3, bucket, upload)
    shown = samples(server)
    for cause, uploads in (("request", 3), ("lifecycle", 0), ("bulk", 0), ("bucket-deletion", 0)):
        assert shown[f'drystone_uploads_aborted_total{{cause="{cause}"}}'] == uploads
        assert shown[f'drystone_uploads_freed_bytes_total{{cause="{cause}"}}'] == 5 * uploads


def test_a_rule_takes_a_bucket_out_of_those_without_one(server, s3, bucket):
    create(s3, bucket, "a/1")
    series = 'drystone_uploads_without_rule_oldest_timestamp_seconds{bucket="bucket"}'
    within(COUNTED_SECONDS, lambda: series in samples(server))
    rule = {"ID": "a", "Status": "Enabled", "Filter": {"Prefix": "a/"}}
    rule["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": 1}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    within(COUNTED_SECONDS, lambda: series not in samples(server))
    assert 'drystone_uploads_oldest_timestamp_seconds{bucket="bucket"}' in samples(server)


def test_series_are_bounded_however_many_buckets_there_are(servers):
    names = [f"bucket-{number:03}" for number in range(130)]
    server = servers("crowd", in_memory=True, arguments=["--bucket", ",".join(names)]).start()
    s3 = server.s3()
    put_part(s3, names[-1], create(s3, names[-1]), 1, b"123")
    wait_for(
        server,
        {
            'drystone_uploads_held_bytes{bucket="bucket-129"}': 3,
            'drystone_uploads_held_bytes{bucket="(others)"}': 0,
        },
    )
    assert sum(series.startswith("drystone_uploads_open{") for series in samples(server)) == 101


def names_in(text):
    return set(re.findall(r"\bdrystone_[a-z0-9_]+", text))


def test_every_metric_of_the_dashboard_and_of_the_rules_is_exposed(server, s3, bucket):
    put_part(s3, bucket, create(s3, bucket), 1, b"stone")
    dashboard = json.loads((MONITORING / "grafana-dashboard.json").read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    expressions += [variable["definition"] for variable in dashboard["templating"]["list"] if variable["type"] == "query"]
    rules = re.sub(r"(?m)^\s*#.*$", "", (MONITORING / "alerts.yml").read_text())
    named = names_in(" ".join(expressions)) | names_in(rules)
    assert len(named) >= 10
    shown = []

    def missing():
        shown[:] = {series.partition("{")[0] for series in samples(server)}
        return named - set(shown)

    within(COUNTED_SECONDS, lambda: not missing(), lambda: f"{sorted(missing())} are not exposed")


def test_every_metric_that_is_exposed_is_documented(server, s3, bucket):
    put_part(s3, bucket, create(s3, bucket), 1, b"stone")
    wait_for(server, {'drystone_uploads_held_bytes{bucket="bucket"}': 5})
    exposed = set(re.findall(r"(?m)^# TYPE (\S+)", server.admin("/metrics")[1]))
    documented = set(re.findall(r"(?m)^\| `(drystone_\w+)`", (ROOT / "docs/metrics.md").read_text()))
    assert exposed <= documented
    # What is not exposed from the start is the end of something that takes its time.
    assert documented - exposed <= {"drystone_scrub_finished_timestamp_seconds"}


def test_prometheus_reads_what_is_exposed_without_a_complaint(server, s3, bucket):
    put_part(s3, bucket, create(s3, bucket), 1, b"stone")
    wait_for(server, {'drystone_uploads_held_bytes{bucket="bucket"}': 5})
    text = server.admin("/metrics")[1]
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_alert_rules_fire_when_they_should_and_not_before(tmp_path):
    alerts = MONITORING / "alerts.yml"
    cases = tmp_path / "alerts.test.yml"
    cases.write_text((Path(__file__).parent / "alerts.test.yml").read_text().replace("ALERTS", str(alerts)))
    for command in (["check", "rules", str(alerts)], ["test", "rules", str(cases)]):
        done = subprocess.run(["promtool", *command], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    alerts = set(re.findall(r"alert: (\w+)", alerts.read_text()))
    assert alerts == set(re.findall(r"alertname: (\w+)", cases.read_text())), "each has a case"


@pytest.mark.parametrize("field", ["id", "title", "gridPos"])
def test_panels_of_the_dashboard_stand_apart(field):
    panels = json.loads((MONITORING / "grafana-dashboard.json").read_text())["panels"]
    values = [json.dumps(panel[field]) for panel in panels]
    assert len(set(values)) == len(values)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)
