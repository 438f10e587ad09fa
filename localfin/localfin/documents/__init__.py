"""The user's own documents: read in a sealed process, indexed, searched.

Public here: `Documents`, what it gives, and `Index`, which also runs in memory over other entries.
"""

from localfin.documents.documents import Document, Documents, Outcome
from localfin.documents.index import Index, Piece
from localfin.documents.passage import Block, Hit, Passage

__all__ = ["Block", "Document", "Documents", "Hit", "Index", "Outcome", "Passage", "Piece"]
