"""The signed requests in this folder, as values."""

from dataclasses import dataclass
from pathlib import Path

from neve.auth import payload, signature, sigv4
from neve.messages.http import RequestHead

FOLDER = Path(__file__).parent
ACCESS_KEY_ID, SECRET, REGION = "AKIDEXAMPLE", "secret", "us-east-1"
SIGNED_MS = signature.amz_date_ms("20260101T000000Z")
NAMES = sorted(path.stem for path in FOLDER.glob("*.req"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRequest:
    """One case, and what its service has to know to judge it."""

    name: str
    head: RequestHead
    body: bytes

    @property
    def service(self) -> str:
        return "ec2" if self.name.startswith("ec2") else "ebs"

    @property
    def is_put(self) -> bool:
        return self.head.method == "PUT"

    def step(self, suffix: str) -> str:
        return (FOLDER / f"{self.name}.{suffix}").read_text()

    def payload_hash(self) -> str:
        """Decide the hash as the service does: before the body for a block, with it for all else."""
        declared = payload.declared_hash(self.head, unsigned_payload_allowed=self.is_put)
        if declared is not None:
            return declared
        return payload.presumed_hash(self.head) if self.is_put else payload.body_hash(self.body)


def load(name: str) -> SignedRequest:
    """Read one case."""
    text, _, body = (FOLDER / f"{name}.req").read_bytes().partition(b"\n\n")
    request_line, *lines = text.decode().split("\n")
    method, raw_target, _ = request_line.split(" ")
    headers = [(key, value) for key, _, value in (line.partition(":") for line in lines)]
    head = RequestHead(method=method, raw_target=raw_target, headers=headers)
    return SignedRequest(name=name, head=head, body=body)


def judge(request: SignedRequest, *, secret: str | None = SECRET, now_ms: int = SIGNED_MS) -> None:
    """Do what the service does with a request, from the head to the body; raise if it is refused."""
    claim = signature.read(request.head)
    payload_hash = request.payload_hash()
    sigv4.verify(
        request.head,
        claim,
        secret if claim.access_key_id == ACCESS_KEY_ID else None,
        payload_hash=payload_hash,
        region=REGION,
        service=request.service,
        now_ms=now_ms,
        skew_s=sigv4.EBS_SKEW_S,
    )
    if not payload.vouched_by_checksum(request.head, payload_hash):
        payload.require_body(payload_hash, request.body)
