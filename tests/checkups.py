"""What the tests of the doctor have in common."""

from __future__ import annotations

from dataclasses import replace

from dbops.core.finding import Finding
from dbops.operations.doctor.doctor import DoctorReport, examine
from tests.lab import Lab


def look_at(lab: Lab, **parameters: str) -> DoctorReport:
    """Examine the lab's database, reached with some of the parameters changed."""
    changed = {**lab.target.parameters, **parameters}
    given = replace(lab, target=replace(lab.target, parameters=changed))
    with given.open() as context:
        return examine(context)


def find_all(lab: Lab, number: str, **parameters: str) -> list[Finding]:
    """Examine the lab's database, and return the findings with this id."""
    findings = look_at(lab, **parameters).findings
    return [each for each in findings if each.id == f"dbops.{number}"]


def find_one(lab: Lab, number: str, **parameters: str) -> Finding:
    """Examine the lab's database, and return its one finding with this id."""
    return only(find_all(lab, number, **parameters))


def only(findings: list[Finding]) -> Finding:
    """Return the one there is."""
    (found,) = findings
    return found
