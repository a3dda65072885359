"""What monitoring and load balancers ask: `include("dbops.urls")`, or one by one."""

from dbops.views.backups import backup_metrics
from dbops.views.probes import healthz, readyz
from dbops.views.prometheus import metrics

__all__ = ["backup_metrics", "healthz", "metrics", "readyz"]
