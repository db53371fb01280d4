"""The policy that a command is about: a file, or a version of the database."""

from __future__ import annotations

from pathlib import Path

from connector.cli.configured import Config, with_hub
from connector.cli.output import told
from connector.hub import Hub
from connector.rules.policy.reading import policy_file_text
from connector.storage.database.engine import reading
from connector.storage.policies.policies import PolicyVersion, policy_version


def policy_document(name: str | None, config: Config, *, as_json: bool) -> tuple[str, str]:
    """What to call a document, and its text: a file, else a version, else the active policy."""
    if name is not None and (Path(name).is_file() or name.endswith((".yaml", ".yml"))):
        with told(as_json=as_json):
            return name, policy_file_text(Path(name))

    async def read(hub: Hub) -> PolicyVersion:
        async with reading(hub.database) as tx:
            return await policy_version(tx, name)

    found = with_hub(config, read, as_json=as_json)
    return found.version, found.text
