"""Assembling: what settings reach, what readiness depends on, and that everything opened is closed."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from neve import assemble
from neve.assemble_service import Service, rates_of
from neve.auth import sigv4
from neve.auth.payload import body_hash
from neve.errors import StoreFull, StoreUnavailable, StoreUnusable
from neve.limits import TINY
from neve.messages.http import RequestHead, Response
from neve.server.access_keys import NewAccessKey
from neve.server.administration.messages import CreateAccessKey, ListAccessKeys, SetAccessKeyEnabled
from neve.settings import Settings


@pytest.fixture
def made(tmp_path: Path) -> NewAccessKey:
    return assemble.create_store(tmp_path / "store", account_name="", region="us-east-1", limits=TINY)


@pytest.fixture
def service(tmp_path: Path, made: NewAccessKey) -> Iterator[Service]:
    with assemble.open_service(tmp_path / "store", Settings(), limits=TINY) as opened:
        yield opened


def ask(service: Service, key: NewAccessKey, body: bytes = b'{"VolumeSize": 1}') -> Response:
    """Start a snapshot, without a socket."""
    head = RequestHead(method="POST", raw_target="/snapshots", headers=[("Host", "neve.example")])
    added = sigv4.sign(
        head,
        access_key_id=key.access_key_id,
        secret=key.secret_access_key,
        region="us-east-1",
        service="ebs",
        now_ms=service.context.clock.now_ms(),
        payload_hash=body_hash(body),
    )
    return service.pipeline.answer(replace(head, headers=[*head.headers, *added]), body)


def test_the_first_access_key_opens_the_new_store(service: Service, made: NewAccessKey) -> None:
    assert ask(service, made).status == 201
    assert len(made.secret_access_key) == 40
    assert made.secret_access_key not in repr(made)


def test_one_service_at_a_time_has_a_store_open(tmp_path: Path, made: NewAccessKey) -> None:
    path = tmp_path / "store"
    with assemble.open_service(path, Settings(), limits=TINY) as first:
        with (
            pytest.raises(StoreUnusable, match="in use"),
            assemble.open_service(path, Settings(), limits=TINY),
        ):
            pass
        assert ask(first, made).status == 201
    with assemble.open_service(path, Settings(), limits=TINY) as second:
        assert ask(second, made).status == 201


def test_a_store_of_other_sizes_is_refused_and_let_go(tmp_path: Path, made: NewAccessKey) -> None:
    path = tmp_path / "store"
    with pytest.raises(StoreUnusable), assemble.open_service(path, Settings()):
        pass
    with assemble.open_service(path, Settings(), limits=TINY) as service:
        assert service.unready_reason() == ""


def test_the_master_key_may_be_kept_elsewhere(tmp_path: Path, made: NewAccessKey) -> None:
    path = tmp_path / "store"
    (path / "master.key").rename(tmp_path / "elsewhere.key")
    with (
        pytest.raises(StoreUnusable, match="master key"),
        assemble.open_service(path, Settings(), limits=TINY),
    ):
        pass
    settings = Settings(master_key="file:../elsewhere.key")
    with assemble.open_service(path, settings, limits=TINY) as service:
        assert ask(service, made).status == 201


@pytest.mark.parametrize(
    ("file", "said"),
    [("metadata.db", "belongs to another store"), ("master.key", "was created with master key")],
)
def test_a_file_of_another_store_is_refused_before_anything_is_written(
    tmp_path: Path, made: NewAccessKey, file: str, said: str
) -> None:
    path, other = tmp_path / "store", tmp_path / "other"
    with assemble.open_service(path, Settings(), limits=TINY) as service:
        assert ask(service, made).status == 201
    assemble.create_store(other, account_name="", region="us-east-1", limits=TINY)
    own = (path / file).read_bytes()
    (path / file).write_bytes((other / file).read_bytes())
    with pytest.raises(StoreUnusable, match=said), assemble.open_service(path, Settings(), limits=TINY):
        pass
    with (
        pytest.raises(StoreUnusable, match=said),
        assemble.open_administration(path, Settings(), limits=TINY),
    ):
        pass
    (path / file).write_bytes(own)
    with assemble.open_service(path, Settings(), limits=TINY) as service:
        assert ask(service, made).status == 201


@pytest.mark.parametrize("used", [False, True], ids=["new", "with snapshots"])
def test_another_master_key_is_refused_by_a_store_from_before_fingerprints(
    tmp_path: Path, made: NewAccessKey, used: bool
) -> None:
    path, other = tmp_path / "store", tmp_path / "other"
    if used:
        with assemble.open_service(path, Settings(), limits=TINY) as service:
            assert ask(service, made).status == 201
    described = json.loads((path / "format.json").read_text())
    del described["master_key_fingerprint"]
    (path / "format.json").write_text(json.dumps(described))
    assemble.create_store(other, account_name="", region="us-east-1", limits=TINY)
    own = (path / "master.key").read_bytes()
    (path / "master.key").write_bytes((other / "master.key").read_bytes())
    for opens in (assemble.open_service, assemble.open_administration):
        with (
            pytest.raises(StoreUnusable, match="this is not the master key it was sealed under"),
            opens(path, Settings(), limits=TINY),
        ):
            pass
    (path / "master.key").write_bytes(own)
    with assemble.open_service(path, Settings(), limits=TINY) as service:
        assert ask(service, made).status == 201


def test_settings_reach_what_they_are_about(tmp_path: Path, made: NewAccessKey) -> None:
    settings = Settings(
        pending_snapshots_max=1,
        block_token_age_s=77,
        page_token_age_s=88,
        node_cache_bytes=99,
        snapshots_max=5,
        snapshot_copies_max=7,
    )
    with assemble.open_service(tmp_path / "store", settings, limits=TINY) as service:
        limits, quotas = service.context.limits, service.context.quotas
        assert (limits.block_token_age_s, limits.page_token_age_s, limits.node_cache_bytes) == (77, 88, 99)
        assert (quotas.pending_snapshots_max, quotas.snapshots_max, quotas.snapshot_copies_max) == (1, 5, 7)
        assert ask(service, made).status == 201
        assert b"concurrent pending" in ask(service, made).body


def test_every_rate_setting_limits_its_operation(tmp_path: Path, made: NewAccessKey) -> None:
    names = [name for name in Settings.model_fields if name.endswith("_per_s_max")]
    numbered = Settings.model_validate({name: number for number, name in enumerate(names, 1)})
    limited = rates_of(numbered)
    rates = [*limited.per_account.values(), *limited.per_snapshot.values()]
    assert sorted(rates) == list(range(1, len(names) + 1))
    with assemble.open_service(
        tmp_path / "store", Settings(start_snapshot_per_s_max=0.001), limits=TINY
    ) as service:
        assert [ask(service, made).status for _ in range(2)] == [201, 400]


class Failing:
    """Stands before a part of the service and fails in its place."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        def fail(*_arguments: Any) -> None:
            raise self._error

        return fail


