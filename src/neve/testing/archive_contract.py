"""The promises of `stores/archive/contract.py`, as tests that every implementation is held to.

    class TestArchiveStores(ArchiveStoreContract): ...      with a fixture `store` for each backend

Promises about power cuts and failing disks need an instrument of the backend's own and stand with it.
"""

from concurrent.futures import ThreadPoolExecutor

import pytest

from neve.errors import ArchiveMissing, StoreUnavailable
from neve.stores.archive.contract import ArchiveStore

_CONTENT = bytes(range(256)) * 4


class ArchiveStoreContract:
    """What must hold for any `ArchiveStore`."""

    @pytest.mark.parametrize("content", [b"", b"x", _CONTENT, _CONTENT * 2_000])
    def test_what_was_written_is_read(self, store: ArchiveStore, content: bytes) -> None:
        store.write("snapshot/snap-1", content)
        assert store.read("snapshot/snap-1") == content

    def test_a_second_write_takes_the_place_of_the_first_whatever_their_lengths(
        self, store: ArchiveStore
    ) -> None:
        for content in (_CONTENT, b"short", _CONTENT * 2):
            store.write("key/k", content)
            assert store.read("key/k") == content
        assert store.names("key", after=None, limit=10) == ["k"]

    def test_kinds_do_not_meet(self, store: ArchiveStore) -> None:
        store.write("account/1", b"an account")
        store.write("domain/1", b"a domain")
        store.delete("account/1")
        assert store.read("domain/1") == b"a domain"
        assert store.names("account", after=None, limit=10) == []
        assert store.names("domain", after=None, limit=10) == ["1"]

    def test_names_of_every_kind_of_character_are_kept_apart(self, store: ArchiveStore) -> None:
        names = ["0", "1", "10", "2", "A", "Z9", "a", "a-b", "a.0.part", "a.part", "a_b", "z" * 128]
        for name in names:
            store.write(f"kind/{name}", name.encode())
        assert [store.read(f"kind/{name}") for name in names] == [name.encode() for name in names]
        assert store.names("kind", after=None, limit=100) == sorted(names)

    def test_what_was_never_written_is_missing(self, store: ArchiveStore) -> None:
        with pytest.raises(ArchiveMissing):
            store.read("snapshot/snap-1")
        store.write("snapshot/snap-1", b"another")
        with pytest.raises(ArchiveMissing):
            store.read("snapshot/snap-2")

    def test_what_was_deleted_is_missing_and_may_be_deleted_again(self, store: ArchiveStore) -> None:
        store.delete("snapshot/snap-1")
        store.write("snapshot/snap-1", b"x")
        store.write("snapshot/snap-2", b"y")
        for _ in range(2):
            store.delete("snapshot/snap-1")
            with pytest.raises(ArchiveMissing):
                store.read("snapshot/snap-1")
        assert store.names("snapshot", after=None, limit=10) == ["snap-2"]

    def test_what_was_deleted_may_be_written_again(self, store: ArchiveStore) -> None:
        store.write("snapshot/snap-1", b"x")
        store.delete("snapshot/snap-1")
        store.write("snapshot/snap-1", b"y")
        assert store.read("snapshot/snap-1") == b"y"

    def test_an_empty_archive_has_no_names(self, store: ArchiveStore) -> None:
        assert store.names("snapshot", after=None, limit=1) == []

    @pytest.mark.parametrize("limit", [1, 2, 7, 19, 20, 21])
    def test_pages_of_names_meet_without_gap_or_overlap(self, store: ArchiveStore, limit: int) -> None:
        names = sorted(f"snap-{number * 37 % 20}" for number in range(20))
        for name in names:
            store.write(f"snapshot/{name}", b"x")
        found: list[str] = []
        while page := store.names("snapshot", after=found[-1] if found else None, limit=limit):
            found += page
            if len(page) < limit:
                break
        assert found == names

    def test_names_go_on_after_a_name_that_is_not_there(self, store: ArchiveStore) -> None:
        for name in ("a", "c", "d"):
            store.write(f"kind/{name}", b"x")
        assert store.names("kind", after="b", limit=2) == ["c", "d"]
        assert store.names("kind", after="d", limit=2) == []

    def test_many_threads_write_read_and_delete_at_once(self, store: ArchiveStore) -> None:
        def go(number: int) -> bytes:
            store.write(f"snapshot/snap-{number}", b"%d" % number * 100)
            store.write(f"snapshot/gone-{number}", b"x")
            store.delete(f"snapshot/gone-{number}")
            return store.read(f"snapshot/snap-{number}")

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(go, range(40))) == [b"%d" % number * 100 for number in range(40)]
        assert len(store.names("snapshot", after=None, limit=100)) == 40

    def test_of_simultaneous_writes_of_one_name_one_wins_as_a_whole(self, store: ArchiveStore) -> None:
        contents = [b"%d" % number * (1_000 + number) for number in range(8)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda content: store.write("key/k", content), contents))
        assert store.read("key/k") in contents

    def test_a_reader_beside_writers_has_all_that_one_of_them_wrote(self, store: ArchiveStore) -> None:
        contents = [b"%d" % number * (1_000 + number) for number in range(8)]
        store.write("key/k", contents[0])
        with ThreadPoolExecutor(3) as pool:
            writing = pool.map(lambda number: store.write("key/k", contents[number % 8]), range(40))
            read = list(pool.map(lambda _: store.read("key/k"), range(40)))
            list(writing)
        assert set(read) <= set(contents)

    def test_closing_twice_changes_nothing_and_a_closed_store_says_so(self, store: ArchiveStore) -> None:
        store.write("key/k", b"abc")
        store.close()
        store.close()
        with pytest.raises(StoreUnavailable):
            store.read("key/k")
        with pytest.raises(StoreUnavailable):
            store.names("key", after=None, limit=1)
