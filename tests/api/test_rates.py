"""Who asks more often than it may is told when to come again; nobody else notices."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address, ip_network

import pytest
import websockets

from connector.api import rates as counting
from connector.api.access import ApiKey
from connector.api.rates import Rate, RateLimits, Rates, client_of
from connector.api.shared_rates import SharedRates
from connector.model.principals import ADMIN, Principal
from tests.api.conftest import TOKEN, OpenHub, connected, plain_client, served
from tests.conftest import MovableClock
from tests.ingest.adapters import SECRET, scripted

QUERY = {"query": "{ tickets(first: 1) { totalCount } }"}
ADA, BOB = ({"authorization": f"Bearer {name}-has-a-long-key"} for name in ("ada", "bob"))
KEYS = [ApiKey.of(f"{name}-has-a-long-key", Principal(name, frozenset({ADMIN}))) for name in ("ada", "bob")]


class Seconds:
    """Time that goes by when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        monkeypatch.setattr(counting, "monotonic", lambda: self.now)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Seconds:
    return Seconds(monkeypatch)


def test_a_burst_may_come_at_once_and_then_one_each_interval(time: Seconds):
    rate = Rate("key", "this key", 60, burst_s=5)

    assert [rate.take("ada") for _ in range(6)] == [0, 0, 0, 0, 0, 1.0]
    time.now += 0.25
    assert rate.take("ada") == 0.75
    time.now += 0.75
    assert [rate.take("ada"), rate.take("ada"), rate.take("bob")] == [0, 1.0, 0]
    time.now += 3_600
    assert [rate.take("ada") for _ in range(6)] == [0, 0, 0, 0, 0, 1.0]


def test_over_any_time_no_more_comes_through_than_the_rate_and_one_burst(time: Seconds):
    """Asked at every quarter of a second for a minute: 60 in that minute, and 10 more at its begin."""
    rate = Rate("key", "this key", 60, burst_s=10)

    let_in = 0
    for _ in range(240):
        let_in += rate.take("ada") == 0
        time.now += 0.25

    assert let_in == 69  # the last of the 60 would be due when the minute is over


def test_those_seen_first_are_forgotten_when_there_are_too_many(time: Seconds, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(counting, "MOST_CLIENTS", 3)
    rate = Rate("key", "this key", 60, burst_s=1)

    assert [rate.take(client) for client in "abcd"] == [0] * 4
    assert [rate.take(client) for client in "bcd"] == [1.0] * 3
    assert rate.take("a") == 0


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
        ("not:an:address", "not:an:address"),
    ],
)
def test_an_address_stands_for_whoever_has_it(address: str, client: str):
    assert client_of(address) == client
    if client.endswith("/64") and "%" not in address:
        assert ip_address(address) in ip_network(client)


async def test_a_key_has_a_limit_of_its_own(open_hub: OpenHub, time: Seconds):
    async with open_hub(keys=KEYS, rates=Rates(RateLimits(per_key=60, burst_s=3))) as hub:
        ask = hub.client.post
        statuses = [(await ask("/graphql", json=QUERY, headers=ADA)).status_code for _ in range(5)]
        refused = await ask("/graphql", json=QUERY, headers=ADA)
        others = await ask("/graphql", json=QUERY, headers=BOB)
        health = await hub.client.get("/healthz", headers=ADA)
        paper = await hub.client.get("/labels/1", headers=ADA)

    assert statuses == [200, 200, 200, 200, 429]  # the first was counted by address alone: nobody knew the key
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["ratelimit"] == '"key";r=0;t=1'
    assert refused.headers["ratelimit-policy"] == '"key";q=60;w=60'
    assert refused.headers["x-content-type-options"] == "nosniff"
    assert refused.json()["errors"] == [
        {
            "message": "this key may ask 60 times a minute, and has asked more often; nothing of this request was done",
            "extensions": {"code": "RATE_LIMITED", "hint": "Ask again in 1 s."},
        }
    ]
    assert (others.status_code, health.status_code, paper.status_code) == (200, 200, 429)


async def test_guessing_keys_is_limited_by_address_and_uses_up_nobody_elses_limit(open_hub: OpenHub, time: Seconds):
    limits = RateLimits(per_key=60, per_address=120, burst_s=2)
    async with open_hub(keys=KEYS, rates=Rates(limits)) as hub:
        guesses = [
            (await hub.client.post("/graphql", json=QUERY, headers={"authorization": f"Bearer guess-{n}"})).status_code
            for n in range(6)
        ]
        time.now += 2
        owner = await hub.client.post("/graphql", json=QUERY, headers=ADA)

    assert guesses == [401, 401, 401, 401, 429, 429]
    assert owner.status_code == 200


