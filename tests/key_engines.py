"""Engines for the suite of key providers (neve.testing.key_provider_scene) that need no process of their own."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from neve.domain.identities import Account, AccountId
from neve.domain.keyring import Keyring
from neve.domain.kms_keys import KeyState, KmsKey, KmsKeyId, key_arn
from neve.limits import TINY
from neve.stores.keys.key_arns import parse_key_arn
from neve.stores.keys.local import LocalKeyring
from neve.stores.metadata.sqlite import SqliteMetadataStore
from neve.testing.key_provider_scene import ACCOUNT, OTHER_ACCOUNT, Deed, KeyEngine
from neve.testing.memory_keys import MemoryKeys
from neve.testing.memory_metadata import FACTS
from neve.testing.time_and_chance import ManualClock, SeededEntropy

REGION = "us-east-1"


def absent_key(account_id: AccountId) -> str:
    """Return the ARN of a key that nobody makes."""
    return key_arn(REGION, account_id, "00000000-dead-4bad-8bad-000000000000")


@dataclass
class MemoryEngine:
    """`MemoryKeys`, whose switches are its methods."""

    provider: MemoryKeys
    cannot: Mapping[Deed, str]
    accounts: tuple[AccountId, AccountId] = (ACCOUNT, OTHER_ACCOUNT)

    def make_key(self, account_id: AccountId) -> str:
        return self.provider.make_key(account_id)

    def make_asymmetric_key(self, account_id: AccountId) -> str:
        return self.provider.make_key(account_id, symmetric=False)

    def absent_key(self, account_id: AccountId) -> str:
        return absent_key(account_id)

    def disable(self, key_arn: str) -> None:
        self.provider.disable(key_arn)

    def enable(self, key_arn: str) -> None:
        self.provider.enable(key_arn)

    def schedule_deletion(self, key_arn: str) -> None:
        self.provider.schedule_deletion(key_arn)

    def remove(self, key_arn: str) -> None:
        self.provider.remove(key_arn)

    def rotate(self, key_arn: str) -> None:
        self.provider.rotate(key_arn)

    def deny(self, key_arn: str) -> None:
        self.provider.deny(key_arn)

    def stop_answering(self) -> None:
        self.provider.go_away()

    def answer_again(self) -> None:
        self.provider.come_back()

    def restart(self) -> None:
        raise AssertionError(self.cannot[Deed.RESTART])


@contextmanager
def memory_engine(_: Path) -> Iterator[KeyEngine]:
    """Keys in memory."""
    yield MemoryEngine(
        provider=MemoryKeys(region=REGION), cannot={Deed.RESTART: "keys in memory end with their process"}
    )


class LocalEngine:
    """The local keyring over a database."""

    accounts = (ACCOUNT, OTHER_ACCOUNT)
    cannot: Mapping[Deed, str] = {
        Deed.DENY: "the local keyring is ours: nobody can deny it to us",
        Deed.STOP_ANSWERING: "the local keyring answers for as long as the metadata store does",
        Deed.MAKE_ASYMMETRIC_KEYS: "the local keyring makes symmetric keys only",
    }

    def __init__(self, database: Path) -> None:
        self._database = database
        self._entropy = SeededEntropy()
        self._metadata = SqliteMetadataStore.create(database, FACTS)
        for account_id in (ACCOUNT, OTHER_ACCOUNT):
            self._metadata.create_account(Account(account_id=account_id, name="", created_ms=0))
        self.provider = self._opened()

    def close(self) -> None:
        self.provider.close()
        self._metadata.close()

    def make_key(self, account_id: AccountId) -> str:
        return self.provider.create_key(account_id, description="", policy="{}", tags={}).arn

    def make_asymmetric_key(self, account_id: AccountId) -> str:
        raise AssertionError(account_id)

    def absent_key(self, account_id: AccountId) -> str:
        return absent_key(account_id)

    def disable(self, key_arn: str) -> None:
        self._change(key_arn, lambda key: replace(key, state=KeyState.DISABLED))

    def enable(self, key_arn: str) -> None:
        self._change(key_arn, lambda key: replace(key, state=KeyState.ENABLED))

    def schedule_deletion(self, key_arn: str) -> None:
        self._change(key_arn, lambda key: replace(key, state=KeyState.PENDING_DELETION, deletion_ms=1))

    def remove(self, key_arn: str) -> None:
        self.provider.remove(self._change(key_arn, lambda key: key))

    def rotate(self, key_arn: str) -> None:
        self.provider.rotate(_id_of(key_arn))

    def deny(self, key_arn: str) -> None:
        raise AssertionError(key_arn)

    def stop_answering(self) -> None:
        raise AssertionError(self.cannot)

    def answer_again(self) -> None:
        raise AssertionError(self.cannot)

    def restart(self) -> None:
        self.close()
        self._metadata = SqliteMetadataStore.open(self._database, limits=TINY)
        self.provider = self._opened()

    def _opened(self) -> LocalKeyring:
        return LocalKeyring(
            records=self._metadata.keys,
            keyring=Keyring(bytes(32), self._entropy),
            clock=ManualClock(),
            entropy=self._entropy,
            region=REGION,
        )

    def _change(self, key_arn: str, change: Callable[[KmsKey], KmsKey]) -> KmsKey:
        return self.provider.update(_id_of(key_arn), change)


def _id_of(key_arn: str) -> KmsKeyId:
    return KmsKeyId(parse_key_arn(key_arn).key_id)


@contextmanager
def local_engine(directory: Path) -> Iterator[KeyEngine]:
    """The local keyring, its records in SQLite."""
    engine = LocalEngine(directory / "metadata.db")
    try:
        yield engine
    finally:
        engine.close()
