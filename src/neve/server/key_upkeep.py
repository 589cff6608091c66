"""What KMS keys and data keys need without being asked: destroy, rotate, renew.

    delete-keys        keys of the local keyring whose waiting time has been over for a while
    rotate-keys        … whose rotation period is over: new material
    renew-data-keys    domains of any provider whose KMS key has newer material than their data keys' wrappings:
                       every generation is wrapped anew, a new one begins, and no data is rewritten
    forget-data-keys   unwrapped data keys whose time in memory is over

A slice does a bounded piece and may die at any instant: what was left undone is found again. A key that may not be
used just now is no failure; it is looked at again in the next round. That a provider does not answer ends the round
with an event, since its other keys would not answer either.
"""

from collections.abc import Callable, Sequence
from typing import Final

from neve.clock import Clock
from neve.domain.identities import Domain
from neve.errors import KeyProviderUnavailable, KmsError, KmsKeyChanged, KmsKeyNotFound, StoreError
from neve.events import DataKeysRenewed, KmsKeyDeleted, KmsKeyRotated, Report
from neve.server.background import Work, failure
from neve.server.ripening import Ripening
from neve.stores.keys.contract import KeyProvider
from neve.stores.keys.contract_managed import ManagedKeys
from neve.stores.metadata.contract import MetadataStore

_SLICE_KEYS: Final = 20
_SLICE_DOMAINS: Final = 20
_DAMAGED: Final = "InvalidCiphertextException"
"""A wrapping on record that its own key does not open."""
_LOCAL_PAUSE_S: Final = 60.0
"""Between two rounds; and the longest that blocks are still sealed under a data key from before a rotation."""
_REMOTE_PAUSE_S: Final = 600.0
"""The same where every domain costs a round trip to somebody else."""

_FORGET_PAUSE_S: Final = 15.0
"""How much longer than their time data keys that nobody asks for stay in memory."""


def key_works(
    *,
    metadata: MetadataStore,
    provider: KeyProvider,
    keyring: ManagedKeys | None,
    renew: Callable[[Domain], bool],
    forget_old: Callable[[], None],
    clock: Clock,
    ripening: Ripening,
    report: Report,
) -> list[Work]:
    """Return the upkeep of keys.

    `renew` renews the data keys of one domain, and says whether there was anything to do; `forget_old` drops what was
    long enough in memory.
    """

    def forget() -> int:
        forget_old()
        return 0

    renewal = DataKeyRenewal(metadata=metadata, provider=provider, renew=renew, report=report)
    pause_s = _REMOTE_PAUSE_S if provider.remote else _LOCAL_PAUSE_S
    found = [
        Work(name="renew-data-keys", do_slice=renewal.do_slice, pause_s=pause_s),
        Work(name="forget-data-keys", do_slice=forget, pause_s=_FORGET_PAUSE_S),
    ]
    if keyring is not None:
        keys = KeyUpkeep(metadata=metadata, keyring=keyring, clock=clock, ripening=ripening, report=report)
        found += [
            Work(name="delete-keys", do_slice=keys.delete_slice, pause_s=_LOCAL_PAUSE_S),
            Work(name="rotate-keys", do_slice=keys.rotate_slice, pause_s=_LOCAL_PAUSE_S),
        ]
    return found


class KeyUpkeep:
    """Lets time do to keys of our own what was asked for."""

    def __init__(
        self,
        *,
        metadata: MetadataStore,
        keyring: ManagedKeys,
        clock: Clock,
        ripening: Ripening,
        report: Report,
    ) -> None:
        self._metadata = metadata
        self._keyring = keyring
        self._clock = clock
        self._ripening = ripening
        self._report = report

    def delete_slice(self) -> int:
        """Destroy some keys whose time is over without doubt; return how many. One that was saved meanwhile lives.

        A key is never brought back, and KMS takes up to a day more than it says.
        """
        due = self._metadata.keys.kms_keys_to_delete(now_ms=self._ripening.past_ms(), limit=_SLICE_KEYS)
        deleted = 0
        for key in due:
            try:
                self._keyring.remove(key)
            except (KmsKeyChanged, KmsKeyNotFound):
                continue
            deleted += 1
            self._report(KmsKeyDeleted(account_id=key.account_id, key_id=key.key_id))
        return deleted

    def rotate_slice(self) -> int:
        """Give some keys whose period is over new material; return how many."""
        due = self._metadata.keys.kms_keys_to_rotate(now_ms=self._clock.now_ms(), limit=_SLICE_KEYS)
        rotated_count = 0
        for key in due:
            try:
                rotated = self._keyring.rotate(key.key_id)
            except KmsError:
                # Disabled, to be deleted or gone since it was read: then it is not due.
                continue
            rotated_count += 1
            self._report(
                KmsKeyRotated(
                    account_id=key.account_id, key_id=key.key_id, material_version=rotated.material_version
                )
            )
        return rotated_count


class DataKeyRenewal:
    """Goes through the domains, round after round. Belongs to one thread."""

    def __init__(
        self,
        *,
        metadata: MetadataStore,
        provider: KeyProvider,
        renew: Callable[[Domain], bool],
        report: Report,
    ) -> None:
        self._metadata = metadata
        self._provider = provider
        self._renew = renew
        self._report = report
        self._left: list[Domain] = []

    def do_slice(self) -> int:
        """Look at some domains; return how many are left in this round.

        Raises:
            KeyProviderUnavailable: the round is over; the next one begins anew.
        """
        domains = self._left or [domain for domain in self._metadata.domains() if domain.kms_key_arn]
        self._left = []
        self._look_at(domains[:_SLICE_DOMAINS])
        self._left = domains[_SLICE_DOMAINS:]
        return len(self._left)

    def _look_at(self, domains: Sequence[Domain]) -> None:
        for domain in domains:
            try:
                if self._is_stale(domain) and self._renew(domain):
                    self._report(DataKeysRenewed(account_id=domain.account_id, domain=domain.uid.hex()))
            except KeyProviderUnavailable:
                raise
            except (KmsError, StoreError) as error:
                if not isinstance(error, KmsError) or error.code == _DAMAGED:
                    self._report(failure(f"renewing the data keys of domain {domain.uid.hex()}", error))
                # Else the key is disabled, gone or denied to us, and nobody can write either; or it is asked too often.

    def _is_stale(self, domain: Domain) -> bool:
        """Return whether the KMS key has newer material than a wrapping. Who does not tell is not asked to renew."""
        wrappings = self._metadata.keys.wrappings(domain.key)
        if not wrappings:
            return False
        current = self._provider.describe(domain.kms_key_arn).key_version
        return bool(current) and any(wrapping.key_version != current for wrapping in wrappings)
