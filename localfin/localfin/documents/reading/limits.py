"""What a document may cost. Far above what any seen in practice needs; measured in benchmarks/documents.py."""

LARGEST_FILE = 256 << 20
"""Bytes."""
MEMORY = 768 << 20
"""Bytes of address space that the child may take, the file among them."""
MOST_PAGES = 20_000
LONGEST_BLOCK = 300_000
"""Characters; longer paragraphs and tables come as several blocks."""
MOST_TEXT = 64 << 20
"""Characters of one document."""
WALL_S = 120.0
"""The longest silence of the child, on the busiest machine; its processor time is bounded more tightly."""

CPU_S = 8.0
"""Processor time for any document, in the child."""
CPU_S_OF_MB = 2.0
"""More of it for each megabyte of the file."""
CPU_S_OF_PAGE = 0.1
"""More of it for each page of a PDF."""
CPU_S_ON_PAGE = 8.0
"""On one page."""

LARGEST_PART = 512 << 20
"""Bytes of one part of a zip archive, unpacked, where it is read piece by piece."""
LARGEST_KEPT_PART = 64 << 20
"""Bytes of one part whose contents are kept: shared strings, styles."""
MOST_PARTS = 20_000
MOST_RATIO = 250
"""Bytes unpacked for a byte in the archive; what is packed more tightly is a bomb. Sheets reach some forty."""
RATIO_FROM = 4 << 20
"""Bytes unpacked from which the ratio counts."""
DEEPEST = 400
"""Elements within elements."""
