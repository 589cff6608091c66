"""The data keys that seal the blocks of encrypted domains: wrapped by a KMS key, unwrapped for a moment.

    domain ─▶ generation 1, 2, … n ─▶ wrapping (stored) ─ key provider ─▶ 32 bytes (in memory, for `age_s`)
                               └── new blocks are sealed under the newest; the others open what they sealed

A generation is made at a domain's first use and whenever `renew` finds that the KMS key has newer material: so what
an old wrapping and old material give away ends there, and no data is rewritten. Other processes notice a new
generation when they read the wrappings anew, after `age_s`, or at once when a chunk names one they do not know.

Whether a caller may use the KMS key is not decided here. Whether the key works at all is asked before every use
(`key_states`): a key that is disabled or gone stops reads and writes although its data keys are still in memory.
"""

from collections.abc import Mapping
from dataclasses import replace
from threading import Lock
from typing import Final

from neve.clock import Clock, Entropy
from neve.domain.identities import Domain, DomainKey
from neve.domain.kms_keys import EncryptionContext
from neve.errors import ChunkDamaged, KeyProviderUnavailable, KmsError, StoreUnusable
from neve.processors import Processors
from neve.storage.chunk_cipher import KEY_BYTES, MAP_GENERATION, ChunkCipher
from neve.storage.key_states import KeyStates
from neve.stores.keys.contract import KeyDescription, KeyProvider
from neve.stores.keys.key_arns import check_usable
from neve.stores.metadata.contract import MetadataStore
from neve.stores.metadata.contract_keys import DomainWrapping

_FIRST_GENERATION: Final = MAP_GENERATION + 1
_DOES_NOT_OPEN: Final = "InvalidCiphertextException"
_RETIRED: Final = "KMSInvalidStateException"
"""Of a wrapping, while its key is fine: the material that it was made with is not to be used any more."""
_DENIED: Final = "AccessDeniedException"


class DataKeys:
    """Makes, unwraps and renews data keys. Safe from any thread."""

    def __init__(
        self,
        *,
        metadata: MetadataStore,
        provider: KeyProvider,
        clock: Clock,
        entropy: Entropy,
        processors: Processors,
        data_key_age_s: float,
        key_state_age_s: float,
    ) -> None:
        self._wrapper = _Wrapper(metadata, provider, clock, processors)
        self._states = KeyStates(provider, clock, processors, age_s=key_state_age_s)
        self._clock = clock
        self._entropy = entropy
        self._age_s = data_key_age_s
        self._lock = Lock()
        self._kept: dict[DomainKey, _Generations] = {}

    def describe(self, key_arn: str) -> KeyDescription:
        """Return what there is to know of a KMS key; of a remote one, at most `key_state_age_s` old.

        Raises:
            KmsError: as the provider's `describe`.
            KeyProviderUnavailable
        """
        return self._states.describe(key_arn)

    def check_usable(self, key_arn: str) -> None:
        """Return if a KMS key may be used now.

        Raises:
            KmsError: NotFoundException, DisabledException, KMSInvalidStateException, InvalidKeyUsageException,
                and what else the provider's `describe` raises.
            KeyProviderUnavailable
        """
        check_usable(self._states.describe(key_arn))

    def cipher(self, domain: Domain, described: KeyDescription | None = None) -> ChunkCipher:
        """Return what seals and opens the blocks of an encrypted domain; its first data key is made if it has none.

        The cipher is for one piece of work: it holds on to the keys it was made with. Whoever has just asked for the
        key's description gives it, so that it is not asked for twice.

        Raises:
            KmsError: as `check_usable`, and AccessDeniedException.
            KeyProviderUnavailable
            StoreUnusable: a wrapping on record is not one of this domain's.
        """
        assert described is None or described.arn == domain.kms_key_arn
        check_usable(described or self._states.describe(domain.kms_key_arn))
        generations = self._generations(domain)
        newest = generations.newest()
        generations.key(newest)
        return ChunkCipher(
            domain_uid=domain.uid,
            seals_with=newest,
            key_of=generations.key_for_chunk,
            has_key=generations.has_key,
            entropy=self._entropy,
        )

    def renew(self, domain: Domain) -> bool:
        """Begin a new generation and wrap the others anew, where the KMS key has newer material than wrapped them.

        False if there was nothing to do. Where the provider does not tell its material's version, everything is
        renewed each time. May be killed at any instant and repeated; two at once do no harm. A generation that cannot
        be wrapped anew hinders no other.

        Raises:
            KmsError, KeyProviderUnavailable: as `cipher`.
            StoreUnusable: there are wrappings that cannot be made anew though the key is fine. If it does not open them,
                what they sealed is lost until somebody brings their material back.
        """
        description = self._wrapper.described(domain.kms_key_arn)
        check_usable(description)
        stale = [
            wrapping
            for wrapping in self._wrapper.wrappings(domain).values()
            if not description.key_version or wrapping.key_version != description.key_version
        ]
        if not stale:
            return False
        # The new generation first: a renewal that ends here finds the stale wrappings again.
        newest = max(self._wrapper.wrappings(domain))
        if stale[-1].generation == newest:
            self._wrapper.add_generation(domain, newest + 1)
        self._forget(domain)
        refusals = [
            refusal for wrapping in stale if (refusal := self._refusal_to_wrap_anew(domain, wrapping))
        ]
        if refusals:
            raise StoreUnusable("; ".join(refusals))
        return True

    def _refusal_to_wrap_anew(self, domain: Domain, wrapping: DomainWrapping) -> str:
        """Wrap one generation anew; return why that cannot be if it is for good, else nothing."""
        try:
            self._wrapper.wrap_anew(domain, wrapping)
        except StoreUnusable as error:
            return str(error)
        except KmsError as error:
            # That the key itself was stopped meanwhile is no fault of the wrapping's.
            check_usable(self._wrapper.described(domain.kms_key_arn))
            if error.code not in {_RETIRED, _DENIED}:
                raise
            return f"generation {wrapping.generation} of the data key of domain {domain.key}: {error.message}"
        return ""

    def forget_old(self) -> None:
        """Drop keys whose time is over from memory, whether or not anybody asks for them again."""
        with self._lock:
            for key in [key for key, kept in self._kept.items() if self._is_old(kept)]:
                del self._kept[key]
        self._states.forget_old()

    def _generations(self, domain: Domain) -> "_Generations":
        with self._lock:
            kept = self._kept.get(domain.key)
            if kept is None or self._is_old(kept):
                kept = self._kept[domain.key] = _Generations(
                    domain, self._wrapper, made_s=self._clock.monotonic_s()
                )
            return kept

    def _is_old(self, kept: "_Generations") -> bool:
        return self._clock.monotonic_s() - kept.made_s >= self._age_s

    def _forget(self, domain: Domain) -> None:
        with self._lock:
            self._kept.pop(domain.key, None)


