"""Documents that the hub has, so that a request need only name them.

Trusted ones are those of `graphql/operations/` and of the folders that are configured; a hub may be told to run no
others. Beside them whatever a client sent with its hash once, by the protocol of Apollo's automatic persisted queries.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import ClassVar, Final, Protocol

from graphql import GraphQLError, OperationDefinitionNode, parse

from connector.api.limits import MOST_TOKENS
from connector.api.request import BadRequest, GraphQLRequest
from connector.model.errors import InvalidConfiguration

MOST_KEPT: Final = 4 * 1024 * 1024
"""Signs of all documents together that clients sent with their hash."""
LONGEST_KEPT: Final = 64 * 1024
"""Signs of one of them."""

HASHED: Final = "sha256:"
"""How the name of a document begins that is the hash of its text, in UTF-8, as hexadecimal digits."""

_PACKAGED = Path(__file__).parent / "operations"
_CHECKED_OUT = Path(__file__).parents[3] / "graphql" / "operations"

_HASH = re.compile(r"sha256:[0-9a-f]{64}")


class DocumentRefused(BadRequest):
    """The request is one, but its document is not run."""


class PersistedQueryNotFound(DocumentRefused):
    """Tells Apollo's clients to send the document with its hash. Message and code are theirs."""

    code = "PERSISTED_QUERY_NOT_FOUND"


class DocumentNotFound(DocumentRefused):
    """The hub has no document of this name."""

    code = "DOCUMENT_NOT_FOUND"


class DocumentNotTrusted(DocumentRefused):
    """The hub runs trusted documents only."""

    code = "DOCUMENT_NOT_TRUSTED"
    hint_text: ClassVar[str] = (
        "Send the documentId of a published operation, or have the folder of this document added to graphql.folders of "
        "the hub's configuration. Introspection and GraphiQL need a hub that runs any document."
    )


class Shared(Protocol):
    """Where processes find documents that others of them were sent. It may lose them."""

    async def get(self, name: str) -> str | None:
        """The document of this name, if it is there."""

    async def put(self, name: str, text: str) -> None:
        """Keep a document."""


@dataclass(frozen=True, slots=True)
class TrustedDocuments:
    """Documents that are known beforehand. by_hash: name by hash -> text; by_operation: operation's name -> text."""

    by_hash: Mapping[str, str]
    by_operation: Mapping[str, str]

    @classmethod
    def read(cls, folders: Iterable[Path]) -> TrustedDocuments:
        """What is published, and every `.graphql` file in and below the folders.

        Raises InvalidConfiguration for a file that is no document, and for one name of two operations.
        """
        by_hash: dict[str, str] = {}
        owners: dict[str, Path] = {}
        by_operation: dict[str, str] = {}
        for folder in (_PACKAGED if _PACKAGED.is_dir() else _CHECKED_OUT, *folders):
            for path in sorted(folder.rglob("*.graphql")):
                text = path.read_text(encoding="utf-8")
                by_hash[name_of(text)] = text
                for operation in _operations(path, text):
                    if by_operation.setdefault(operation, text) != text:
                        raise InvalidConfiguration(
                            f"{path} has an operation {operation!r}, and so has {owners[operation]}",
                            hint="Clients may ask for an operation by its name: rename one of them.",
                        )
                    owners[operation] = path
        return cls(by_hash, by_operation)


NONE_TRUSTED: Final = TrustedDocuments({}, {})


class Documents:
    """Finds what requests name. only_trusted: nothing else is run. shared: of the processes of one hub."""

    def __init__(
        self, trusted: TrustedDocuments = NONE_TRUSTED, *, only_trusted: bool = False, shared: Shared | None = None
    ) -> None:
        self._trusted = trusted
        self._only_trusted = only_trusted
        self._shared = shared
        self._kept: OrderedDict[str, str] = OrderedDict()
        self._signs = 0

    async def complete(self, asked: GraphQLRequest) -> GraphQLRequest:
        """The request with the document that it names. Raises BadRequest."""
        if asked.document is None:
            return asked
        if asked.query:
            await self._take(asked.document, asked.query)
            return asked
        if asked.document in self._trusted.by_operation:
            text = self._trusted.by_operation[asked.document]
            return replace(asked, query=text, operation_name=asked.operation_name or asked.document)
        return replace(asked, query=await self._find(asked.document, is_automatic=asked.is_automatic))

    def check_trusted(self, text: str) -> None:
        """Raises DocumentNotTrusted when this document is not to be run."""
        if self._only_trusted and name_of(text) not in self._trusted.by_hash:
            raise DocumentNotTrusted(
                "this hub runs only documents that it knows, and it does not know this one",
                hint=DocumentNotTrusted.hint_text,
            )

    async def _take(self, name: str, text: str) -> None:
        if name_of(text) != name:
            raise BadRequest(
                f"the document's hash is not {name.removeprefix(HASHED)!r}",
                hint="sha256Hash is the SHA-256 of 'query' as it is sent, in UTF-8, as hexadecimal digits.",
            )
        if self._only_trusted or len(text) > LONGEST_KEPT or name in self._kept or name in self._trusted.by_hash:
            return
        self._keep(name, text)
        if self._shared is not None:
            await self._shared.put(name, text)

    async def _find(self, name: str, *, is_automatic: bool) -> str:
        found = self._trusted.by_hash.get(name)
        if found is None and name in self._kept:
            self._kept.move_to_end(name)
            found = self._kept[name]
        if found is None and self._shared is not None and not self._only_trusted and _HASH.fullmatch(name):
            found = await self._shared.get(name)
            if found is not None and name_of(found) == name:
                self._keep(name, found)
            else:
                found = None
        if found is not None:
            return found
        if is_automatic and not self._only_trusted:
            raise PersistedQueryNotFound("PersistedQueryNotFound", hint="Send the document and its hash together.")
        if self._only_trusted:
            raise DocumentNotTrusted(f"there is no document {name!r}", hint=DocumentNotTrusted.hint_text)
        raise DocumentNotFound(
            f"there is no document {name!r}",
            hint=f"A documentId is '{HASHED}' and the SHA-256 of a document that the hub has, or an operation's name.",
        )

    def _keep(self, name: str, text: str) -> None:
        self._kept[name] = text
        self._signs += len(text)
        while self._signs > MOST_KEPT:
            self._signs -= len(self._kept.popitem(last=False)[1])


def name_of(text: str) -> str:
    """The name of a document by its hash."""
    return HASHED + sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _operations(path: Path, text: str) -> list[str]:
    try:
        definitions = parse(text, no_location=True, max_tokens=MOST_TOKENS).definitions
    except GraphQLError as error:
        raise InvalidConfiguration(f"{path} is no GraphQL document: {error.message}") from error
    return [node.name.value for node in definitions if isinstance(node, OperationDefinitionNode) and node.name]