async def test_webhooks_are_counted_by_source_and_address_and_apart_from_queries(
    clock: MovableClock, open_hub: OpenHub, time: Seconds
):
    cmdb, itsm = scripted(clock)[1], scripted(clock)[1]
    limits = RateLimits(per_address=60, webhooks=120, burst_s=1)
    async with open_hub(connections={"cmdb": cmdb, "itsm": itsm}, rates=Rates(limits)) as hub:

        async def post(source: str) -> int:
            answer = await hub.client.post(f"/webhooks/{source}", content=b'{"id": 1}', headers={"x-signature": SECRET})
            return answer.status_code

        assert [await post("cmdb") for _ in range(3)] == [202, 202, 429]
        assert [await post("itsm") for _ in range(3)] == [202, 202, 429]
        assert (await hub.client.post("/graphql", json=QUERY)).status_code == 200
        assert [await post(f"guess-{n}") for n in range(2)] == [429, 429]  # as any request
        time.now += 0.5
        assert await post("cmdb") == 202


async def test_operations_of_a_socket_are_counted_and_the_socket_stays(open_hub: OpenHub, time: Seconds):
    limits = Rates(RateLimits(per_key=60, burst_s=2))
    async with (
        open_hub(keys=KEYS, rates=limits) as hub,
        served(hub.app) as address,
        connected(address, ADA) as first,
        connected(address, ADA) as second,
    ):
        for key in ("1", "2"):
            await first.subscribe(QUERY["query"], key)
            assert (await first.receive())["type"] == "next"
            assert (await first.receive())["type"] == "complete"
        await second.subscribe(QUERY["query"], "3")
        refused = await second.receive()
        time.now += 1
        await second.subscribe(QUERY["query"], "3")
        assert (await second.receive())["type"] == "next"

    assert (refused["type"], refused["id"]) == ("error", "3")
    (error,) = refused["payload"]
    assert error["extensions"] == {"code": "RATE_LIMITED", "hint": "Ask again in 1 s.", "retryAfter": 1}


async def test_handshakes_and_streams_are_counted_as_requests(open_hub: OpenHub, time: Seconds):
    limits = Rates(RateLimits(per_address=60, burst_s=2))
    async with open_hub(token=TOKEN, rates=limits) as hub, served(hub.app) as address, plain_client() as client:
        for _ in range(2):
            await client.post(f"http://{address}/graphql", json=QUERY)
        stream = await client.post(f"http://{address}/graphql", json=QUERY, headers={"accept": "text/event-stream"})
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(
                f"ws://{address}/graphql", subprotocols=[websockets.Subprotocol("graphql-transport-ws")]
            )

    assert stream.status_code == 429
    assert refused.value.response.status_code == 429
    assert refused.value.response.headers["retry-after"] == "1"


@pytest.mark.parametrize(("trusted", "statuses"), [((), [200, 429, 429]), (("127.0.0.1",), [200, 200, 429])])
async def test_forwarded_addresses_are_believed_of_trusted_proxies_alone(
    open_hub: OpenHub, time: Seconds, trusted: tuple[str, ...], statuses: list[int]
):
    """Of what a proxy was told the last address counts, which is the one that it has seen itself."""
    limits = Rates(RateLimits(per_address=60, burst_s=1))
    async with (
        open_hub(rates=limits) as hub,
        served(hub.app, trusted_proxies=trusted) as address,
        plain_client(base_url=f"http://{address}") as client,
    ):
        said = ("192.0.2.1", "192.0.2.2", "192.0.2.9, 192.0.2.1")
        answers = [await client.post("/graphql", json=QUERY, headers={"x-forwarded-for": who}) for who in said]

    assert [answer.status_code for answer in answers] == statuses


async def test_processes_count_together_through_redis(redis_url: str):
    """Two processes let in a burst each before they hear of each other, and then nothing until both are made up for."""
    rates = [Rate("of-two", "this key", 600, burst_s=1) for _ in range(2)]
    shared = [SharedRates(redis_url, [rate]) for rate in rates]
    burst = [[rate.take("ada") == 0 for _ in range(11)] for rate in rates]
    assert burst == [[True] * 10 + [False]] * 2

    for one in (*shared, shared[0]):
        await one.share()
    rates[0].uncounted["ada"] = 0  # asks of it without having let in any more
    await shared[0].share()

    assert 1.0 < rates[0].take("ada") <= 1.1  # 2 s ahead, of which 1 may be
    assert 1.0 < rates[1].take("ada") <= 1.1
    assert rates[0].take("bob") == 0
    for one in shared:
        await one.aclose()


async def test_a_redis_that_was_emptied_gives_nobody_a_second_burst(redis_url: str):
    rate = Rate("emptied", "this key", 600, burst_s=1)
    shared = SharedRates(redis_url, [rate])
    for _ in range(10):
        rate.take("ada")
    rate.uncounted.clear()  # as told to a Redis that has forgotten it
    rate.uncounted["ada"] = 1

    await shared.share()

    assert rate.take("ada") > 0
    await shared.aclose()


async def test_without_redis_a_process_goes_on_counting(tmp_path: object):
    rate = Rate("alone", "this key", 600, burst_s=1)
    shared = SharedRates(f"unix://{tmp_path}/nobody", [rate])
    sharing = asyncio.create_task(shared.run())

    assert [rate.take("ada") == 0 for _ in range(11)] == [True] * 10 + [False]
    await shared.share()
    assert rate.take("ada") > 0
    assert rate.uncounted == {}

    sharing.cancel()
    await asyncio.gather(sharing, return_exceptions=True)
    await shared.aclose()
