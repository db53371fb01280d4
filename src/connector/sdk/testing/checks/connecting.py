"""Whether credentials and address are right: checks 7 to 9."""

from __future__ import annotations

from connector.sdk.adapter import Health
from connector.sdk.connection import read_config
from connector.sdk.errors import AuthError, Transient
from connector.sdk.testing.bench import Bench, raised_by, require
from connector.sdk.testing.check import Check, check
from connector.sdk.testing.faults import refused, silence


@check(7, "good credentials pass")
async def good_credentials(bench: Bench) -> None:
    """check() says that all is well."""
    async with bench.rig() as rig:
        health = await rig.adapter().check()
        require(isinstance(health, Health), f"check() returns {health!r} where a Health is right")
        require(rig.wire is None or rig.sent() > 0, "check() sends no request: make the cheapest authenticated call")


@check(8, "wrong credentials -> AuthError")
async def wrong_credentials(bench: Bench) -> None:
    """The operator learns that it is the token, not the network."""
    async with bench.rig() as rig:
        config = read_config("contract", rig.adapter_type, rig.sandbox.wrong_settings())
        await raised_by(rig.adapter(config).check(), AuthError, when="with wrong credentials")


@check(9, "unreachable -> Transient within the time-out")
async def unreachable(bench: Bench) -> None:
    """A system that is down is tried again later."""
    for fault in (refused(), silence()):
        async with bench.rig() as rig:
            rig.server().fail(fault)
            await raised_by(rig.adapter().check(), Transient, when=f"on {fault.name}")


CHECKS: tuple[Check, ...] = (good_credentials, wrong_credentials, unreachable)
