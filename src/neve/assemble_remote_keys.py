"""Settings to a key provider that is elsewhere. Settings that cannot fit together are refused: they do not mend."""

from pathlib import Path

from neve.clock import Clock, Entropy
from neve.errors import KeyProviderUnavailable, KmsError
from neve.events import KeyProviderSilent, Report
from neve.secret_sources import SecretSource, parse_secret_source
from neve.settings import Settings, SettingsInvalid
from neve.stores.keys.contract import KeyProvider
from neve.stores.keys.key_arns import parse_key_arn
from neve.stores.keys.vault import VaultTransit
from neve.stores.keys.vault_http import VaultAddress, VaultHttp
from neve.stores.keys.vault_login import AppRole, VaultLogin


def open_remote_keys(
    settings: Settings, *, store: Path, clock: Clock, entropy: Entropy, report: Report
) -> KeyProvider:
    """Return the provider that the settings choose. It need not answer yet.

    Raises:
        SettingsInvalid: what it needs is not set, or cannot be used.
    """
    if settings.key_provider == "vault":
        return _vault(settings, store, clock, entropy, report)
    assert settings.key_provider == "aws"
    return _aws(settings)


def _vault(settings: Settings, store: Path, clock: Clock, entropy: Entropy, report: Report) -> KeyProvider:
    if not settings.vault_address:
        raise SettingsInvalid("key_provider is vault, and vault_address is not set: say where the server is.")
    ca_file = str(store / settings.vault_ca_file) if settings.vault_ca_file else ""
    try:
        http = VaultHttp(
            VaultAddress(
                url=settings.vault_address,
                namespace=settings.vault_namespace,
                ca_file=ca_file,
                timeout_s=settings.vault_timeout_s,
            )
        )
    except OSError as error:
        raise SettingsInvalid(
            f"vault_ca_file: {ca_file} has no certificates that can be read: {error}."
        ) from None

    def silent(failure: KeyProviderUnavailable) -> None:
        report(KeyProviderSilent(provider=http.name, error=str(failure)))

    login = VaultLogin(http, _login(settings), relative_to=store, clock=clock, on_failure=silent)
    login.keep_alive()
    return VaultTransit(http, login, entropy=entropy, region=settings.region, mount=settings.vault_mount)


def _login(settings: Settings) -> SecretSource | AppRole:
    by_role = bool(settings.vault_role_id or settings.vault_secret_id)
    if bool(settings.vault_token) == by_role:
        raise SettingsInvalid(
            "key_provider is vault: set either vault_token, or vault_role_id and vault_secret_id, to say as whom we "
            "ask it."
        )
    if not by_role:
        return parse_secret_source(settings.vault_token)
    if not (settings.vault_role_id and settings.vault_secret_id):
        raise SettingsInvalid("vault_role_id and vault_secret_id go together: an AppRole is both.")
    return AppRole(
        role_id=settings.vault_role_id,
        secret_id=parse_secret_source(settings.vault_secret_id),
        mount=settings.vault_approle_mount,
    )


def _aws(settings: Settings) -> KeyProvider:
    # botocore takes half a second to import, which a Vault shall not wait for.
    from neve.stores.keys.aws import AwsEndpoint, AwsKeys  # noqa: PLC0415

    if settings.aws_kms_default_key_arn:
        try:
            parse_key_arn(settings.aws_kms_default_key_arn)
        except KmsError:
            raise SettingsInvalid(
                "aws_kms_default_key_arn is no key ARN: it is like arn:aws:kms:us-east-1:111122223333:key/…, and no "
                "alias."
            ) from None
    return AwsKeys(
        AwsEndpoint(
            region=settings.aws_kms_region or settings.region,
            url=settings.aws_kms_endpoint,
            profile=settings.aws_kms_profile,
            timeout_s=settings.aws_kms_timeout_s,
        ),
        default_key_arn=settings.aws_kms_default_key_arn,
    )
