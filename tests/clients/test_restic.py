"""restic: a backup, a check that reads everything, a restore, and the space of what was forgotten."""

from drystone import MIB
from programs import digest


def test_a_backup_is_checked_restored_and_forgotten(program, credentials, server, s3, bucket, big_file, tmp_path):
    restic = program(
        "restic", "--no-cache", **credentials, RESTIC_REPOSITORY=f"s3:{server.endpoint}/{bucket}/backups", RESTIC_PASSWORD="moss"
    )
    source = tmp_path / "source"
    source.mkdir()
    big_file(150).rename(source / "big")
    for number in range(200):
        (source / f"file-{number}").write_bytes(f"stone {number}".encode() * number)
    restic("init")
    empty = server.disk_use()
    restic("backup", source)
    restic("backup", source)
    assert "no errors were found" in restic("check", "--read-data")
    restic("restore", "latest", "--target", tmp_path / "back")
    restored = tmp_path / "back" / source.relative_to("/")
    assert {path.name: digest(path) for path in restored.iterdir()} == {path.name: digest(path) for path in source.iterdir()}
    for path in source.iterdir():
        if path.name != "file-1":
            path.unlink()
    restic("backup", source)
    restic("forget", "--keep-last", "1", "--prune")
    restic("check", "--read-data")
    server.assert_space_returned(empty, tolerance=8 * MIB)
