"""What an error says."""

from __future__ import annotations

import pytest

from connector.model.errors import ConnectorError


@pytest.mark.parametrize(
    ("message", "hint", "said"),
    [
        ("hub 'H1' is not known", "", "hub 'H1' is not known"),
        ("hub 'H1' is not known", "Known are H2.", "hub 'H1' is not known. Known are H2."),
        ("hub 'H1' is not known.", "Known are H2.", "hub 'H1' is not known. Known are H2."),
        ("", "", ""),
    ],
)
def test_message_and_hint_are_two_sentences(message: str, hint: str, said: str):
    error = ConnectorError(message, hint=hint)

    assert str(error) == said
    assert (error.message, error.hint, error.code) == (message, hint, "INTERNAL")
