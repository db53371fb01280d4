"""A statement that is written once for the driver, and whose parameters are converted as their types say."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy import Select
from sqlalchemy.engine import Dialect


class AsSent:
    """A statement as the driver takes it. told: values of parameters that have none in the statement."""

    def __init__(
        self, statement: Select[*tuple[Any, ...]], dialect: Dialect, told: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        compiled = statement.compile(dialect=dialect)
        expanded = compiled.construct_expanded_state(dict(told))  # has processors of what was expanded alone
        own = {
            name: bind.type.dialect_impl(dialect).bind_processor(dialect) for bind, name in compiled.bind_names.items()
        }
        self.sql = expanded.statement
        self._processors = {name: process for name, process in own.items() if process} | dict(expanded.processors)
        self._places = expanded.positiontup
        self._parameters = {name: self._processed(name, value) for name, value in expanded.parameters.items()}

    def parameters(self, values: Mapping[str, Any]) -> Any:
        """All of its parameters, these having other values: by their names, or in order where the driver has it so."""
        given = {name: self._processed(name, value) for name, value in values.items()}
        parameters = {**self._parameters, **given} if given else self._parameters
        return parameters if self._places is None else tuple([parameters[name] for name in self._places])

    def _processed(self, name: str, value: Any) -> Any:
        return self._processors[name](value) if name in self._processors else value
