"""What the tests of real clients share: programs with a home of their own, credentials, big files."""

import pytest

from drystone import ACCESS_KEY, MIB, REGION, SECRET_KEY
from multipart import pattern
from programs import Program


@pytest.fixture
def program(tmp_path):
    """Makes programs that run in a home folder of their own."""
    home = tmp_path / "home"
    home.mkdir()
    return lambda *arguments, **environment: Program(home, arguments, environment)


@pytest.fixture
def credentials():
    """The names under which most clients look for credentials."""
    return {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@pytest.fixture
def big_file(tmp_path):
    """Makes a file of so many MiB; every MiB of it differs from the others."""

    def make(mebibytes, name="big"):
        path = tmp_path / name
        piece = pattern(MIB)
        with path.open("wb") as file:
            for number in range(mebibytes):
                file.write(number.to_bytes(8, "big"))
                file.write(piece[8:])
        return path

    return make
