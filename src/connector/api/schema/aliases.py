"""Names that stand for what the catalogue calls otherwise: listed, added, removed, suggested."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zlib import crc32

import strawberry

from connector.api.context import Info
from connector.api.schema.asking import refusing, request_of
from connector.api.schema.fields import column, related
from connector.api.schema.inputs import KEY
from connector.api.schema.lazy import AnyHub, AnyProduct, AnySite, AnySource
from connector.api.schema.nodes import ENTITY_TYPES, Node, global_id, key_of
from connector.api.schema.payloads import Payload, target
from connector.fulfilment.once import Do, once_in
from connector.model.kinds import AliasKind, AliasOrigin, SuggestionState
from connector.storage.aliases.kept import add_alias, remove_alias
from connector.storage.aliases.rows import Added, NewAlias
from connector.storage.aliases.suggesting import accept_suggestion as accept_in
from connector.storage.aliases.suggesting import reject_suggestion as reject_in
from connector.storage.aliases.suggesting import suggest_aliases
from connector.storage.database.engine import Transaction

_HOLDS = "For a model, the manufacturer within which it holds; for a manufacturer, what it stands for: folded."


@strawberry.type(description="A name that stands for what the catalogue calls otherwise.")
class NameAlias(Node):
    """An alias."""

    kind: AliasKind = column("What it is a name of.")
    name: str = column("The name as somebody wrote it.")
    alias_key: str = column("The name folded, as it is compared.")
    manufacturer_key: str | None = column(_HOLDS)
    product: AnyProduct | None = related("product", "The product that it stands for.")
    site: AnySite | None = related("site", "The site that it stands for.")
    hub: AnyHub | None = related("hub", "The hub that it stands for.")
    source: AnySource | None = related("source", "The one source whose places are called so; null for all.")
    origin: AliasOrigin = column("How it came to be.")
    reason: str | None = column("Why.")
    created_by: str = column("Who added it.")
    created_at: datetime = column("When.")


@strawberry.type(description="Two names that may be of one thing, and the alias that would make them one.")
class AliasSuggestion(Node):
    """A suggestion."""

    kind: AliasKind = column("What they are names of.")
    state: SuggestionState = column("What became of it.")
    score: int = column("How likely it is, 0 to 100.")
    evidence: str = column("Why it is suggested, for people.")
    name: str = column("The name that would be the alias.")
    alias_key: str = column("That name folded.")
    manufacturer_key: str | None = column(_HOLDS)
    product: AnyProduct | None = related("product", "The product that it would stand for.")
    site: AnySite | None = related("site", "The site that it would stand for.")
    hub: AnyHub | None = related("hub", "The hub that it would stand for.")
    source: AnySource | None = related("source", "The one source whose places it would name; null for all.")
    double_product: AnyProduct | None = related("double_product", "The product that is called so now.")
    double_site: AnySite | None = related("double_site", "The site that is called so now; null for a ticket's text.")
    reason: str | None = column("Why it was answered so.")
    decided_by: str | None = column("Who answered it.")
    decided_at: datetime | None = column("When.")
    created_at: datetime = column("When it was first made.")


@strawberry.input(description="Let a name stand for something. Exactly one of what it stands for is given.")
class AddAliasInput:
    """Input of `addAlias`."""

    kind: AliasKind = strawberry.field(description="What it is a name of.")
    name: str = strawberry.field(description="The name as systems write it.")
    manufacturer: str | None = strawberry.field(
        default=None,
        description="For a model: its manufacturer as systems write it. For a manufacturer: what it stands for.",
    )
    product_id: strawberry.ID | None = strawberry.field(default=None, description="For a model: what it stands for.")
    site_id: strawberry.ID | None = strawberry.field(default=None, description="For a site: what it stands for.")
    hub_id: strawberry.ID | None = strawberry.field(default=None, description="For a site that is a hub.")
    source_id: strawberry.ID | None = strawberry.field(
        default=None, description="For a site: the one source that calls it so; all when left out."
    )
    reason: str | None = strawberry.field(default=None, description="Why; kept with it.")
    move_references: bool = strawberry.field(
        default=False,
        description="Move what hangs on a product that is called so to the other one, and retire it. Refused where "
        "units are claimed or counted.",
    )
    idempotency_key: str = KEY


@strawberry.input(description="Let a name stand for itself again.")
class RemoveAliasInput:
    """Input of `removeAlias`."""

    name_alias_id: strawberry.ID = strawberry.field(description="Which alias.")
    reason: str | None = strawberry.field(default=None, description="Why; kept in the log.")
    idempotency_key: str = KEY


@strawberry.input(description="Look for names that may be of one thing.")
class SuggestAliasesInput:
    """Input of `suggestAliases`."""

    idempotency_key: str = KEY


@strawberry.input(description="Make the alias that a suggestion is about.")
class AcceptAliasSuggestionInput:
    """Input of `acceptAliasSuggestion`."""

    alias_suggestion_id: strawberry.ID = strawberry.field(description="Which suggestion.")
    reason: str | None = strawberry.field(default=None, description="Why; the evidence when left out.")
    move_references: bool = strawberry.field(default=False, description="As of `addAlias`.")
    idempotency_key: str = KEY


@strawberry.input(description="Say that two names are of two things.")
class RejectAliasSuggestionInput:
    """Input of `rejectAliasSuggestion`."""

    alias_suggestion_id: strawberry.ID = strawberry.field(description="Which suggestion.")
    reason: str | None = strawberry.field(default=None, description="Why; kept with it.")
    idempotency_key: str = KEY


@strawberry.type(description="How many things of a kind.")
class NamedCount:
    """A count."""

    what: str = strawberry.field(description="Which, in the plural: `assets`, `stock`, `tickets` and so on.")
    count: int = strawberry.field(description="How many.")


@strawberry.type(description="Something that is called as an alias is, so that it is there twice.")
class AliasDouble:
    """A double."""

    id: strawberry.ID = strawberry.field(description="Its id, for `node`.")
    name: str = strawberry.field(description="What it is called.")
    hanging: list[NamedCount] = strawberry.field(description="What named it when the alias was added.")


@strawberry.type(description="Answer of `addAlias` and `acceptAliasSuggestion`.")
class AliasPayload(Payload):
    """Payload of both."""

    alias: NameAlias | None = target("alias")
    is_new: bool = strawberry.field(default=False, description="False when it was there already.")
    doubles: list[AliasDouble] = strawberry.field(
        default_factory=list, description="What is there twice because of it."
    )
    moved: list[NamedCount] = strawberry.field(
        default_factory=list, description="What names the other product now; empty unless it was asked for."
    )
    linked_tickets: int = strawberry.field(default=0, description="Open tickets that had waited for the name.")
    renamed_products: int = strawberry.field(
        default=0, description="Products that are kept under another manufacturer now."
    )


@strawberry.type(description="Answer of `removeAlias`.")
class RemoveAliasPayload(Payload):
    """Payload of `removeAlias`."""

    name: str | None = strawberry.field(default=None, description="The name; null when it was refused.")


@strawberry.type(description="Answer of `suggestAliases`.")
class SuggestAliasesPayload(Payload):
    """Payload of `suggestAliases`."""

    made: int = strawberry.field(default=0, description="Suggestions that are new.")
    dropped: int = strawberry.field(default=0, description="Open ones that were of no use any more.")


@strawberry.type(description="Answer of `rejectAliasSuggestion`.")
class RejectSuggestionPayload(Payload):
    """Payload of `rejectAliasSuggestion`."""

    suggestion: AliasSuggestion | None = target("suggestion")


async def add(info: Info, input: AddAliasInput) -> AliasPayload:
    """Resolver of `addAlias`."""
    async with refusing(info) as refusals:
        new = NewAlias(
            kind=input.kind,
            name=input.name,
            manufacturer=input.manufacturer,
            product_id=_key(input.product_id, "product"),
            site_id=_key(input.site_id, "site"),
            hub_id=_key(input.hub_id, "hub"),
            source_id=_key(input.source_id, "source"),
            reason=input.reason,
        )

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            by = info.context.actor
            return _told(await add_alias(tx, new, move_references=input.move_references, by=by, at=at))

        asked = crc32(repr((new, input.move_references)).encode())
        return _payload(await _once(info, "add-alias", input.idempotency_key, asked, do))
    return AliasPayload(errors=refusals)


async def remove(info: Info, input: RemoveAliasInput) -> RemoveAliasPayload:
    """Resolver of `removeAlias`."""
    async with refusing(info) as refusals:
        number = key_of(input.name_alias_id, entity="name_alias")

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            row = await remove_alias(tx, number, by=info.context.actor, reason=input.reason, at=at)
            return {"name": row["name"]}

        return RemoveAliasPayload(**await _once(info, "remove-alias", input.idempotency_key, number, do))
    return RemoveAliasPayload(errors=refusals)


async def suggest(info: Info, input: SuggestAliasesInput) -> SuggestAliasesPayload:
    """Resolver of `suggestAliases`. Asked again it finds nothing new, so it needs no receipt."""
    async with refusing(info) as refusals:
        by, context = request_of(info, input.idempotency_key), info.context
        found = await suggest_aliases(context.engine, by=by.actor, at=context.clock.now())
        return SuggestAliasesPayload(made=found.made, dropped=found.dropped)
    return SuggestAliasesPayload(errors=refusals)


async def accept_suggestion(info: Info, input: AcceptAliasSuggestionInput) -> AliasPayload:
    """Resolver of `acceptAliasSuggestion`."""
    async with refusing(info) as refusals:
        number = key_of(input.alias_suggestion_id, entity="alias_suggestion")

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            by, moves = info.context.actor, input.move_references
            return _told(await accept_in(tx, number, move_references=moves, by=by, reason=input.reason, at=at))

        return _payload(await _once(info, "accept-alias-suggestion", input.idempotency_key, number, do))
    return AliasPayload(errors=refusals)


async def reject_suggestion(info: Info, input: RejectAliasSuggestionInput) -> RejectSuggestionPayload:
    """Resolver of `rejectAliasSuggestion`."""
    async with refusing(info) as refusals:
        number = key_of(input.alias_suggestion_id, entity="alias_suggestion")

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            await reject_in(tx, number, by=info.context.actor, reason=input.reason, at=at)
            return {}

        await _once(info, "reject-alias-suggestion", input.idempotency_key, number, do)
        return RejectSuggestionPayload(key=number)
    return RejectSuggestionPayload(errors=refusals)


async def _once(info: Info, name: str, key: str, about: int, do: Do) -> dict[str, Any]:
    by, context = request_of(info, key), info.context
    return await once_in(context.engine, context.clock.now(), name, by.key, about, do)


def _told(added: Added) -> dict[str, Any]:
    """What became of it, as JSON, for whoever asks again."""
    doubles = [
        {"id": global_id(ENTITY_TYPES[item.kind.value], item.id), "name": item.name, "hanging": dict(item.hangs)}
        for item in added.doubles
    ]
    return {
        "key": added.id,
        "is_new": added.is_new,
        "doubles": doubles,
        "moved": added.moved,
        "linked_tickets": added.linked,
        "renamed_products": added.renamed,
    }


def _payload(told: Mapping[str, Any]) -> AliasPayload:
    doubles = [
        AliasDouble(id=strawberry.ID(item["id"]), name=item["name"], hanging=_counts(item["hanging"]))
        for item in told["doubles"]
    ]
    return AliasPayload(**{**told, "doubles": doubles, "moved": _counts(told["moved"])})


def _counts(counts: Mapping[str, int]) -> list[NamedCount]:
    return [NamedCount(what=what, count=count) for what, count in counts.items()]


def _key(text: strawberry.ID | None, entity: str) -> int | None:
    return None if text is None else key_of(text, entity=entity)
