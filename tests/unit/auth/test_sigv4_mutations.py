"""Whatever is changed in a signed request, it is refused, or it still means what was signed.

The requests are those of tests/golden/sigv4. Every character of every part is changed once, and Hypothesis
goes on where that stops. "Means the same" is judged here by a plain reading of the request that
shares no code with the verification: one acceptance beyond it would be a forgery.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fix_scoreboard import Figure
from golden.sigv4 import signed_request
from golden.sigv4.signed_request import SignedRequest
from neve.auth import payload, signature
from neve.errors import CommonError
from neve.messages.http import RequestHead

GENUINE = [signed_request.load(name) for name in signed_request.NAMES]
requests = st.sampled_from(GENUINE)
Meaning = tuple[object, ...]


def meaning(request: SignedRequest) -> Meaning:
    """Everything a service could act on."""
    query = sorted(
        tuple(unquote(part, errors="surrogateescape") for part in piece.partition("=")[::2])
        for piece in request.head.raw_query.split("&")
        if piece and unquote(piece.partition("=")[0]) != "X-Amz-Signature"
    )
    claim = signature.read(request.head)
    named = {*claim.signed_headers, "x-amz-content-sha256"}
    headers = sorted(
        (key.lower(), " ".join(value.split()))
        for key, value in request.head.headers
        if key.lower() in named or key.lower().startswith("x-amz-")
    )
    return (request.head.method, request.head.raw_path, query, headers, claim, request.body)


MEANINGS = {request.name: meaning(request) for request in GENUINE}


def accepted(request: SignedRequest) -> bool:
    """Tell whether the service accepts a request. Anything but a clean refusal fails the test by itself."""
    try:
        signed_request.judge(request)
    except CommonError:
        return False
    return True


def require_refused_or_same(mutant: SignedRequest) -> bool:
    if not accepted(mutant):
        return False
    assert meaning(mutant) == MEANINGS[mutant.name]
    return True


def with_head(request: SignedRequest, **changes: Any) -> SignedRequest:
    return replace(request, head=replace(request.head, **changes))


def edits(text: str) -> Iterator[str]:
    """Yield every text that differs in one character: another, none, doubled, the other case, encoded."""
    for at, character in enumerate(text):
        before, after = text[:at], text[at + 1 :]
        for other in (chr(ord(character) ^ 1), "", character * 2, character.swapcase()):
            if other != character:
                yield before + other + after
        yield f"{before}%{ord(character):02X}{after}"


def edited_targets(request: SignedRequest) -> Iterator[SignedRequest]:
    for target in edits(request.head.raw_target):
        yield with_head(request, raw_target=target)


def edited_headers(request: SignedRequest) -> Iterator[SignedRequest]:
    for at, (name, value) in enumerate(request.head.headers):
        for changed in [(name, text) for text in edits(value)] + [(text, value) for text in edits(name)]:
            headers = [*request.head.headers[:at], changed, *request.head.headers[at + 1 :]]
            yield with_head(request, headers=headers)


@pytest.mark.row(16)
def test_no_edit_of_any_character_is_taken_for_another_request(figure: Figure) -> None:
    edited_count = 0
    for request in GENUINE:
        survivors = 0
        for mutant in edited_targets(request):
            survivors += require_refused_or_same(mutant)
            edited_count += 1
        # What survives only spells a parameter in another way; a path has no second spelling.
        assert survivors == 0 or request.head.raw_query
        for mutant in edited_headers(request):
            require_refused_or_same(mutant)
            edited_count += 1
    assert edited_count > 10_000
    figure(
        f"wrong accepts 0 of {edited_count:,} edits of single characters of {len(GENUINE)} recorded requests"
    )


@pytest.mark.row(16)
@pytest.mark.timeout(7200)
def test_no_two_edits_are_taken_for_another_request(full_size: bool, figure: Figure) -> None:
    chance = Random(16)
    pairs = 500_000 if full_size else 2_000
    every = {
        request.name: [each.head for each in (*edited_targets(request), *edited_headers(request))]
        for request in GENUINE
    }
    for _ in range(pairs):
        request = chance.choice(GENUINE)
        first, second = (chance.choice(every[request.name]) for _ in range(2))
        # Of two edits of headers the later one stays; one of the target and one of a header both do.
        head = first if second.raw_target == request.head.raw_target else second
        other = second if head is first else first
        require_refused_or_same(with_head(request, raw_target=head.raw_target, headers=other.headers))
    figure(f"wrong accepts 0 of {pairs:,} pairs of edits")


@pytest.mark.parametrize("request_", GENUINE, ids=lambda request: request.name)
def test_a_signed_header_can_be_neither_dropped_nor_repeated_nor_joined(request_: SignedRequest) -> None:
    signed = signature.read(request_.head).signed_headers
    for at, (name, value) in enumerate(request_.head.headers):
        if name.lower() not in signed:
            continue
        rest = [*request_.head.headers[:at], *request_.head.headers[at + 1 :]]
        for headers in (rest, [*rest, (name, value), (name, value)], [*rest, (name, f"{value},{value}")]):
            assert not accepted(with_head(request_, headers=headers))


@pytest.mark.parametrize("request_", GENUINE, ids=lambda request: request.name)
def test_another_method_is_refused(request_: SignedRequest) -> None:
    for method in {"GET", "PUT", "POST", "DELETE", "HEAD", "get", ""} - {request_.head.method}:
        assert not accepted(with_head(request_, method=method))


@pytest.mark.parametrize("request_", GENUINE, ids=lambda request: request.name)
def test_another_body_is_refused_unless_its_checksum_is_left_to_tell(request_: SignedRequest) -> None:
    mutant = replace(request_, body=request_.body + b"x")
    vouched = payload.vouched_by_checksum(request_.head, request_.payload_hash())
    assert vouched == request_.is_put
    assert accepted(mutant) == vouched


@pytest.mark.parametrize("request_", GENUINE, ids=lambda request: request.name)
@pytest.mark.parametrize("secret", ["", "Secret", "secret ", "AKIDEXAMPLE", "sécret", None])
def test_another_secret_is_refused(request_: SignedRequest, secret: str | None) -> None:
    with pytest.raises(CommonError) as refusal:
        signed_request.judge(request_, secret=secret)
    expected = "UnrecognizedClientException" if secret is None else "InvalidSignatureException"
    assert refusal.value.code == expected


@given(requests, requests)
def test_a_signature_is_worth_nothing_on_another_request(first: SignedRequest, second: SignedRequest) -> None:
    stolen = [pair for pair in first.head.headers if pair[0] == "Authorization"]
    own = [pair for pair in second.head.headers if pair[0] != "Authorization"]
    assert (
        not accepted(with_head(second, headers=[*own, *stolen])) or first.name == second.name or not stolen
        # A presigned request that gets no second signature stays the genuine one.
    )


texts = st.text(alphabet=st.characters(max_codepoint=0x2FF), max_size=8) | st.sampled_from(
    [
        "\ud800",
        "\udcff",
        "%",
        "%2",
        "%2F",
        "+",
        "&",
        "=",
        "..",
        "\u0663",
        "\u212a",
        ";",
        ",",
        "\t",
        " ",
        "\x00",
        "\n",
    ]
)


@st.composite
def torn(draw: st.DrawFn) -> SignedRequest:
    """A genuine request with a few pieces of its text cut out and replaced."""
    request = draw(requests)

    def tear(text: str) -> str:
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 4)))
        return text[:start] + draw(texts) + text[end:]

    tears: list[Callable[[RequestHead], RequestHead]] = [
        lambda head: replace(head, method=tear(head.method)),
        lambda head: replace(head, raw_target=tear(head.raw_target)),
        lambda head: replace(head, headers=[(tear(key), tear(value)) for key, value in head.headers]),
        lambda head: replace(head, headers=[(key, tear(value)) for key, value in head.headers]),
        lambda head: replace(head, headers=draw(st.permutations(head.headers))),
        lambda head: replace(head, headers=[*head.headers, (f"x-amz-{draw(texts)}", draw(texts))]),
        lambda head: replace(head, headers=[*head.headers, (draw(texts), draw(texts))]),
    ]
    head = request.head
    for step in draw(st.lists(st.sampled_from(tears), min_size=1, max_size=3)):
        head = step(head)
    return replace(request, head=head)


@given(torn())
def test_a_torn_request_is_refused_cleanly_or_still_means_what_was_signed(mutant: SignedRequest) -> None:
    require_refused_or_same(mutant)


@given(
    st.builds(
        RequestHead,
        method=texts,
        raw_target=texts,
        headers=st.lists(st.tuples(texts | st.sampled_from(["Authorization", "X-Amz-Date", "Host"]), texts)),
    )
)
def test_noise_is_refused_cleanly(head: RequestHead) -> None:
    assert not accepted(SignedRequest(name="noise", head=head, body=b""))
