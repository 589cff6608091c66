"""Settings to the one who keeps the KMS keys.

A provider that is elsewhere need not answer when a server starts: operators start things in any order, and work on
unencrypted snapshots needs no keys. That it is silent is reported, and what needs it is answered 503 until it answers.
Settings that cannot fit together are refused at the start: they do not mend themselves.
"""

from dataclasses import dataclass
from pathlib import Path

from neve.clock import Clock, Entropy
from neve.domain.keyring import Keyring
from neve.domain.kms_keys import key_arn
from neve.errors import KeyProviderUnavailable, KmsError
from neve.events import KeyProviderSilent, Report
from neve.settings import Settings
from neve.stores.keys.contract import KeyProvider
from neve.stores.keys.contract_managed import ManagedKeys
from neve.stores.keys.local import LocalKeyring
from neve.stores.metadata.contract_keys import KeyRecords

_NOBODYS_KEY = "00000000-0000-4000-8000-000000000000"
"""Key id that is asked for at the start: any answer is an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Who keeps the KMS keys."""

    provider: KeyProvider
    managed: ManagedKeys | None
    """The same, where that is us."""


def open_key_provider(
    settings: Settings,
    *,
    store: Path,
    records: KeyRecords,
    keyring: Keyring,
    clock: Clock,
    entropy: Entropy,
    report: Report,
) -> Keys:
    """Return the provider that the settings choose; whoever calls closes it.

    Raises:
        SettingsInvalid: what it needs is not set, or cannot be used.
    """
    local = own_keyring(settings, records, keyring, clock, entropy)
    if local is not None:
        return Keys(provider=local, managed=local)
    # What they stand on takes as long to import as everything else together.
    from neve.assemble_remote_keys import open_remote_keys  # noqa: PLC0415

    provider = open_remote_keys(settings, store=store, clock=clock, entropy=entropy, report=report)
    _say_if_silent(provider, settings, report)
    return Keys(provider=provider, managed=None)


def own_keyring(
    settings: Settings, records: KeyRecords, keyring: Keyring, clock: Clock, entropy: Entropy
) -> LocalKeyring | None:
    """Return the store's own keyring; None where the settings have somebody else keep the keys."""
    if settings.key_provider != "local":
        return None
    return LocalKeyring(
        records=records, keyring=keyring, clock=clock, entropy=entropy, region=settings.region
    )


def _say_if_silent(provider: KeyProvider, settings: Settings, report: Report) -> None:
    region = settings.aws_kms_region or settings.region if settings.key_provider == "aws" else settings.region
    try:
        provider.describe(key_arn(region, "0" * 12, _NOBODYS_KEY))
    except KmsError:
        # There is no such key, or we may not ask: somebody is there.
        return
    except KeyProviderUnavailable as failure:
        report(KeyProviderSilent(provider=provider.name, error=str(failure)))
