"""The SQL that leads from one catalog to another."""

from dbops.core.repair.build import Repair, build_repair, comment_out

__all__ = ["Repair", "build_repair", "comment_out"]
