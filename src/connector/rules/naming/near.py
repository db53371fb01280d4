"""Names that are near each other: which may be of one thing, how likely that is, and why, for people.

Nothing here decides anything: a person does. What tells models apart is in their digits and in single letters beside
them, so names whose digits differ are never near.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rapidfuzz import fuzz, process

from connector.model.geo import Point, great_circle_km
from connector.model.naming import fold

LEAST: Final = 80
"""Score below which nothing is said."""
LIKE: Final = 60
"""Likeness in percent, letter by letter, below which two names are not looked at."""
NEAREST: Final = 8
"""Of the names that are like another, so many are looked at."""
SHORTEST: Final = 4
"""Letters and digits of a name that is compared letter by letter: among shorter ones everything is near."""
APART_KM: Final = 2.0
"""Sites that are farther from each other than this are two."""

_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Model:
    """A product as names tell of it. key: of the model, folded. is_loose: no source lists it, only names brought it.

    units: devices of it.
    """

    id: int
    manufacturer: str
    key: str
    part_number: str | None = None
    is_loose: bool = False
    units: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """A site or a hub. kind: which. point: None where nobody has said."""

    kind: str
    id: int
    name: str
    code: str | None = None
    country: str | None = None
    point: Point | None = None


@dataclass(frozen=True, slots=True)
class Near:
    """Two names that may be of one thing. score: 0 to 100. why: in words."""

    score: int
    why: str


@dataclass(frozen=True, slots=True)
class NearModels:
    """A product that may be another one, which would stay."""

    double: Model
    stays: Model
    near: Near


@dataclass(frozen=True, slots=True)
class NearPlaces:
    """A site, or a name that tickets write, that may be another place, which would stay."""

    double: Place | str
    stays: Place
    near: Near


@dataclass(frozen=True, slots=True)
class NearMakers:
    """A manufacturer's key that may be another one."""

    double: str
    stays: str
    near: Near


def near_names(one: str, other: str) -> Near | None:
    """How near two folded names are; None when they are not."""
    if one == other:
        return Near(98, f"both are written {one!r} but for capitals, spaces and punctuation")
    bare, bare_other = one.replace(" ", ""), other.replace(" ", "")
    if bare == bare_other:
        return Near(97, f"{one!r} and {other!r} differ in spaces alone")
    if not one or not other or _DIGITS.findall(one) != _DIGITS.findall(other):
        return _without_end(one, other)
    if sorted(one.split()) == sorted(other.split()):
        return Near(95, f"{one!r} and {other!r} are the same words in another order")
    if min(len(bare), len(bare_other)) < SHORTEST:
        return None
    found = _without_end(one, other)
    score = round(fuzz.ratio(one, other))
    if found is None and score >= LEAST and _differ_in_letters_of_long_words(one, other):
        return Near(score, f"{one!r} and {other!r} are {score} % alike, with the same digits")
    return found


def near_models(models: Iterable[Model], *, new: Sequence[int]) -> list[NearModels]:
    """What the products of these ids may be, the best of each, the likeliest first."""
    by_maker: defaultdict[str, list[Model]] = defaultdict(list)
    by_id: dict[int, Model] = {}
    for model in models:
        by_maker[model.manufacturer].append(model)
        by_id[model.id] = model
    found: dict[tuple[int, int], NearModels] = {}
    for number in new:
        model = by_id[number]
        for other in _like(model, by_maker[model.manufacturer]):
            near = _near_models(model, other)
            if near is not None and near.score >= LEAST:
                double, stays = sorted((model, other), key=_rank)
                found.setdefault((double.id, stays.id), NearModels(double, stays, near))
    best: dict[int, NearModels] = {}
    for pair in sorted(found.values(), key=lambda pair: (-pair.near.score, pair.double.id, pair.stays.id)):
        best.setdefault(pair.double.id, pair)
    return list(best.values())


def near_makers(products_of: Mapping[str, int]) -> list[NearMakers]:
    """What manufacturers may be of which there is but one product. products_of: key -> how many it has."""
    found: list[NearMakers] = []
    usual = sorted(key for key, count in products_of.items() if count > 1)
    for key in sorted(key for key, count in products_of.items() if count == 1):
        pairs = [(near, other) for other in usual if (near := near_names(key, other)) and near.score >= LEAST]
        if pairs:
            near, other = max(pairs, key=lambda pair: (pair[0].score, products_of[pair[1]]))
            found.append(NearMakers(key, other, near))
    return sorted(found, key=lambda pair: (-pair.near.score, pair.double))


