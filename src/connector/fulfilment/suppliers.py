"""Whether suppliers can be ordered from as a policy says: the sources that it names are there and take orders."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from connector.model.marks import compose
from connector.rules.policy.reading import InvalidPolicy, Problem, read_policy
from connector.sdk import Connection, Procures


def require_suppliers(
    text: str, connections: Mapping[str, Connection], *, broken: Collection[str] = (), source: str | None = None
) -> None:
    """Refuse a policy that orders through a source which is not configured, or takes no orders.

    broken: configured sources that cannot be used at the moment, which is no fault of the policy. source: what messages
    call the document. Raises InvalidPolicy with every such supplier and its place.
    """
    policy = read_policy(text, source=source)
    wrong = {
        name: problem
        for name, supplier in policy.sourcing.suppliers.items()
        if supplier.via is not None and (problem := _problem(supplier.via, connections, broken))
    }
    if not wrong:
        return
    marked = compose(text)
    problems = []
    for name, problem in wrong.items():
        mark = marked.place(("sourcing", "suppliers", name, "via"))
        problems.append(Problem(mark, f"sourcing.suppliers.{name}.via", problem))
    raise InvalidPolicy(source or policy.name, problems)


def _problem(via: str, connections: Mapping[str, Connection], broken: Collection[str]) -> str | None:
    if via in broken:
        return None
    taking = sorted(name for name, connection in connections.items() if isinstance(connection.adapter, Procures))
    hint = f"those that take orders are: {', '.join(taking) or 'none'}; without `via` a person orders"
    if via not in connections:
        return f"there is no source {via!r}; {hint}"
    if via not in taking:
        return f"source {via!r} takes no orders, its adapter {connections[via].adapter_name!r} cannot; {hint}"
    return None
