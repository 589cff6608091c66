"""What the suite of key providers is made of: an engine that does to keys what operators do, and what is asked then.

What happens to keys and to whoever keeps them happens outside of the contract: an operator disables a key, somebody
seals the Vault. A `KeyEngine` does that for one provider, and says which of it cannot be done there, and why: those
tests are skipped with that reason, and no other.
"""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Protocol

import pytest

from neve.domain.identities import AccountId
from neve.errors import KmsError
from neve.stores.keys.contract import KeyProvider

ACCOUNT = AccountId("111122223333")
OTHER_ACCOUNT = AccountId("444455556666")
CONTEXT = {"neve:domain": "0f" * 16, "neve:generation": "1"}


class Deed(Enum):
    """What may befall a key or its keeper."""

    DISABLE = auto()
    SCHEDULE_DELETION = auto()
    REMOVE = auto()
    ROTATE = auto()
    DENY = auto()
    STOP_ANSWERING = auto()
    RESTART = auto()
    MAKE_ASYMMETRIC_KEYS = auto()
    MAKE_DEFAULT_KEYS = auto()


class KeyEngine(Protocol):
    """One provider, and a hand on whoever keeps its keys."""

    @property
    def provider(self) -> KeyProvider:
        """The provider under test. Another one after `restart`, where that is what a restart means."""
        ...

    @property
    def cannot(self) -> Mapping[Deed, str]:
        """What cannot be done here, and why. Whatever is not named is done, and tested."""
        ...

    @property
    def accounts(self) -> tuple[AccountId, AccountId]:
        """Two accounts that keys can be made in; the same one twice, where the keeper has no other."""
        ...

    def make_key(self, account_id: AccountId) -> str:
        """Return the ARN of a new enabled symmetric key."""
        ...

    def make_asymmetric_key(self, account_id: AccountId) -> str:
        """Return the ARN of a new key that signs."""
        ...

    def absent_key(self, account_id: AccountId) -> str:
        """Return a well-formed ARN under which there is no key."""
        ...

    def disable(self, key_arn: str) -> None: ...

    def enable(self, key_arn: str) -> None: ...

    def schedule_deletion(self, key_arn: str) -> None: ...

    def remove(self, key_arn: str) -> None: ...

    def rotate(self, key_arn: str) -> None: ...

    def deny(self, key_arn: str) -> None:
        """Let the keeper refuse us everything about the key."""
        ...

    def stop_answering(self) -> None: ...

    def answer_again(self) -> None: ...

    def restart(self) -> None:
        """Stop and start the keeper, which remembers its keys."""
        ...


def needs(engine: KeyEngine, deed: Deed) -> None:
    """Skip the test, out loud, where a deed cannot be done."""
    if deed in engine.cannot:
        pytest.skip(engine.cannot[deed])


def wrapped(engine: KeyEngine, key_arn: str) -> bytes:
    """Return a new data key's wrapping."""
    return engine.provider.generate_data_key(key_arn, CONTEXT, size_bytes=32).wrapping


def every_use(
    provider: KeyProvider, key_arn: str, wrapping: bytes, good_arn: str
) -> Mapping[str, Callable[[], object]]:
    """Return everything that uses a key; `good_arn` is one that may be used."""
    good = provider.generate_data_key(good_arn, CONTEXT, size_bytes=32).wrapping

    def re_encrypt(arn: str, wrapped: bytes, to_arn: str) -> object:
        return provider.re_encrypt(arn, wrapped, CONTEXT, to_key_arn=to_arn, to_context=CONTEXT)

    return {
        "generate_data_key": lambda: provider.generate_data_key(key_arn, CONTEXT, size_bytes=32),
        "decrypt": lambda: provider.decrypt(key_arn, wrapping, CONTEXT),
        "re_encrypt from it": lambda: re_encrypt(key_arn, wrapping, good_arn),
        "re_encrypt to it": lambda: re_encrypt(good_arn, good, key_arn),
        "re_encrypt in place": lambda: re_encrypt(key_arn, wrapping, key_arn),
    }


def refusals(uses: Mapping[str, Callable[[], object]]) -> dict[str, KmsError]:
    """Return how each use was refused."""
    said = {}
    for name, use in uses.items():
        with pytest.raises(KmsError) as refused:
            use()
        said[name] = refused.value
    return said


def check_all_refused(uses: Mapping[str, Callable[[], object]], code: str, key_arn: str) -> None:
    """Return if each use was refused with this code and named the key."""
    refused = refusals(uses)
    assert {name: refusal.code for name, refusal in refused.items()} == dict.fromkeys(uses, code)
    assert [name for name, refusal in refused.items() if key_arn not in refusal.message] == []
