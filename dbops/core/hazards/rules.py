"""The rule table: all kinds of statements, by their ids.

What it says is held to benchmarks/locks/measured.json, which is what PostgreSQL does.
"""

from __future__ import annotations

from dbops.core.hazards.rule import Rule, merge_rules
from dbops.core.hazards.rules_columns import COLUMN_RULES
from dbops.core.hazards.rules_constraints import CONSTRAINT_RULES
from dbops.core.hazards.rules_others import OTHER_RULES
from dbops.core.hazards.rules_tables import TABLE_RULES

RULES: dict[str, Rule] = merge_rules(
    COLUMN_RULES, CONSTRAINT_RULES, TABLE_RULES, OTHER_RULES
)
