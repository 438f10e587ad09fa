"""The importance matrix: how much each column of a matrix weighs, measured on a text, to quantize by."""

from localfin_convert.imatrix.file import Imatrix, read_imatrix

__all__ = ["Imatrix", "read_imatrix"]
