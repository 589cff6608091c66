"""The one place that knows the order of the steps. Blocking, without sockets.

    who? (auth) ─▶ what? (wire) ─▶ allowed? (auth) ─▶ not too often? (rates) ─▶ operation ─▶ audited ─▶ answer

What is done differently for each service stands in `protocols`; what each operation demands, in `operations`.

A block's body is read between the fourth step and the fifth, so that nobody can make us hold half a MiB who did
not prove who they are; every other body is small, and its hash is part of the signature, so it is read first.
Whatever goes wrong on the way becomes the error of the protocol that was spoken; what is nobody's fault but ours
is reported with its trace and answered without it.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.utils import formatdate
from functools import lru_cache
from typing import Any, Final

from neve.auth import conditions, payload, signature, sigv4
from neve.auth.authorization import RULE_PREFIX, Denied, authorize
from neve.auth.conditions import Conditions
from neve.domain.identities import SnapshotId
from neve.domain.rates import RateLimiter
from neve.errors import (
    CommonError,
    EbsError,
    InvariantError,
    Overloaded,
    RequestError,
    RuleNotFound,
    SnapshotNotFound,
    StoreError,
    ValidationError,
    ValidationReason,
)
from neve.events import Report, RequestAnswered, RequestFailed, trace_of
from neve.messages.ebs import PutSnapshotBlockRequest
from neve.messages.http import RequestHead, Response
from neve.operations.context import Caller, Context
from neve.operations.ebs.answers import invalid_parameter
from neve.server.audit.calls import AnsweredCall, Audit, NoAudit
from neve.server.bodies import BodyFault
from neve.server.credentials import Credentials
from neve.server.demands import Place
from neve.server.operations import OPERATIONS, snapshot_id_of
from neve.server.protocols import PROTOCOLS, Protocol
from neve.wire import restjson_requests
from neve.wire.routes import Route, Service, route

_BODY_FAULTS: Final = {
    BodyFault.ENDED_EARLY: ("MalformedHttpRequestException", 400, "The request body ended early."),
    BodyFault.MALFORMED: ("MalformedHttpRequestException", 400, "The request body is malformed."),
    BodyFault.STALLED: ("RequestTimeoutException", 408, "The request body did not arrive in time."),
    BodyFault.TOO_LONG: ("RequestEntityTooLargeException", 413, "The request body is too large."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What signatures and paths are held to."""

    region: str
    base_path: str = ""
    clock_skew_ebs_s: int = sigv4.EBS_SKEW_S
    clock_skew_ec2_s: int = sigv4.EC2_SKEW_S

    def skew_s(self, service: Service) -> int:
        """Return how far a signature's time may be from ours: JSON services have less patience (contract 1.5)."""
        patient = service in {Service.EC2, Service.STS}
        return self.clock_skew_ec2_s if patient else self.clock_skew_ebs_s


class Pipeline:
    """Takes requests through the steps. One for the process; safe from any thread."""

    def __init__(
        self,
        *,
        context: Context,
        credentials: Credentials,
        limiter: RateLimiter,
        rules: Rules,
        report: Report,
        audit: Audit | None = None,
    ) -> None:
        self.context = context
        self.credentials = credentials
        self.limiter = limiter
        self.rules = rules
        self.report = report
        self.audit = audit or NoAudit()

    def begin(self, head: RequestHead) -> "Exchange":
        """Return the request as something to go on with. Does no I/O and no more work than a look at the path."""
        return Exchange(self, head)

    def answer(self, head: RequestHead, body: bytes) -> Response:
        """Take a whole request through every step: for callers without a socket."""
        exchange = self.begin(head)
        return exchange.admit() or exchange.answer(body)


