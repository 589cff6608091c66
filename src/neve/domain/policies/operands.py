"""Values that conditions compare: numbers, instants, truths, addresses, bytes.

The same readers serve the policy's side, where what cannot be read makes the document invalid, and the request's
side, where it makes a comparison that cannot be told.
"""

import re
from base64 import b64decode
from datetime import datetime
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,40}(?:\.[0-9]{1,40})?", re.ASCII)
_EPOCH: Final = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,9})?", re.ASCII)
_CALENDAR: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})(?:-([0-9]{2})"
    r"(?:T([0-9]{2}):([0-9]{2})(?::([0-9]{2})(\.[0-9]{1,9})?)?(?:Z|([+-])([0-9]{2}):([0-9]{2})))?)?",
    re.ASCII,
)
"""The W3C profile of ISO 8601, without the bare year: four digits are seconds here."""
_NETWORK: Final = re.compile(r"[0-9A-Fa-f:.]{2,45}(?:/[0-9]{1,3})?", re.ASCII)
_TRUTHS: Final = {"true": True, "false": False}
_BEGINNING: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - both sides of a subtraction are UTC
_MINUTES_PER_DAY: Final = 24 * 60


def read_number(text: str) -> Decimal:
    """Return a decimal number.

    Raises:
        ValueError
    """
    if _NUMBER.fullmatch(text) is None:
        raise ValueError
    return Decimal(text)


def read_instant(text: str) -> Decimal:
    """Return seconds since 1970 from such seconds, or from a date with or without a time.

    Raises:
        ValueError
    """
    if _EPOCH.fullmatch(text) is not None:
        return Decimal(text)
    found = _CALENDAR.fullmatch(text)
    if found is None:
        raise ValueError
    year, month, day, hour, minute, second, fraction, sign, zone_hours, zone_minutes = found.groups()
    at = datetime(  # noqa: DTZ001 - the zone is subtracted below, where no date can leave the calendar
        int(year), int(month), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0)
    )
    east_minutes = int(zone_hours or 0) * 60 + int(zone_minutes or 0)
    if east_minutes >= _MINUTES_PER_DAY or int(zone_minutes or 0) > 59:
        raise ValueError
    since = at - _BEGINNING
    seconds = since.days * 86_400 + since.seconds - 60 * east_minutes * (-1 if sign == "-" else 1)
    return Decimal(seconds) + Decimal(fraction or 0)


def read_truth(text: str) -> bool:
    """Return true or false, in any case.

    Raises:
        ValueError
    """
    truth = _TRUTHS.get(text.lower())
    if truth is None:
        raise ValueError
    return truth


def read_binary(text: str) -> bytes:
    """Return what base64 says.

    Raises:
        ValueError
    """
    return b64decode(text, validate=True)


def read_network(text: str) -> Network:
    """Return an address or a range; bits beyond the prefix are ignored, as in AWS.

    Raises:
        ValueError
    """
    if _NETWORK.fullmatch(text) is None:
        raise ValueError
    return ip_network(text, strict=False)


def lies_in(text: str, network: Network) -> bool:
    """Say whether an address lies in a range; an IPv4 address in IPv6's clothes is both.

    Raises:
        ValueError: it is no address.
    """
    address = ip_address(text)
    within: list[Address] = [address]
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        within.append(address.ipv4_mapped)
    return any(candidate in network for candidate in within)
