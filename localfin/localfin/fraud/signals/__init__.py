"""Signals: what is unusual about a transaction, as numbers with evidence, computed by SQL over `transactions`."""

from localfin.fraud.signals.declared import SIGNALS
from localfin.fraud.signals.engine import compute, evidence
from localfin.fraud.signals.settings import Settings, Threshold
from localfin.fraud.signals.signal import Sentence, Signal

__all__ = ["SIGNALS", "Sentence", "Settings", "Signal", "Threshold", "compute", "evidence"]
