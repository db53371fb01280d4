from __future__ import annotations

import subprocess
import sys

from connector.rules.policy.expressions import engine


def test_the_engine_evaluates_an_expression():
    assert engine.compile("ticket.priority in ['P1', 'P2']").execute({"ticket": {"priority": "P2"}}) is True


def test_the_rules_do_not_load_a_terminal_user_interface():
    script = (
        "import sys, connector.rules.policy.conditions; "
        "print('prompt_toolkit' in sys.modules, 'cel.cli' in sys.modules)"
    )

    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout

    assert printed == "False False\n"
