"""Typed requests and answers of the STS calls neve serves. Pinned to botocore's model by tests/unit/messages."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class GetCallerIdentityRequest:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class GetSessionTokenRequest:
    duration_seconds: int | None = None
    serial_number: str | None = None
    token_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GetFederationTokenRequest:
    name: str
    policy: str | None = None
    duration_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssumeRoleRequest:
    """Only what its refusal names: there are no roles to assume."""

    role_arn: str


StsRequest = GetCallerIdentityRequest | GetSessionTokenRequest | GetFederationTokenRequest | AssumeRoleRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class GetCallerIdentityResponse:
    arn: str
    user_id: str
    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)
    expiration_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GetSessionTokenResponse:
    credentials: Credentials


@dataclass(frozen=True, slots=True, kw_only=True)
class FederatedUser:
    federated_user_id: str
    """`<account>:<name>`"""
    arn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GetFederationTokenResponse:
    credentials: Credentials
    federated_user: FederatedUser
    packed_policy_size: int
    """How much of what a session policy may have it has, in percent."""


StsResponse = GetCallerIdentityResponse | GetSessionTokenResponse | GetFederationTokenResponse
