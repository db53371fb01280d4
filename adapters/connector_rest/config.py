"""Settings of a source that a document describes."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from connector.sdk import HttpConfig
from connector.sdk.facts import InvalidDocument
from connector_rest.definition import Definition
from connector_rest.reading import DOCUMENTS

NOWHERE = "https://unknown.invalid"
"""Stands for the address while the document that has it cannot be read, which is then said."""
NEEDS_NAME = {"basic": "the user's name", "oauth2": "the client's id"}


class RestConfig(HttpConfig):
    """Settings below `[sources.NAME]` with `adapter = "rest"`."""

    definition: Definition = Field(
        description="The document that describes the system: a YAML file, relative to the configuration file, "
        "or the same inline.",
        examples=["acme_desk.yaml"],
    )
    identity: str | None = Field(
        default=None,
        min_length=1,
        description="User name of basic authentication, client id of OAuth2.",
        examples=["connector"],
    )
    secret: SecretStr | None = Field(
        default=None,
        min_length=1,
        description="Password, token, API key or client secret, as the document's `auth` says.",
        examples=[{"env": "ACME_DESK_SECRET"}],
    )

    @model_validator(mode="before")
    @classmethod
    def _address_of_the_document(cls, given: Any) -> Any:
        """The document's address, where the settings name no other."""
        if not isinstance(given, Mapping) or "definition" not in given:
            return {"base_url": NOWHERE, **given} if isinstance(given, Mapping) else given
        values = dict(given)
        try:
            values["definition"] = read = DOCUMENTS.read(values["definition"])
        except InvalidDocument:
            return {"base_url": NOWHERE, **values}
        return {"base_url": str(read.base_url), **values}

    @field_validator("definition", mode="before")
    @classmethod
    def _read(cls, given: Any) -> Definition:
        return DOCUMENTS.read(given)

    @model_validator(mode="after")
    def _has_the_credential(self) -> Self:
        kind = self.definition.auth.kind
        if kind == "none":
            if self.secret or self.identity:
                raise ValueError("the document's `auth` is of kind none: remove `secret` and `identity`")
            return self
        if self.secret is None:
            raise ValueError(f'auth of kind {kind} needs `secret`: write secret = {{ env = "NAME_OF_A_VARIABLE" }}')
        if kind in NEEDS_NAME and self.identity is None:
            raise ValueError(f"auth of kind {kind} needs `identity`, {NEEDS_NAME[kind]}")
        if kind not in NEEDS_NAME and self.identity is not None:
            raise ValueError(f"`identity` means nothing with auth of kind {kind}: remove it")
        return self

    def key(self) -> str:
        """The secret as it is sent."""
        return self.secret.get_secret_value() if self.secret else ""

    def basic(self) -> str:
        """Name and secret for an Authorization header."""
        return "Basic " + base64.b64encode(f"{self.identity}:{self.key()}".encode()).decode()

    def headers(self) -> dict[str, str]:
        """The document's headers, and the credential where it goes into one and stays the same."""
        auth = self.definition.auth
        sent = {"Accept": "application/json", **self.definition.headers}
        match auth.kind:
            case "basic":
                sent["Authorization"] = self.basic()
            case "bearer":
                sent["Authorization"] = f"Bearer {self.key()}"
            case "header" if auth.name:
                sent[auth.name] = f"{auth.prefix}{self.key()}"
        return sent
