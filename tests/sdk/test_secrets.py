"""Secrets with the Python SDK: their life, and that no answer has a value. What they do on the way out is in egress/."""

import uuid

import e2b
import pytest

VALUE = "a-value-of-the-suite"


def fresh_name():
    return f"s-{uuid.uuid4().hex}"


@pytest.fixture
def secret(sdk):
    """A secret of the test's own."""
    made = sdk.Secret.create(fresh_name(), VALUE, metadata={"owner": "suite"})
    yield made
    sdk.Secret.destroy(made.secret_id)


def test_life_of_a_secret(sdk):
    name = fresh_name().upper()
    made = sdk.Secret.create(name, VALUE)
    assert made.name == name.lower() and made.secret_id.startswith("sec_") and made.version == 1 and made.metadata == {}
    assert made.created_at == made.updated_at
    changed = sdk.Secret.update(name, "another", metadata={"rotated": "yes"})
    assert changed.secret_id == made.secret_id and changed.version == 2 and changed.metadata == {"rotated": "yes"}
    kept = sdk.Secret.update(made.secret_id, "a third")
    assert kept.version == 3 and kept.metadata == {"rotated": "yes"} and kept.updated_at >= kept.created_at
    assert sdk.Secret.get_info(name) == sdk.Secret.get_info(made.secret_id) == kept
    assert sdk.Secret.exists(name) is True
    assert sdk.Secret.destroy(name) is True
    assert sdk.Secret.destroy(name) is False
    assert sdk.Secret.exists(made.secret_id) is False


def test_errors_have_the_sdks_classes(sdk, secret):
    with pytest.raises(e2b.exceptions.SecretNotFoundException):
        sdk.Secret.get_info("nobody-has-this")
    with pytest.raises(e2b.exceptions.SecretNotFoundException):
        sdk.Secret.update("nobody-has-this", "value")
    with pytest.raises(e2b.exceptions.SecretException, match="409.*cannot be modified"):
        sdk.Secret.create(secret.name, "value")
    for name, value in (("no spaces", "x"), ("sec_mine", "x"), ("x" * 129, "x"), (fresh_name(), ""), (fresh_name(), "x" * 8193)):
        with pytest.raises(e2b.exceptions.SecretException, match="400.*Invalid secrets request"):
            sdk.Secret.create(name, value)


def pages(paginator):
    found = []
    while paginator.has_next:
        items = paginator.next_items()
        assert len(items) <= 2
        found += items
    return found


def test_pages(sdk):
    made = [sdk.Secret.create(fresh_name(), VALUE) for _ in range(5)]
    try:
        found = [one.name for one in pages(sdk.Secret.list(limit=2))]
        assert {one.name for one in made} <= set(found) and len(found) == len(set(found))
    finally:
        for one in made:
            sdk.Secret.destroy(one.secret_id)


def test_another_teams_secret_does_not_exist(sdk, secret, served):
    with pytest.raises(e2b.exceptions.SecretNotFoundException):
        sdk.Secret.get_info(secret.name, api_key=served.other_key)
    assert sdk.Secret.destroy(secret.secret_id, api_key=served.other_key) is False
    theirs = sdk.Secret.create(secret.name, "theirs", api_key=served.other_key)
    assert theirs.secret_id != secret.secret_id
    assert sdk.Secret.destroy(theirs.secret_id, api_key=served.other_key) is True


def test_placeholders(sdk):
    assert sdk.Secret.fill("api-token") == "${e2b.secrets.api-token}"
