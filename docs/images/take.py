"""Takes the picture of the app for the README: the real app, the real engine and model, a few questions, one SVG.

    PYTHONPATH=localfin:convert:tui:models python docs/images/take.py [-m MODEL] [-q QUESTION] [-o app.svg]

Textual's SVG counts every character as one cell and asks the web for a font; here Hangul takes its two cells, and the
reader's own monospace font is used.
"""

import argparse
import asyncio
import html
import os
import re
import tempfile
import time
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

from rich.cells import cell_len

from localfin.commands.app import network_refused
from localfin.engine.client import LlamaEngine
from localfin.settings import Settings
from localfin.store import Store
from localfin_models.catalog import find_model
from localfin_models.seal import seal_program
from localfin_tui.app import LocalfinApp
from localfin_tui.chat.screen import ChatScreen

PATIENCE_S = 60.0
CHATS = [
    ["이상 거래 유형에는 뭐가 있어?"],
    ["What is LTV?"],
    ["DSR이란 무엇인가요?", "1,000만원을 연 3% 월복리로 2년 맡기면 얼마가 되나요?"],
]
FONTS = "'Fira Code', ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', 'D2Coding', 'NanumGothicCoding', monospace"
_TEXT = re.compile(r'<text (?P<head>[^>]*?)x="(?P<x>[\d.]+)"(?P<mid>[^>]*?)textLength="(?P<w>[\d.]+)"(?P<tail>[^>]*)>'
                   r"(?P<text>[^<]*)</text>")  # fmt: skip


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("-m", "--model")
    arguments.add_argument("-q", "--question", action="append", help="an empty one takes the empty chat")
    arguments.add_argument("-o", "--out", type=Path, default=Path(__file__).with_name("app.svg"))
    arguments.add_argument("--lang", default="ko")
    arguments.add_argument("--theme", default="dark")
    arguments.add_argument("--size", default="104x28", help="columns x rows")
    given = arguments.parse_args()
    os.environ["LOCALFIN_LANG"] = given.lang
    seal_program()
    chats = CHATS if given.question is None else [[question] for question in given.question]
    columns, rows = (int(n) for n in given.size.split("x"))
    picture = asyncio.run(_take(find_model(given.model), chats, (columns, rows), given.theme))
    given.out.write_text(in_cells(picture), "utf-8")


async def _take(model: Path, chats: list[list[str]], size: tuple[int, int], theme: str) -> str:
    engine = LlamaEngine()
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "localfin.db") as store:
        app = LocalfinApp(engine, store, model, sealed=network_refused(), settings=Settings(theme=theme))
        async with app.run_test(size=size) as pilot:
            chat = app.screen
            assert isinstance(chat, ChatScreen)
            chat.composer.cursor_blink = False
            await _until(chat, lambda: chat.phase == "ready")
            for questions in chats:
                await chat.action_new_chat()
                for n, question in enumerate(filter(None, questions), 1):
                    chat.composer.text = question
                    chat.composer.action_send()
                    await _until(chat, lambda n=n: _answered(chat, n))
            await pilot.pause(0.5)
            picture = app.export_screenshot()
    engine.close()
    return picture


def _answered(chat: ChatScreen, count: int) -> bool:
    views = chat.transcript.views
    return len(views) == 2 * count and views[-1].stored.finish_reason is not None and chat.phase == "ready"


async def _until(chat: ChatScreen, holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        await asyncio.sleep(0.05)
        if chat.phase == "ended" or time.monotonic() > end:
            raise SystemExit(f"no picture: the app stands at {chat.phase!r}")


def in_cells(svg: str) -> str:
    """`svg` with every run of narrow or of wide characters at its own cells, and no font from the web."""
    svg = re.sub(r"@font-face\s*{.*?}\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"font-family: (Fira Code|arial)[^;]*;", lambda m: f"font-family: {FONTS};", svg)
    return _TEXT.sub(_split, svg)


def _split(match: re.Match[str]) -> str:
    text = html.unescape(match["text"])
    if not text:
        return match[0]
    cell, x, runs = float(match["w"]) / len(text), float(match["x"]), []
    for wide, characters in groupby(text, lambda c: cell_len(c) == 2):
        run = "".join(characters)
        width = cell * cell_len(run)
        adjust = ' lengthAdjust="spacingAndGlyphs"' if wide else ""
        words = html.escape(run, quote=False).replace(" ", "&#160;")
        place = f'{match["head"]}x="{x:.1f}"{match["mid"]}textLength="{width:.1f}"{adjust}{match["tail"]}'
        runs.append(f"<text {place}>{words}</text>")
        x += width
    return "".join(runs)


if __name__ == "__main__":
    main()
