"""Text from outside made safe to show and to store: no terminal control, no reordering, nothing invisible."""

import re
import unicodedata

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor, screen
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC (clipboard, title), DCS, ...
    r"|\x1b[ -/]*[0-~]?"
)
_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f"  # C0 but tab and newline, DEL, C1
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"  # soft hyphen, joiners, Hangul fillers
    "\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"  # zero width and bidi
    "\ud800-\udfff\U000e0000-\U000e0fff]"  # surrogates, tags
)
_LONE_JOINER = re.compile(
    "(?<![\u00a9-\u3299\ufe0f\U0001f000-\U0001faff])\u200d|\u200d(?![\u2190-\u3299\U0001f000-\U0001faff])"
)


def clean_text(text: str) -> str:
    """`text` without escape sequences, control, bidi and zero-width characters, with plain newlines, in NFC.

    Tabs and newlines stay, and the joiner inside an emoji. Applying it twice changes nothing.
    """
    text = _LINE_ENDS.sub("\n", _ESCAPES.sub("", text))
    text = _LONE_JOINER.sub("", _INVISIBLE.sub("", text))
    return unicodedata.normalize("NFC", text)


def better_encoding(block: bytes) -> str:
    """`utf-8` or `cp949`: in which fewer bytes are wrong. A few broken bytes don't turn UTF-8 into CP949."""
    utf8 = len(re.findall("[\udc80-\udcff]", block.decode("utf-8", "surrogateescape")))
    cp949 = len(re.findall("[\udc80-\udcff]", block.decode("cp949", "surrogateescape")))
    return "cp949" if cp949 < utf8 else "utf-8"