class _Generations:
    """The data keys of one domain, each unwrapped when it is first asked for."""

    def __init__(self, domain: Domain, wrapper: "_Wrapper", *, made_s: float) -> None:
        self.made_s = made_s
        self._domain = domain
        self._wrapper = wrapper
        self._lock = Lock()
        """Held while the provider is asked: whoever wants the same key meanwhile waits for that answer."""
        self._wrappings: Mapping[int, DomainWrapping] = {}
        self._keys: dict[int, bytes] = {}

    def newest(self) -> int:
        """Return the generation that new chunks are sealed under."""
        if not self._wrappings:
            with self._wrapper.lent_slot(), self._lock:
                if not self._wrappings:
                    self._wrappings = self._wrapper.wrappings(self._domain)
        return max(self._wrappings)

    def key(self, generation: int) -> bytes:
        """Return the key of a generation.

        Raises:
            ChunkDamaged: the domain has no such generation.
            KmsError, KeyProviderUnavailable, StoreUnusable
        """
        if (known := self._keys.get(generation)) is not None:
            return known
        with self._wrapper.lent_slot(), self._lock:
            if generation not in self._keys:
                self._keys[generation] = self._unwrapped(generation)
            return self._keys[generation]

    def key_for_chunk(self, generation: int) -> bytes:
        """As `key`, in the middle of a read or write whose KMS key was fine a moment ago.

        A refusal now is for the next request to hear properly, which this error invites.

        Raises:
            ChunkDamaged, KeyProviderUnavailable, StoreUnusable
        """
        try:
            return self.key(generation)
        except KmsError as error:
            raise self._not_now(generation, error) from error

    def has_key(self, generation: int) -> bool:
        """Return whether the key of a generation can be had; False is for as long as nobody brings it back.

        Raises:
            KeyProviderUnavailable: nobody can say just now.
        """
        try:
            self.key(generation)
        except (ChunkDamaged, StoreUnusable):
            return False
        except KmsError as error:
            if error.code == _RETIRED:
                return False
            raise self._not_now(generation, error) from error
        return True

    def _not_now(self, generation: int, error: KmsError) -> KeyProviderUnavailable:
        return KeyProviderUnavailable(
            f"generation {generation} of the data key of domain {self._domain.key} cannot be unwrapped: "
            f"{error.code}: {error.message}"
        )

    def _unwrapped(self, generation: int) -> bytes:
        wrapping = self._wrappings.get(generation)
        if wrapping is not None:
            try:
                return self._wrapper.unwrapped(self._domain, wrapping)
            except StoreUnusable:
                pass  # perhaps it was wrapped anew since it was read, and the old material was taken away
        self._wrappings = self._wrapper.wrappings(self._domain)
        wrapping = self._wrappings.get(generation)
        if wrapping is None:
            raise ChunkDamaged(
                f"a chunk names generation {generation} of the data key of domain {self._domain.key}, which there is not"
            )
        return self._wrapper.unwrapped(self._domain, wrapping)


