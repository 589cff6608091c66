"""Collection, as operators ask for it."""

from neve.server.administration.messages_tasks import CollectGarbage, TaskView
from neve.server.administration.task_desk import view_of
from neve.server.administration.texts import share_of
from neve.server.collecting import Collections


class CollectionDesk:
    """What operators ask about what nothing needs."""

    def __init__(self, collections: Collections) -> None:
        self._collections = collections

    def collect(self, request: CollectGarbage) -> TaskView:
        share_max = share_of(request.share_max) if request.share_max else None
        return view_of(
            self._collections.begin(dry_run=request.dry_run, share_max=share_max, at_once=request.at_once)
        )
