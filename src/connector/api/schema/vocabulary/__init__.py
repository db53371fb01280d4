"""The closed vocabularies of the domain that the schema shows, and what each of their values means."""

from collections.abc import Mapping
from enum import StrEnum

from connector.api.schema.vocabulary.kinds import KINDS
from connector.api.schema.vocabulary.states import STATES

VOCABULARY: Mapping[type[StrEnum], Mapping[str, str]] = {**KINDS, **STATES}
"""Enum -> name of each of its values -> what it means. An enum that is not here is no enum of the schema."""