@pytest.mark.parametrize(
    ("part", "error", "reason"),
    [
        ("committer", StoreUnavailable("closed"), "the committer is not running"),
        ("metadata", StoreUnavailable("locked"), "the metadata store does not answer"),
        ("segments", StoreFull("disk at /a/path"), "there is no room for segments"),
        ("segments", StoreUnavailable("EIO on /a/path"), "segments cannot be written"),
    ],
)
def test_readiness_names_the_part_that_would_fail_a_put(
    service: Service, part: str, error: Exception, reason: str
) -> None:
    assert service.unready_reason() == ""
    failing: Any = Failing(error)
    if part == "segments":
        sick = replace(service, segments=failing)
    else:
        sick = replace(service, context=replace(service.context, **{part: failing}))
    assert sick.unready_reason() == reason


def test_a_store_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable):
        assemble.create_store(tmp_path / "no" / "such", account_name="", region="us-east-1")
    assert list(tmp_path.iterdir()) == []


def test_access_keys_come_and_go_while_no_server_runs(tmp_path: Path, made: NewAccessKey) -> None:
    path = tmp_path / "store"
    with assemble.open_administration(path, Settings(), limits=TINY) as administrator:
        second = administrator.ask(CreateAccessKey())
        administrator.ask(SetAccessKeyEnabled(access_key_id=made.access_key_id, enabled=False))
        assert {key.access_key_id: key.enabled for key in administrator.ask(ListAccessKeys())} == {
            made.access_key_id: False,
            second.access_key_id: True,
        }
    another = replace(made, access_key_id=second.access_key_id, secret_access_key=second.secret_access_key)
    with assemble.open_service(path, Settings(), limits=TINY) as service:
        assert [ask(service, key).status for key in (made, another)] == [403, 201]


def test_what_was_made_is_brought_into_the_archive_beside_the_segments(
    tmp_path: Path, made: NewAccessKey
) -> None:
    path = tmp_path / "store"
    assert not (path / "archive").exists()
    with assemble.open_service(path, Settings(), limits=TINY) as service:
        assert ask(service, made).status == 201
        (work,) = [work for work, _ in service.background._works if work.name == "archive"]
        assert work.pause_s == Settings().archive_interval_s
        while work.do_slice():
            pass
        (account,) = service.context.metadata.accounts()
        objects = {str(file.relative_to(path / "archive")) for file in (path / "archive").rglob("*/*")}
    assert objects == {"store/facts", f"account/{account.account_id}", "domain/1"}
