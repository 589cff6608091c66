"""Every token in every request that could take one, from either account: it opens what it was given out for, and no more."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from fix_scoreboard import Figure
from neve.domain.identities import AccountId
from neve.errors import ResourceNotFoundError, ValidationError, ValidationReason
from neve.messages import ebs
from neve.operations.ebs.get_snapshot_block import get_snapshot_block
from neve.operations.ebs.list_changed_blocks import list_changed_blocks
from neve.operations.ebs.list_snapshot_blocks import list_snapshot_blocks
from neve.testing.time_and_chance import ManualClock
from neve.testing.world import ACCOUNT, OTHER_ACCOUNT, World

DAY_S = 24 * 3600
BLOCKS = 120
"""More than the smallest page has."""
SAMPLE = (0, 1, 63)
"""Of the indexes, those that the matrix asks for."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that takes a token, without it."""

    operation: str
    first: str
    second: str = ""
    index: int = 0

    def ask(self, world: World, account_id: AccountId, token: str) -> object:
        caller = world.caller(account_id)
        if self.operation == "get":
            got = ebs.GetSnapshotBlockRequest(
                snapshot_id=self.first, block_index=self.index, block_token=token
            )
            return get_snapshot_block(world.context, caller, got).block_data
        if self.operation == "list":
            listed = ebs.ListSnapshotBlocksRequest(snapshot_id=self.first, next_token=token, max_results=100)
            return list_snapshot_blocks(world.context, caller, listed)
        changed = ebs.ListChangedBlocksRequest(
            first_snapshot_id=self.first, second_snapshot_id=self.second, next_token=token, max_results=100
        )
        return list_changed_blocks(world.context, caller, changed)


def content(snapshot: int, index: int) -> bytes:
    return (1 + snapshot * 1000 + index).to_bytes(8, "big") * 8


def snapshots(world: World) -> list[str]:
    """Return a snapshot, its child in which every block differs, and a stranger."""
    made: list[str] = []
    for number in range(3):
        snapshot_id = world.start(parent=made[0] if number == 1 else None)
        for index in range(BLOCKS):
            world.put(snapshot_id, index, content(number, index))
        world.complete(snapshot_id, count=BLOCKS)
        made.append(snapshot_id)
    return made


def given_out(world: World, made: list[str]) -> Iterator[tuple[Asked, str]]:
    """Yield tokens, each with the only request it is for."""
    caller = world.caller()
    for snapshot_id in made:
        listed = list_snapshot_blocks(
            world.context, caller, ebs.ListSnapshotBlocksRequest(snapshot_id=snapshot_id, max_results=100)
        )
        assert listed.next_token is not None
        yield Asked("list", snapshot_id), listed.next_token
        for block in listed.blocks:
            if block.block_index in SAMPLE:
                yield Asked("get", snapshot_id, index=block.block_index), block.block_token
    for first, second in ((made[0], made[1]), (made[1], made[0])):
        request = ebs.ListChangedBlocksRequest(
            first_snapshot_id=first, second_snapshot_id=second, max_results=100
        )
        changed = list_changed_blocks(world.context, caller, request)
        assert changed.next_token is not None
        yield Asked("changed", first, second), changed.next_token


@pytest.mark.row(21)
def test_a_token_opens_what_it_was_given_out_for_and_no_more(
    make_world: Callable[..., World], figure: Figure
) -> None:
    world = make_world()
    tokens = list(given_out(world, snapshots(world)))
    opened = refused = 0
    for _, token in tokens:
        for asked, own in tokens:
            with pytest.raises(ResourceNotFoundError):
                asked.ask(world, OTHER_ACCOUNT, token)
            if token == own:
                assert asked.ask(world, ACCOUNT, token)
                opened += 1
                continue
            with pytest.raises(ValidationError) as refusal:
                asked.ask(world, ACCOUNT, token)
            assert refusal.value.reason == reason(asked)
            refused += 1
    assert opened == len(tokens)
    figure(
        f"tokens: opened {opened} of {opened} with their own request, leaks 0 of {refused} pairs with others and of "
        f"{len(tokens) ** 2} from another account"
    )


@pytest.mark.row(21)
def test_a_forged_or_expired_token_opens_nothing(make_world: Callable[..., World], figure: Figure) -> None:
    clock = ManualClock()
    world = make_world(clock=clock)
    tokens = [pair for pair in given_out(world, snapshots(world)) if pair[0].index in (0, SAMPLE[1])]
    forged = 0
    for asked, token in tokens:
        for at, character in enumerate(token):
            other = "0" if character != "0" else "1"
            for forgery in (token[:at] + other + token[at + 1 :], token[:at]):
                with pytest.raises(ValidationError) as refusal:
                    asked.ask(world, ACCOUNT, forgery)
                assert refusal.value.reason == reason(asked)
                forged += 1
    for seconds, operations in ((3600, {"list", "changed"}), (7 * DAY_S - 3600, {"get"})):
        clock.advance(seconds=seconds - 0.001)
        for asked, token in tokens:
            if asked.operation in operations:
                assert asked.ask(world, ACCOUNT, token)
        clock.advance(seconds=0.001)
        for asked, token in tokens:
            if asked.operation in operations:
                with pytest.raises(ValidationError):
                    asked.ask(world, ACCOUNT, token)
    figure(f"forged tokens opened 0 of {forged:,}; page tokens end at 60 min, block tokens at 7 d")


def reason(asked: Asked) -> ValidationReason:
    return (
        ValidationReason.INVALID_BLOCK_TOKEN
        if asked.operation == "get"
        else ValidationReason.INVALID_PAGE_TOKEN
    )
