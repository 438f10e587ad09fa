"""The signals on Spark, for a history that outgrew one machine: the same declarations, computed where the history lies.

Spark reads the history and computes; what comes back into DuckDB are the rows that were asked for. Needs the extra
`cluster` and a Java runtime, and a process that is not sealed from the network.
"""

from localfin.fraud.cluster.engine import Cluster, connect
from localfin.fraud.cluster.session import is_master

__all__ = ["Cluster", "connect", "is_master"]
