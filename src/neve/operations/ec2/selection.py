"""Which of the snapshots a caller may see are asked for: by owner, and by who may restore them (contract 9.3).

    owner        self, an account, amazon (whose snapshots are not here)
    restorer     self     own ones, and those shared with the caller by its account id
                 all      public ones
                 account  own ones that are shared with that account: whom others share with is theirs to know

Without either, everything the caller may see is wanted: own, shared and public ones.
"""

from collections.abc import Iterator
from typing import Final

from neve.domain.filters import WantedTag
from neve.domain.identities import ACCOUNT_ID_PATTERN, SnapshotId
from neve.domain.snapshots import Snapshot, SnapshotKey, observed
from neve.errors import Ec2Error, SnapshotNotFound
from neve.operations.context import Caller, Context
from neve.operations.ec2 import pages
from neve.operations.visibility import Sight
from neve.stores.metadata.contract import EVERYBODY, VisibleSnapshot

_SELF: Final = "self"
_AMAZON: Final = "amazon"


class Selection:
    """The owners and restorers of one request. For one thread."""

    def __init__(
        self, ctx: Context, caller: Caller, *, owners: tuple[str, ...], restorers: tuple[str, ...]
    ) -> None:
        """Take them as the request has them.

        Raises:
            Ec2Error: InvalidUserID.Malformed for what is neither a word of EC2's nor an account.
        """
        self._ctx = ctx
        self._account_id = caller.account_id
        self._owners = self._read(owners, _AMAZON)
        self._restorers = self._read(restorers, EVERYBODY)

    def _read(self, asked: tuple[str, ...], word: str) -> frozenset[str]:
        for text in asked:
            if text not in {_SELF, word} and ACCOUNT_ID_PATTERN.fullmatch(text) is None:
                raise Ec2Error("InvalidUserID.Malformed", f'Invalid user id: "{text}"')
        return frozenset(self._account_id if text == _SELF else text for text in asked)

    def holds(self, visible: VisibleSnapshot) -> bool:
        """Say whether this one is asked for."""
        is_owner_asked = not self._owners or visible.snapshot.account_id in self._owners
        return is_owner_asked and (
            not self._restorers or any(self._may_restore(restorer, visible) for restorer in self._restorers)
        )

    def _may_restore(self, restorer: str, visible: VisibleSnapshot) -> bool:
        is_own = visible.snapshot.account_id == self._account_id
        if restorer == EVERYBODY:
            return visible.public
        if restorer == self._account_id:
            return is_own or visible.shared
        return is_own and restorer in self._grantees(visible.snapshot.snapshot_id)

    def _grantees(self, snapshot_id: SnapshotId) -> frozenset[str]:
        try:
            return frozenset(self._ctx.metadata.permissions(self._account_id, snapshot_id))
        except SnapshotNotFound:  # deleted since it was read
            return frozenset()

    def look_through(
        self, *, after: SnapshotKey | None, only: frozenset[str] | None, tag: WantedTag
    ) -> Iterator[Snapshot]:
        """Yield the snapshots asked for above `after`, ascending by key, as they are seen now.

        `only` and `tag` are as in `pages.look_through`. At most one slice of records is in memory.
        """
        if self._owners == {self._account_id} and not self._restorers:
            # Nobody's public snapshots are in the way of who asks for their own.
            yield from pages.look_through(self._ctx, self._account_id, after=after, only=only, tag=tag)
        elif self._owners != {_AMAZON}:
            now_ms = self._ctx.clock.now_ms()
            for visible in self._visible(after, only, tag):
                if self.holds(visible):
                    yield observed(visible.snapshot, now_ms)

    def _visible(
        self, after: SnapshotKey | None, only: frozenset[str] | None, tag: WantedTag
    ) -> Iterator[VisibleSnapshot]:
        account_id, metadata = self._account_id, self._ctx.metadata
        sight = Sight(self._ctx, account_id)
        if only is not None:
            return pages.handful(sight.snapshot, lambda visible: visible.snapshot.key, after, only)
        return sight.of(
            pages.slices(
                lambda last, limit: metadata.visible_snapshots(
                    account_id, after=last, limit=limit, tag_key=tag.key, tag_value=tag.value
                ),
                lambda visible: visible.snapshot.key,
                after,
            )
        )
