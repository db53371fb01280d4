from __future__ import annotations

from collections import Counter

import airportsdata

from connector.demo.catalogue import device_types
from connector.demo.fleet import COUNTED, MODELS, SUBSTITUTES, catalogue_entry, demo_fleet
from connector.model.kinds import HubTier


def test_the_fleet_has_every_tier_and_some_thousand_devices():
    fleet = demo_fleet()

    assert Counter(hub.tier for hub in fleet.hubs) == {HubTier.CENTRAL: 1, HubTier.REGIONAL: 14, HubTier.LOCAL: 12}
    assert len(fleet.sites) == 141
    assert 2_000 < len(fleet.devices) < 3_000


def test_serials_and_tags_are_unique():
    devices = demo_fleet().devices

    assert len({device.serial for device in devices}) == len(devices)
    assert len({device.asset_tag for device in devices}) == len(devices)


def test_places_stand_where_their_airport_does():
    airports = airportsdata.load("IATA")

    for place in (*demo_fleet().hubs, *demo_fleet().sites):
        airport = airports[place.code.removeprefix("HUB-")]
        assert abs(place.point.latitude - airport["lat"]) < 1e-6
        assert place.time_zone == airport["tz"]


def test_every_model_and_substitute_is_in_the_catalogue():
    known = {(model.manufacturer, model.model) for model in MODELS}

    assert all(catalogue_entry(model).model == model.model for model in MODELS)
    assert all({(m, n), (sm, sn)} <= known for m, n, sm, sn, _ in SUBSTITUTES)
    assert len(COUNTED) == 4


def test_weights_of_the_catalogue_are_grams():
    weights = {(entry.manufacturer, entry.model): entry.weight_g for entry in device_types()}

    assert weights["Cisco", "Catalyst 9300-48S"] == 7860
    assert weights["Juniper", "EX2300-24P"] == 4486
    assert weights["Fortinet", "FortiGate 60F"] is None
