"""Everything an operator may set, with its default, bounds and meaning.

    flag  >  environment (NEVE_...)  >  TOML file (DIR/neve.toml, or --config)  >  default

Names carry their unit; 0 means "no limit" only where the text says so. A key nobody knows is an error, wherever
it stands: a misspelt limit must not silently be no limit. Nothing below the command line reads settings from the
environment.
`docs/configuration.md` lists every setting; a test holds it to this file.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from neve.errors import NeveError
from neve.limits import KIB, MIB
from neve.settings_values import (
    MOUNT,
    Count,
    OptionalSecretPlace,
    PerSecond,
    Positive,
    Seconds,
    SecretPlace,
    Timeout,
    TokenAge,
    Url,
)

ENVIRONMENT_PREFIX = "NEVE_"
FILE_NAME = "neve.toml"
"""What the settings file in a store directory is called."""

_PORT_MAX = 65_535


class SettingsInvalid(NeveError):
    """A setting cannot be used. The message names the setting, where it came from and what is wrong."""


class Origin(StrEnum):
    """Where a value came from."""

    FLAG = "flag"
    ENVIRONMENT = "environment"
    FILE = "file"
    DEFAULT = "default"


class Settings(BaseModel):
    """What one server runs with. Frozen; made by `load`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # --- where, and as what

    listen: str = Field(
        default="127.0.0.1:9753",
        pattern=r"^(\[[0-9a-fA-F:.]+\]|[^\s:\[\]]+):[0-9]{1,5}$",
        description="Address and port to listen on, `host:port` or `[ipv6]:port`. Port 0 takes a free one.",
    )
    region: str = Field(
        default="us-east-1",
        pattern=r"^[a-z0-9-]{1,32}$",
        description="Region that clients must sign for. `neve init` writes it into the store's settings file.",
    )
    base_path: str = Field(
        default="",
        pattern=r"^(/[A-Za-z0-9._~-]+)*$",
        description="Prefix of every path, for an endpoint URL such as `http://host/base`. Empty for none.",
    )
    master_key: SecretPlace = Field(
        default="file:master.key",
        description="Where the store's master key is: `file:PATH` (relative to the store), `env:NAME`, "
        "`command:CMD ARGS` or `credential:NAME` (systemd).",
    )

    # --- who keeps the KMS keys

    key_provider: Literal["local", "vault", "aws"] = Field(
        default="local",
        description="Who keeps the KMS keys: the store itself, Vault or OpenBao, or AWS KMS (or what speaks its API).",
    )
    key_state_age_s: Annotated[float, Field(ge=0, le=300, allow_inf_nan=False)] = Field(
        default=1.0,
        description="How long a remote key's state may be remembered; the store's own is asked always.",
    )
    data_key_age_s: Annotated[float, Field(gt=0, le=24 * 3600, allow_inf_nan=False)] = Field(
        default=60.0, description="How long an unwrapped data key may be kept in memory."
    )
    vault_address: Url = Field(default="", description="Vault or OpenBao server: `https://host:8200`.")
    vault_namespace: str = Field(
        default="", pattern=r"^[A-Za-z0-9_./-]{0,256}$", description="Namespace in it. Empty for none."
    )
    vault_mount: str = Field(
        default="transit",
        pattern=MOUNT,
        description="Where its transit engine is mounted.",
    )
    vault_token: OptionalSecretPlace = Field(
        default="", description="Where our token is, in the forms of `master_key`. Empty to use an AppRole."
    )
    vault_role_id: str = Field(
        default="",
        pattern=r"^[!-~]{0,256}$",
        description="Role id of our AppRole. Empty to use a token.",
    )
    vault_secret_id: OptionalSecretPlace = Field(
        default="", description="Where the AppRole's secret id is, in the forms of `master_key`."
    )
    vault_approle_mount: str = Field(
        default="approle",
        pattern=MOUNT,
        description="Where AppRole authentication is mounted.",
    )
    vault_ca_file: str = Field(
        default="", description="Certificates to trust instead of the system's; relative to the store."
    )
    vault_timeout_s: Timeout = Field(
        default=5.0, description="How long to wait for a connection to it and for its answer, each."
    )
    aws_kms_endpoint: Url = Field(
        default="", description="Endpoint of KMS. Empty for AWS's own of the region."
    )
    aws_kms_region: str = Field(
        default="", pattern=r"^[a-z0-9-]{0,32}$", description="Region of KMS. Empty for `region`."
    )
    aws_kms_profile: str = Field(
        default="", description="AWS profile to ask as. Empty for the usual chain of credentials."
    )
    aws_kms_default_key_arn: str = Field(
        default="", description="Key of snapshots that are encrypted without naming one. Empty for none."
    )
    aws_kms_timeout_s: Timeout = Field(
        default=5.0, description="How long to wait for a connection to it and for its answer, each."
    )

    # --- what is logged

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level that is logged; each request is one line of level `info`."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto",
        description="Form of log lines; `auto` is `console` on a terminal and `json` elsewhere.",
    )

    # --- who did what

    audit_log: Literal["off", "management", "all"] = Field(
        default="management",
        description="Calls with a line in the audit log: none, those that manage, or those that move blocks as well.",
    )
    audit_file_bytes_max: Annotated[int, Field(ge=64 * KIB)] = Field(
        default=64 * MIB,
        description="Size at which the audit log goes on in a new file. None is ever deleted.",
    )

    # --- how much at once

    request_threads: Positive = Field(
        default=64,
        description="Requests worked on at once; as many more as there are connections wait their turn.",
    )
    computing_threads_max: Annotated[int, Field(ge=0)] = Field(
        default=0,
        description="Threads of those that compute at once, the others wait; 0: one more than there are processors.",
    )
    connections_max: Positive = Field(
        default=512, description="Open connections; one more is closed at once."
    )
    body_bytes_in_flight_max: Positive = Field(
        default=64 * MIB,
        description="Request bodies held in memory at once; a request past it is answered 503 with Retry-After.",
    )

    # --- how long

    header_deadline_s: Seconds = Field(
        default=10.0,
        description="Time for a request's head, from its first byte; then the connection is closed.",
    )
    body_deadline_s: Seconds = Field(
        default=30.0,
        description="Time for a request's body or for taking an answer, before the time its size adds.",
    )
    body_bytes_per_s_min: Positive = Field(
        default=64 * KIB,
        description="Slowest transfer that is waited for: a body adds its size divided by this.",
    )
    keep_alive_s: Seconds = Field(
        default=75.0, description="Time a connection may stay open without a request."
    )
    shutdown_grace_s: Seconds = Field(
        default=30.0, description="Time for requests in flight to finish when the server is told to stop."
    )

    # --- signatures and tokens

    clock_skew_ebs_s: Count = Field(
        default=300,
        description="How far a signature's time may be from the server's, for the EBS direct APIs.",
    )
    clock_skew_ec2_s: Count = Field(default=900, description="The same for the EC2 and STS calls.")
    block_token_age_s: TokenAge = Field(default=7 * 24 * 3600, description="How long a block token is valid.")
    page_token_age_s: TokenAge = Field(default=3600, description="How long a page token is valid.")

    # --- quotas and rates, per account

    pending_snapshots_max: Count = Field(
        default=100, description="Pending snapshots an account may have. 0 is no limit."
    )
    snapshots_max: Count = Field(default=0, description="Snapshots an account may have. 0 is no limit.")
    snapshot_copies_max: Count = Field(
        default=20, description="Copies an account may have under way. 0 is no limit."
    )
    start_snapshot_per_s_max: PerSecond = Field(
        default=0, description="StartSnapshot calls per second and account. 0 is no limit, here and below."
    )
    complete_snapshot_per_s_max: PerSecond = Field(
        default=0, description="CompleteSnapshot calls per second and account."
    )
    list_snapshot_blocks_per_s_max: PerSecond = Field(
        default=0, description="ListSnapshotBlocks calls per second and account."
    )
    list_changed_blocks_per_s_max: PerSecond = Field(
        default=0, description="ListChangedBlocks calls per second and account."
    )
    get_snapshot_block_per_s_max: PerSecond = Field(
        default=0, description="GetSnapshotBlock calls per second and account."
    )
    get_snapshot_block_per_snapshot_per_s_max: PerSecond = Field(
        default=0, description="GetSnapshotBlock calls per second and snapshot."
    )
    put_snapshot_block_per_s_max: PerSecond = Field(
        default=0, description="PutSnapshotBlock calls per second and account."
    )
    put_snapshot_block_per_snapshot_per_s_max: PerSecond = Field(
        default=0, description="PutSnapshotBlock calls per second and snapshot."
    )

    # --- the store

    zstd_level: int = Field(
        default=1, ge=-7, le=19, description="Compression level of new chunks: -7 (fastest) to 19 (smallest)."
    )
    node_cache_bytes: Count = Field(
        default=32 * MIB, description="Opened block-map nodes kept in memory for readers."
    )
    expire_interval_s: Seconds = Field(
        default=15.0,
        description="Pause between looks for pending snapshots whose Timeout has run out, and into the recycle bin.",
    )
    reap_interval_s: Seconds = Field(
        default=600.0, description="Pause between looks for records that nobody needs any more."
    )

    # --- keeping and taking away

    deletion_undo_s: Count = Field(
        default=3 * 24 * 3600,
        description="How long the deletion of a completed snapshot can be undone with `neve undelete`. Its bytes stay so "
        "long.",
    )
    condemned_keep_s: Count = Field(
        default=24 * 3600,
        description="How long bytes that nothing needs stay on the disk after their records are gone.",
    )
    collect_interval_s: Count = Field(
        default=6 * 3600, description="Pause between collections. 0 for none but those of `neve gc`."
    )
    collect_share_max: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="Share of all chunks that one collection may take away: with more it stops and asks.",
    )
    scrub_period_s: Count = Field(
        default=7 * 24 * 3600,
        description="Every stored byte is read and proven once in this time, by itself. 0 for never.",
    )
    archive_interval_s: Seconds = Field(
        default=5.0,
        description="Pause between looks for changes that the archive is to have. Completions are there before they show.",
    )

    @field_validator("listen")
    @classmethod
    def _check_port(cls, listen: str) -> str:
        if int(listen.rpartition(":")[2]) > _PORT_MAX:
            raise ValueError(f"a port is at most {_PORT_MAX}")
        return listen

    @property
    def listen_host(self) -> str:
        """The address to listen on, without the brackets of an IPv6 address."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def listen_port(self) -> int:
        """The port to listen on."""
        return int(self.listen.rpartition(":")[2])


_SOURCES = frozenset({"master_key", "vault_token", "vault_secret_id"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Settings, and where each value came from."""

    settings: Settings
    origins: Mapping[str, Origin]


