"""`nas doctor`: whether searches can run here."""

from __future__ import annotations

import json

import click

from nas.cli.app import Examples

SICK = 1  # the exit status


@click.command(
    cls=Examples, examples=("nas doctor", "nas doctor --deep", "nas doctor --json | jq '.findings[] | select(.level != \"ok\")'")
)
@click.option("--deep", is_flag=True, help="Start a local Ray, too, and stop it: some seconds more.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def command(deep: bool, as_json: bool) -> None:
    """Examine this machine and this installation, and say of everything how to mend it.

    ok is as it should be, a note works or is optional, a problem is in the way of searches: then the exit status is 1. Nothing is
    changed, and nothing is looked up elsewhere.
    """
    from nas.doctor import OK, PROBLEM, examine

    findings, shown = [], ""
    for finding in examine(deep):
        findings.append(finding)
        if not as_json:
            name = finding.check if finding.check != shown else ""
            shown = finding.check
            click.echo(f"{finding.level:8} {name:17} {finding.found}")
            if finding.mend:
                click.echo(f"{'':26} mend: {finding.mend}" if finding.level == PROBLEM else f"{'':26} {finding.mend}")
    problems = sum(finding.level == PROBLEM for finding in findings)
    if as_json:
        click.echo(json.dumps({"ok": not problems, "findings": [finding.to_dict() for finding in findings]}, indent=2))
    else:
        notes = sum(finding.level not in (OK, PROBLEM) for finding in findings)
        verdict = f"{problems} problem{'s' * (problems != 1)}: mend them first" if problems else "searches can run here"
        click.echo(f"\n{verdict}; {notes} note{'s' * (notes != 1)}")
    if problems:
        raise SystemExit(SICK)
