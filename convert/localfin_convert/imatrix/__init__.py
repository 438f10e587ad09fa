"""The importance matrix: how much each column of a matrix weighs, measured on a text, to quantize by.

`file.py` reads and writes its file; `compute.py` makes it, with `service.py` in a sealed child, where `collector.py`
adds up what passes by in llama.cpp's graph (`graph.py`) in the order that `layout.py` gives.
"""

from localfin_convert.imatrix.compute import ImatrixReport, make_imatrix
from localfin_convert.imatrix.file import Imatrix, read_imatrix

__all__ = ["Imatrix", "ImatrixReport", "make_imatrix", "read_imatrix"]