def load(
    *, flags: Mapping[str, object], environment: Mapping[str, str], file: Path | None, file_must_exist: bool
) -> Loaded:
    """Return the settings made of `flags`, `environment` and `file`, each above the next.

    A file that is not there counts as empty unless it must exist: a store need not have one.

    Raises:
        SettingsInvalid
    """
    sources: dict[Origin, Mapping[str, object]] = {
        Origin.FILE: {} if file is None else _from_file(file, must_exist=file_must_exist),
        Origin.ENVIRONMENT: _from_environment(environment),
        Origin.FLAG: flags,
    }
    origins = dict.fromkeys(Settings.model_fields, Origin.DEFAULT)
    merged: dict[str, object] = {}
    for origin, values in sources.items():
        for name, value in values.items():
            if name not in origins:
                raise SettingsInvalid(_unknown(name, _place(name, origin, file)))
            merged[name], origins[name] = value, origin
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as invalid:
        raise SettingsInvalid(_sentences(invalid, origins, file)) from None
    return Loaded(settings=settings, origins=origins)


def _from_file(file: Path, *, must_exist: bool) -> dict[str, object]:
    try:
        with file.open("rb") as stream:
            found = tomllib.load(stream)
    except FileNotFoundError:
        if must_exist:
            raise SettingsInvalid(f"There is no settings file {file}.") from None
        return {}
    except OSError as error:
        raise SettingsInvalid(f"The settings file {file} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"The settings file {file} is not TOML: {error}.") from None
    for name, value in found.items():
        # TOML's true would pass for the number 1.
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise SettingsInvalid(f"{name} in {file} is one string or number, not {value!r}.")
    return found


def _from_environment(environment: Mapping[str, str]) -> dict[str, object]:
    return {
        variable.removeprefix(ENVIRONMENT_PREFIX).lower(): value
        for variable, value in environment.items()
        if variable.startswith(ENVIRONMENT_PREFIX)
    }


def _place(name: str, origin: Origin, file: Path | None) -> str:
    """Return how a reader finds the setting `name` where `origin` says it stands."""
    return {
        Origin.FLAG: f"--{name.replace('_', '-')}",
        Origin.ENVIRONMENT: f"the environment variable {ENVIRONMENT_PREFIX}{name.upper()}",
        Origin.FILE: f"{name} in {file}",
        Origin.DEFAULT: f"the default of {name}",
    }[origin]


def _unknown(name: str, place: str) -> str:
    near = get_close_matches(name, Settings.model_fields, n=1)
    hint = f" Did you mean {near[0]}?" if near else " `neve config show` lists the settings there are."
    return f"There is no setting {name}: see {place}.{hint}"


def _sentences(invalid: ValidationError, origins: Mapping[str, Origin], file: Path | None) -> str:
    sentences = []
    for problem in invalid.errors(include_url=False):
        name = str(problem["loc"][0])
        said = problem["msg"].removeprefix("Value error, ")
        # Where a source belongs, the secret itself may stand: it is not repeated.
        given = "" if name in _SOURCES else f" is {problem['input']!r}, which"
        sentences.append(f"{_place(name, origins[name], file)}{given} will not do: {said}.")
    return " ".join(sentence[0].upper() + sentence[1:] for sentence in sentences)