class _Wrapper:
    """Wrappings on record, and the provider that makes and opens them."""

    def __init__(
        self, metadata: MetadataStore, provider: KeyProvider, clock: Clock, processors: Processors
    ) -> None:
        self._metadata = metadata
        self._provider = provider
        self._clock = clock
        self.lent_slot = processors.waiting if provider.remote else _NoSlot
        """For as long as a provider across a network is waited for, another thread may compute."""

    def described(self, key_arn: str) -> KeyDescription:
        """Return what there is to know of a key, asked now."""
        return self._provider.describe(key_arn)

    def wrappings(self, domain: Domain) -> Mapping[int, DomainWrapping]:
        """Return every generation of a domain, ascending; the first one is made if there is none."""
        found = self._metadata.keys.wrappings(domain.key)
        if not found:
            self.add_generation(domain, _FIRST_GENERATION)
            found = self._metadata.keys.wrappings(domain.key)
        return {wrapping.generation: wrapping for wrapping in found}

    def add_generation(self, domain: Domain, generation: int) -> None:
        """Record a fresh data key; nothing changes if somebody was faster."""
        context = _context(domain, generation)
        made = self._provider.generate_data_key(domain.kms_key_arn, context, size_bytes=KEY_BYTES)
        wrapping = DomainWrapping(
            domain_key=domain.key,
            generation=generation,
            wrapping=made.wrapping,
            key_version=made.key_version,
            created_ms=self._clock.now_ms(),
        )
        # What this key will seal can only ever be read through the wrapping: it must open before it counts.
        if self.unwrapped(domain, wrapping) != made.plaintext:
            raise StoreUnusable(f"{self._provider.name} wrapped a data key that opens to another one")
        self._metadata.keys.add_wrapping(wrapping)

    def wrap_anew(self, domain: Domain, old: DomainWrapping) -> None:
        """Replace a wrapping by one under the newest material; nothing changes if somebody was faster."""
        context = _context(domain, old.generation)
        wrapping, key_version = self._provider.re_encrypt(
            domain.kms_key_arn,
            old.wrapping,
            context,
            to_key_arn=domain.kms_key_arn,
            to_context=context,
        )
        new = replace(old, wrapping=wrapping, key_version=key_version)
        if self.unwrapped(domain, new) != self.unwrapped(domain, old):
            raise StoreUnusable(f"{self._provider.name} wrapped a data key anew that opens to another one")
        self._metadata.keys.rewrap(old, new)

    def unwrapped(self, domain: Domain, wrapping: DomainWrapping) -> bytes:
        """Return the data key that a wrapping holds.

        Raises:
            StoreUnusable: it is not this generation of this domain.
            KmsError, KeyProviderUnavailable
        """
        try:
            key = self._provider.decrypt(
                domain.kms_key_arn, wrapping.wrapping, _context(domain, wrapping.generation)
            )
        except KmsError as error:
            if error.code != _DOES_NOT_OPEN:
                raise
            key = b""
        if len(key) != KEY_BYTES:
            raise StoreUnusable(
                f"generation {wrapping.generation} of the data key of domain {domain.key} does not open under "
                f"{domain.kms_key_arn}: its record was altered, or the key is another one than when it was made"
            )
        return key


class _NoSlot:
    """In the place of `Processors.waiting` where nothing is waited for."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


def _context(domain: Domain, generation: int) -> EncryptionContext:
    """Return what a wrapping is bound to (docs/format.md)."""
    return {"neve:domain": domain.uid.hex(), "neve:generation": str(generation)}