def near_places(new: Iterable[Place | str], places: Sequence[Place]) -> list[NearPlaces]:
    """What sites, and names in tickets, may be: the best place for each, the likeliest first."""
    names = [fold(place.name) for place in places]
    in_order = [_in_order(name) for name in names]
    codes: defaultdict[str, list[Place]] = defaultdict(list)
    for place in places:
        if place.code:
            codes[fold(place.code)].append(place)
    best: dict[tuple[str, int] | str, NearPlaces] = {}
    for item in new:
        name, code = (item, None) if isinstance(item, str) else (item.name, item.code)
        folded = fold(name)
        ranked = process.extract(_in_order(folded), in_order, scorer=fuzz.ratio, score_cutoff=LIKE, limit=NEAREST)
        like = [(places[index], near_names(folded, names[index])) for _, _, index in ranked]
        coded = [place for key in sorted({fold(text) for text in (code, name) if text}) for place in codes.get(key, ())]
        like += [(place, Near(90, f"{place.code!r} is the code of one")) for place in coded]
        for place, near in like:
            if near is None or near.score < LEAST or not _may_be_one(item, place):
                continue
            double, stays = (item, place) if isinstance(item, str) else _stays(item, place)
            key = double if isinstance(double, str) else (double.kind, double.id)
            pair = NearPlaces(double, stays, near)
            if key not in best or best[key].near.score < near.score:
                best[key] = pair
    return sorted(best.values(), key=lambda pair: (-pair.near.score, str(pair.double)))


def _near_models(one: Model, other: Model) -> Near | None:
    if one.part_number and other.part_number and fold(one.part_number) == fold(other.part_number):
        return Near(99, f"both have the part number {other.part_number!r}")
    for part, key in ((one.part_number, other.key), (other.part_number, one.key)):
        if part and fold(part) == key:
            return Near(96, f"the part number {part!r} of one is what the other is called")
    return near_names(one.key, other.key)


def _like(model: Model, others: Sequence[Model]) -> list[Model]:
    """Those of the same manufacturer that are worth a closer look."""
    rest = [other for other in others if other.id != model.id]
    keys = [other.key for other in rest]
    ranked = process.extract(model.key, keys, scorer=fuzz.ratio, score_cutoff=LIKE, limit=NEAREST)
    numbers = {fold(text) for text in (model.part_number, model.key) if text}
    same = [
        other for other in rest if (other.part_number and fold(other.part_number) in numbers) or other.key in numbers
    ]
    return list(dict.fromkeys([*same, *(rest[index] for _, _, index in ranked)]))


def _without_end(one: str, other: str) -> Near | None:
    """Near when one is the other with up to two words more at its end."""
    shorter, longer = sorted((one.split(), other.split()), key=len)
    more = longer[len(shorter) :]
    if not shorter or not 0 < len(more) <= 2 or longer[: len(shorter)] != shorter or len("".join(shorter)) < SHORTEST:
        return None
    return Near(84 - 2 * len(more), f"{' '.join(longer)!r} is {' '.join(shorter)!r} with {' '.join(more)!r} at its end")


def _differ_in_letters_of_long_words(one: str, other: str) -> bool:
    """Whether every word in which they differ is long enough for a typing error; a single letter is a model's own."""
    ours, theirs = set(one.split()), set(other.split())
    return all(len(word) >= SHORTEST and not _DIGITS.search(word) for word in ours ^ theirs)


def _in_order(name: str) -> str:
    return " ".join(sorted(name.split()))


def _rank(model: Model) -> tuple[bool, int, int]:
    """The last of two stays: one that a source lists, of which there are more, which was there first."""
    return not model.is_loose, model.units, -model.id


def _stays(one: Place, other: Place) -> tuple[Place, Place]:
    def rank(place: Place) -> tuple[bool, bool, int]:
        return place.kind == "hub", place.point is not None, -place.id

    double, stays = sorted((one, other), key=rank)
    return double, stays


def _may_be_one(one: Place | str, other: Place) -> bool:
    if isinstance(one, str):
        return True
    if (one.kind, one.id) == (other.kind, other.id) or one.kind == other.kind == "hub":
        return False
    if one.country and other.country and one.country != other.country:
        return False
    return one.point is None or other.point is None or great_circle_km(one.point, other.point) <= APART_KM
