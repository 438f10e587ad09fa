"""Files to blocks: PDF, DOCX, XLSX, HWPX, HTML, Markdown, CSV, TSV and plain text, parsed in a sealed child process.

What is covered: the parent never parses. It copies the bytes into memory that the child inherits, hashes them on the
way, and checks what the child says. The child (`localfin_models.seal`) has no network, no other program, no file but
the Python installation, bounded memory and bounded time; formulas, macros, scripts and links are never followed. A
file that ends the child is refused, and the next one is read by a new child.

What is not covered: a document that took over the child through a bug of pdfium or expat could say wrong words for the
documents that this child reads after it. Pictures are not read: a scan without a text layer is refused.
"""

from localfin.documents.reading.client import SUFFIXES, Progress, Reader, Reading, open_reader, read

__all__ = ["SUFFIXES", "Progress", "Reader", "Reading", "open_reader", "read"]
