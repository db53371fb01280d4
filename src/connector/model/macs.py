"""MAC addresses, in one way of writing, without those that say nothing of a device.

The two flags in the first octet are those of IEEE Std 802-2014, clause 8.2: the lowest bit marks groups, the next one
addresses that no maker has assigned, as virtual adapters and phones that hide have them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_APART = re.compile(r"[\s:.\-]+")
_DIGITS = re.compile(r"[0-9A-F]{12}")
_GROUP, _LOCAL = 0x01, 0x02

SHARED_PREFIXES = (
    "00:00:0C:07:AC:",  # HSRP: the routers that stand in for each other
    "00:00:5E:00:01:", "00:00:5E:00:02:",  # VRRP, RFC 5798 section 7.3
    "00:50:56:C0:00:",  # VMware Workstation's own adapters
)  # fmt: skip
"""Of addresses that several machines answer to, or that software gives each machine."""
SHARED_SUFFIX = ":20:52:41:53"
"""Of addresses that Windows makes up for dial-up (` RAS`)."""
SHARED = frozenset(
    {
        "00:05:9A:3C:78:00", "00:05:9A:3C:7A:00",  # Cisco AnyConnect
        "00:09:0F:AA:00:01", "00:09:0F:FE:00:01",  # FortiClient
        "00:0B:CA:FE:00:00", "00:0B:CA:FE:00:01",  # Juniper Network Connect
        "00:1C:42:00:00:08", "00:1C:42:00:00:09",  # Parallels
        "00:53:45:00:00:00", "20:41:53:59:4E:FF", "44:45:53:54:00:00", "44:45:53:54:42:00", "50:50:54:50:30:30",
        "00:A0:C6:00:00:00", "00:00:FF:FF:FF:FF",
    }
)  # fmt: skip
"""Addresses that an adapter made of software has on every machine; the last lines: dial-up, tunnels and modems."""


def mac_key(text: str) -> str | None:
    """The address as `AA:BB:CC:DD:EE:FF`, whichever way it was written.

    None when it is no address of six octets, and when it is none that a maker gave to one device: zeros, broadcast, a
    group, one that was assigned locally, one that several machines have.
    """
    digits = _APART.sub("", text).upper()
    if _DIGITS.fullmatch(digits) is None or not int(digits, 16) or int(digits[:2], 16) & (_GROUP | _LOCAL):
        return None
    key = ":".join(digits[at : at + 2] for at in range(0, 12, 2))
    is_shared = key in SHARED or key.startswith(SHARED_PREFIXES) or key.endswith(SHARED_SUFFIX)
    return None if is_shared else key


def mac_keys(texts: Iterable[str]) -> tuple[str, ...]:
    """Those of the texts that are the address of one device, in one way of writing, sorted, each once."""
    keys = {mac_key(text) for text in texts}
    return tuple(sorted(key for key in keys if key is not None))
