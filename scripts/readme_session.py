#!/usr/bin/env python3
"""Runs the SQL of README.md through psql and keeps the output that it shows true.

usage: readme_session.py [--check] [psql options, for example -p 5434]

The server must hold the demo's crates. Each ```sql block's output goes into the ```text block right after it; --check changes nothing
and fails when the README shows something else.
"""

import difflib
import pathlib
import re
import subprocess
import sys

README = pathlib.Path(__file__).resolve().parent.parent / "README.md"
BLOCK = re.compile(r"```sql\n(?P<sql>.*?)```\n(?:\n```text\n.*?```\n)?", re.DOTALL)
CLEAN = "DROP PROPERTY GRAPH IF EXISTS social; DROP TABLE IF EXISTS knows; DROP TABLE IF EXISTS person;"


def psql(options: list[str], sql: str) -> str:
    command = ["psql", "-X", "-h", "127.0.0.1", "-p", "5433", "-U", "postgres", *options]
    # Both streams in one, as a terminal shows them.
    ran = subprocess.run(command, input=sql, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if ran.returncode == 2:
        sys.exit(ran.stdout)
    return ran.stdout.rstrip() + "\n"


def main() -> None:
    check = "--check" in sys.argv
    options = [argument for argument in sys.argv[1:] if argument != "--check"]

    def with_output(block: re.Match) -> str:
        sql = block["sql"]
        return f"```sql\n{sql}```\n\n```text\n{psql(options, sql)}```\n"

    psql(options, CLEAN)
    before = README.read_text()
    after = BLOCK.sub(with_output, before)
    psql(options, CLEAN)
    if check and after != before:
        changes = difflib.unified_diff(before.splitlines(), after.splitlines(), "README.md", "what psql prints", lineterm="")
        sys.exit("\n".join(changes))
    if not check:
        README.write_text(after)


main()
