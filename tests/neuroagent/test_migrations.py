"""Each migration of neuroagent leads there and back, with rows in all tables."""

from __future__ import annotations

from dbops.testing import build_round_trip_test
from tests import factories


def make_rows() -> None:
    factories.ToolCallFactory.create_batch(2)
    factories.ToolSelectionFactory.create()
    factories.TokenConsumptionFactory.create()
    factories.ComplexityEstimationFactory.create()


test_migrations_lead_there_and_back = build_round_trip_test(rows=make_rows)
