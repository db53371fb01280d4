"""What single claims of a condition get wrong: values that a field never has, types that do not fit."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from connector.rules.checks.expectations import Finding, Location
from connector.rules.checks.logic import VOCABULARIES, Claim, claims_in, formula_of
from connector.rules.policy.conditions import SAMPLE, Value, compile_condition, first_line
from connector.rules.policy.expressions import engine as cel


def findings_in_claims(place: Location, condition: str) -> Iterator[Finding]:
    """What single claims of a condition get wrong, even where the rest of the condition hides it."""
    for claim in claims_in(formula_of(condition)):
        for value in claim.strangers:
            yield place, _stranger(claim, value)
        wrong = _type_error(claim)
        if wrong:
            yield place, f"contains {claim.text!r}, which cannot be evaluated: {wrong}"


def compiles(condition: str) -> bool:
    """Whether a condition can be read; where not, the document's own reading says why."""
    try:
        compile_condition(condition)
    except ValueError:
        return False
    return True


def _stranger(claim: Claim, value: Value) -> str:
    field = claim.fields[0]
    known = [str(word) for word in VOCABULARIES.get(field, ()) if word]
    if not known:
        variable, _, name = field.partition(".")
        kinds = {str: "a text", int: "a whole number", bool: "true or false", float: "a number"}
        return f"compares {field} with {value!r}, but it is {kinds[type(SAMPLE[variable][name])]}"
    near = get_close_matches(str(value), known, n=1)
    guess = f"did you mean {near[0]!r}?" if near else f"it is one of {', '.join(map(repr, known))}"
    return f"compares {field} with {value!r}, which it never is when rules are asked: {guess}"


def _type_error(claim: Claim) -> str | None:
    """Why a claim can never be evaluated; None for one that fails on some values only, as int('') does."""
    try:
        cel.compile(claim.text).execute({name: dict(fields) for name, fields in SAMPLE.items()})
    except TypeError as error:
        return first_line(error)
    except Exception as error:  # noqa: BLE001 - whatever the engine raises; only what no value could mend counts
        text = first_line(error)
        return text if text.startswith("Undefined") or "not a valid" in text else None
    return None
