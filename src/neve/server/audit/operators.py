"""What the audit log says of what operators ask, whether a server has the store open or not."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from neve.clock import Clock
from neve.domain.audit import Administered, time_text
from neve.errors import StoreError
from neve.server.administration.messages import AdministrationRefused, Administrator, Answer, Request
from neve.server.audit.log import AuditLog
from neve.server.audit.parameters import shown

_LOOKS: Final = ("list-", "show-", "simulate-", "reckon-", "count-", "verify-", "stop-task")
_FREES: Final = "collect-"
"""Changes nothing that anybody can ask for again, and makes room where there is none to write it down."""
_AGAIN: Final = ("show-task", "feed-task")
"""Asked again and again for as long as some work takes, whose beginning is written down."""
_LEFT_OUT: Final = frozenset({"context", "description", "document", "policy", "text"})
"""Documents and what operators write freely; the audit log has no room for them."""


class AuditedAdministrator:
    """Does what an operator asks by way of another administrator, and writes it down.

    What changes something is refused when it could not be written down, and answered when it was. What only looks is
    written down where a server is asked, if that can be; whoever has the store itself may look anyway.
    """

    def __init__(
        self,
        administrator: Administrator,
        log: Callable[[], AuditLog],
        *,
        operator_uid: int,
        via: str,
        clock: Clock,
    ) -> None:
        """`log` is asked for when the first line is to be written."""
        self._administrator = administrator
        self._log = log
        self._operator_uid = operator_uid
        self._via = via
        self._clock = clock

    def ask(self, request: Request[Answer]) -> Answer:
        name = str(request.__struct_config__.tag)
        looks = name.startswith(_LOOKS)
        if name in _AGAIN or (looks and self._via != "server"):
            return self._administrator.ask(request)
        log = self._log()
        looks = looks or name.startswith(_FREES)
        if not looks:
            log.require_room()
        try:
            answer = self._administrator.ask(request)
        except AdministrationRefused as refused:
            self._write(log, request, looks=looks, outcome=refused.why.value, error=str(refused))
            raise
        except StoreError as failed:
            self._write(log, request, looks=looks, outcome="failed", error=str(failed))
            raise
        self._write(log, request, looks=looks, outcome="done", answer=answer)
        return answer

    def _write(
        self,
        log: AuditLog,
        request: Request[Any],
        *,
        looks: bool,
        outcome: str,
        error: str = "",
        answer: object = None,
    ) -> None:
        record = Administered(
            time=time_text(self._clock.now_ms()),
            request=str(request.__struct_config__.tag),
            operator_uid=self._operator_uid,
            via=self._via,
            parameters=_said(request) | _made(request, answer),
            outcome=outcome,
            error=shown(error),
        )
        if looks:
            log.write(record)
        else:
            log.write_durably(record)


def _said(message: Any) -> dict[str, Any]:
    """Return the members of a request that are recorded: names, numbers, flags."""
    found: dict[str, Any] = {}
    for name in message.__struct_fields__:
        value = getattr(message, name)
        if name in _LEFT_OUT or value is None or value in ("", [], {}):
            continue
        if isinstance(value, str):
            found[name] = shown(value)
        elif isinstance(value, bool | int):
            found[name] = value
        elif isinstance(value, list):
            found[name] = [shown(each) for each in value if isinstance(each, str)]
    return found


_MADE: Final = ("account_id", "user_name", "policy_name", "access_key_id", "key_id")


def _made(request: Any, answer: object) -> dict[str, Any]:
    """Return the names of what a request made; never a secret."""
    view = getattr(answer, "new", answer)
    if not isinstance(view, msgspec.Struct):
        return {}
    known = {name: value for name in _MADE if isinstance(value := getattr(view, name, None), str) and value}
    if view is not answer:  # a key made anew: the request names the old one
        known = {"new_access_key_id": known.get("access_key_id", "")}
    return {name: shown(value) for name, value in known.items() if getattr(request, name, None) != value}
