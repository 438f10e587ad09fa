"""Reasons put into words: by a model under a grammar, each figure checked, or by a template. No verdict hangs on it."""

from localfin.fraud.explain.explaining import Explainer, Which, template
from localfin.fraud.explain.figures import Language

__all__ = ["Explainer", "Language", "Which", "template"]
