"""The SQL that leads from one catalog to another."""

from dbops.core.repair.build import Repair, build_repair

__all__ = ["Repair", "build_repair"]
