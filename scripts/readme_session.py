#!/usr/bin/env python3
"""Runs what README.md shows, and keeps what it shows true.

usage: readme_session.py [--check] [--port PORT] [--data DIR]

A server must be running that holds the demo's crates, in DIR. Each ```sql block goes through psql, and its output into the ```text block
right after it; each ```python block is run with this interpreter and must succeed. --check changes nothing, and fails when the README shows
something else than psql prints.
"""

import argparse
import difflib
import pathlib
import re
import subprocess
import sys

README = pathlib.Path(__file__).resolve().parent.parent / "README.md"
SQL = re.compile(r"```sql\n(?P<sql>.*?)```\n(?:\n```text\n.*?```\n)?", re.DOTALL)
PYTHON = re.compile(r"```python\n(.*?)```\n", re.DOTALL)
# What the session itself makes, so that it can be run again.
CLEAN = "DROP PROPERTY GRAPH IF EXISTS social; DROP TABLE IF EXISTS knows; DROP TABLE IF EXISTS person;"


def run(command: list[str], text: str) -> subprocess.CompletedProcess:
    # Both streams in one, as a terminal shows them.
    return subprocess.run(command, input=text, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def psql(port: str, sql: str) -> str:
    ran = run(["psql", "-X", "-h", "127.0.0.1", "-p", port, "-U", "postgres"], sql)
    if ran.returncode == 2:
        sys.exit(ran.stdout)
    return ran.stdout.rstrip() + "\n"


def run_python(code: str, port: str, data: str) -> None:
    ran = run([sys.executable, "-"], code.replace("5433", port).replace("data/demo", data))
    if ran.returncode != 0:
        sys.exit(f"this block of the README fails:\n\n{code}\n{ran.stdout}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing, fail when the README is not true")
    parser.add_argument("--port", default="5433")
    parser.add_argument("--data", help="the server's data folder; without it the Python blocks are left out")
    options = parser.parse_args()

    def with_output(block: re.Match) -> str:
        return f"```sql\n{block['sql']}```\n\n```text\n{psql(options.port, block['sql'])}```\n"

    before = README.read_text()
    psql(options.port, CLEAN)
    after = SQL.sub(with_output, before)
    psql(options.port, CLEAN)
    if options.data:
        for code in PYTHON.findall(before):
            run_python(code, options.port, options.data)
    if options.check:
        if changes := list(difflib.unified_diff(before.splitlines(), after.splitlines(), "README.md", "psql", lineterm="")):
            sys.exit("\n".join(changes))
    else:
        README.write_text(after)


main()
