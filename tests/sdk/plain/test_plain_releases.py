"""The newest release of each package and two older ones against plain HTTP."""

import pytest

import releases


@pytest.mark.parametrize("release", [*releases.PYTHON, *releases.NODE])
def test_release(plain, packages, release):
    releases.smoke(plain, packages, release)
