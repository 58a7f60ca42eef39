"""The newest release of each package and two older ones do the same things; plain/ has this for the server without a domain."""

import pytest

import releases


@pytest.mark.parametrize("release", [*releases.PYTHON, *releases.NODE])
def test_release(served, packages, release):
    out = releases.smoke(served, packages, release)
    assert release not in releases.PYTHON or release.removeprefix("e2b-") in out


def test_three_releases_of_each():
    assert len(releases.PYTHON) >= 3 and len(releases.NODE) >= 3