class Exchange:
    """One request on its way. Its methods are called one after the other, from whatever threads.

    Call `admit`; if it returns an answer, that is the end. Otherwise have the body, `body_bytes_max` of it at most,
    and call `answer`; or `fail_body` or `refuse`, if there is none to be had.
    """

    def __init__(self, pipeline: Pipeline, head: RequestHead) -> None:
        self._pipeline = pipeline
        self._context = pipeline.context
        self._head = head
        self._began_s = self._context.clock.monotonic_s()
        self.request_id = str(uuid.UUID(bytes=self._context.entropy.take(16), version=4))
        self._route: Route | None = None
        self._misrouted: RequestError | None = None
        self._operation = ""
        self._snapshot_id = ""
        self._caller: Caller | None = None
        self._claimed_access_key_id = ""
        self._request: Any = None
        self._answer: Any = None
        self._begun = False
        self._block: PutSnapshotBlockRequest | None = None
        self._payload_hash = ""
        self._body_bytes = 0
        try:
            self._route = route(head, base_path=pipeline.rules.base_path)
            self._operation = self._route.operation
        except RequestError as error:
            self._misrouted = error

    # --- what the shell calls

    @property
    def carries_block(self) -> bool:
        """True if `admit` has work to do before the body may be read; it returns at once otherwise."""
        return self._route is not None and self._route.carries_block

    @property
    def body_bytes_max(self) -> int:
        """The largest body there may be."""
        limits = self._context.limits
        return limits.block_bytes if self.carries_block else self._protocol.body_bytes_max(limits)

    def admit(self) -> Response | None:
        """Take a block's request as far as its head goes; return the answer if that is a refusal already."""
        if self._misrouted is not None:
            return self.refuse(self._misrouted)
        if self.carries_block:
            try:
                self._admit_block()
            except Exception as error:  # noqa: BLE001 - the client gets an answer, and the log the trace
                return self.refuse(error)
        return None

    def answer(self, body: bytes) -> Response:
        """Take the request with its body through the remaining steps; return the answer."""
        self._body_bytes = len(body)
        try:
            response = self._answer_whole(body) if self._block is None else self._answer_block(body)
        except Exception as error:  # noqa: BLE001 - as above
            return self.refuse(error)
        return self._finished(response)

    def fail_body(self, fault: BodyFault) -> Response:
        """Return the answer to a request whose body cannot be read (contract 2.2, choices 21 and 23)."""
        if fault is BodyFault.MADE_WAY:
            return self.refuse(Overloaded("the body came too slowly while others waited for its room"))
        block, block_bytes = self._block, self._context.limits.block_bytes
        if block is None:
            return self.refuse(CommonError(*_BODY_FAULTS[fault]))
        if fault is BodyFault.TOO_LONG and block.data_length != block_bytes:
            return self.refuse(
                ValidationError(
                    f"Block data length {block.data_length} is not valid, expected {block_bytes}",
                    reason=ValidationReason.INVALID_BLOCK,
                )
            )
        return self.refuse(invalid_parameter("Failed to read block data"))

    def refuse(self, error: Exception) -> Response:
        """Return the answer to a request that went wrong. What is not the caller's doing is reported as well."""
        if not isinstance(error, RequestError | Overloaded):
            self._report_failure(error)
        reason = error.reason if isinstance(error, EbsError) else None
        return self._finished(
            self._protocol.encode_error(error, self.request_id),
            error_code=error.code if isinstance(error, RequestError) else type(error).__name__,
            reason=reason or "",
        )

    # --- the steps

    @property
    def _service(self) -> Service:
        return Service.EBS if self._route is None else self._route.service

    @property
    def _protocol(self) -> Protocol:
        return PROTOCOLS[self._service]

    def _admit_block(self) -> None:
        assert self._route is not None
        claim = signature.read(self._head)
        declared = payload.declared_hash(self._head, unsigned_payload_allowed=True)
        self._payload_hash = declared or payload.presumed_hash(self._head)
        caller = self._authenticate(claim, self._payload_hash)
        block = restjson_requests.decode_put_head(self._route, self._head)
        self._allow(caller, block)
        self._block = block

    def _answer_block(self, body: bytes) -> Response:
        assert self._block is not None
        if not payload.vouched_by_checksum(self._head, self._payload_hash):
            payload.require_body(self._payload_hash, body)
        return self._operate(replace(self._block, block_data=body))

    def _answer_whole(self, body: bytes) -> Response:
        assert self._route is not None
        caller = self._authenticate_whole(body)
        self._operation, request = self._protocol.decode(self._route, self._head, body)
        self._allow(caller, request)
        return self._operate(request)

    def _authenticate_whole(self, body: bytes) -> Caller:
        try:
            claim = signature.read(self._head)
            declared = payload.declared_hash(self._head, unsigned_payload_allowed=False)
            caller = self._authenticate(claim, declared or payload.body_hash(body))
            if declared is not None:
                payload.require_body(declared, body)
        except CommonError as error:
            raise self._protocol.unproven(error) from None
        return caller

    def _authenticate(self, claim: signature.Signature, payload_hash: str) -> Caller:
        rules, credentials = self._pipeline.rules, self._pipeline.credentials
        self._claimed_access_key_id = claim.access_key_id
        now_ms = self._context.clock.now_ms()
        credential = credentials.find(claim.access_key_id, claim.session_token, now_ms=now_ms)
        sigv4.verify(
            self._head,
            claim,
            None if credential is None else credential.secret,
            payload_hash=payload_hash,
            region=rules.region,
            service=self._service,
            now_ms=now_ms,
            skew_s=rules.skew_s(self._service),
        )
        if credential is None:
            raise InvariantError("a signature was accepted for an access key nobody has")
        principal = credentials.principal(credential, now_ms=now_ms)
        self._caller = Caller(
            principal=principal,
            access_key_id=claim.access_key_id,
            context=conditions.of_request(self._head, region=rules.region, now_ms=now_ms),
        )
        return self._caller

    def _allow(self, caller: Caller, request: Any) -> None:
        self._request = request
        self._pipeline.audit.admit(self._operation)
        operation = OPERATIONS[type(request)]
        place = Place(region=self._pipeline.rules.region, account_id=caller.account_id)
        keys = {**caller.context, **operation.conditions(request, place)}
        self._caller = replace(caller, context=keys)
        self._snapshot_id = snapshot_id_of(request)
        try:
            authorize(caller.principal, operation.demands(request, place), Conditions(keys, self._tags_of))
        except Denied as denied:
            raise self._protocol.denied(str(denied)) from None
        self._pipeline.limiter.check(
            caller.account_id,
            self._operation,
            self._snapshot_id or None,
            self._context.clock.monotonic_s(),
        )

    def _tags_of(self, snapshot_id: str) -> Mapping[str, str]:
        """Return the tags of a snapshot, as the caller's own: what is shared is shared without them. Or a rule's."""
        assert self._caller is not None
        account_id, metadata = self._caller.account_id, self._context.metadata
        if snapshot_id.startswith(RULE_PREFIX):
            try:
                return metadata.lifecycle.rule(account_id, snapshot_id.removeprefix(RULE_PREFIX)).tags
            except RuleNotFound:
                return {}
        try:
            return metadata.snapshot(account_id, SnapshotId(snapshot_id)).tags
        except SnapshotNotFound:
            return {}

    def _operate(self, request: Any) -> Response:
        assert self._caller is not None
        self._begun = True
        response = OPERATIONS[type(request)].function(self._context, self._caller, request)
        self._answer = response
        self._snapshot_id = self._snapshot_id or snapshot_id_of(response)
        return self._protocol.encode(self._operation, response, self.request_id)

    def _finished(self, response: Response, *, error_code: str = "", reason: str = "") -> Response:
        clock = self._context.clock
        caller = self._caller
        try:
            self._pipeline.audit.answered(self._audited(response.status, error_code, reason))
        except StoreError as error:
            # Whatever became of it, nobody is told so before it is written down.
            self._report_failure(error)
            response = self._protocol.encode_error(error, self.request_id)
            error_code, reason = type(error).__name__, ""
        self._pipeline.report(
            RequestAnswered(
                request_id=self.request_id,
                account_id="" if caller is None else caller.account_id,
                access_key_id="" if caller is None else caller.access_key_id,
                principal="" if caller is None else caller.principal.arn,
                service="" if self._route is None else self._route.service,
                operation=self._operation,
                snapshot_id=self._snapshot_id,
                status=response.status,
                error_code=error_code,
                reason=reason,
                duration_ms=self._duration_ms(),
                bytes_in=self._body_bytes,
                bytes_out=len(response.body),
                peer=self._head.peer,
            )
        )
        return dated(response, clock.now_ms(), *self._protocol.headers)

    def _audited(self, status: int, error_code: str, reason: str) -> AnsweredCall:
        return AnsweredCall(
            head=self._head,
            request_id=self.request_id,
            service=self._service,
            operation=self._operation,
            caller=self._caller,
            claimed_access_key_id=self._claimed_access_key_id,
            begun=self._begun,
            request=self._request,
            response=self._answer,
            status=status,
            error_code=error_code,
            reason=reason,
            duration_ms=self._duration_ms(),
        )

    def _duration_ms(self) -> float:
        return round((self._context.clock.monotonic_s() - self._began_s) * 1000, 2)

    def _report_failure(self, error: Exception) -> None:
        self._pipeline.report(
            RequestFailed(
                request_id=self.request_id,
                operation=self._operation,
                error=f"{type(error).__name__}: {error}",
                trace="" if isinstance(error, StoreError) else trace_of(error),
            )
        )


def dated(response: Response, now_ms: int, *more: tuple[str, str]) -> Response:
    """Return the response with `more` and the `Date` that some SDKs set their clocks by (contract 1.3)."""
    headers = [*response.headers, *more, ("Date", _http_date(now_ms // 1000))]
    return Response(status=response.status, headers=headers, body=response.body)


@lru_cache(maxsize=4)
def _http_date(time_s: int) -> str:
    return formatdate(time_s, usegmt=True)
