"""`make table`: writes docs/en/settings.md and docs/ko/settings.md from the table of settings."""

from pathlib import Path

from localfin import settings
from localfin.settings import Settings
from localfin_models.language import translated

TOP = Path(__file__).parents[2]
HEAD = {
    "en": """# Settings

They stand in `settings.toml` below `LOCALFIN_HOME`; the settings screen (Ctrl+O in the app) writes it. An option of the
command line is stronger than the environment variable, the variable than the file. A file with a wrong value is
refused, and says which. The model's settings hold for the app, the language for the whole program. `make table` writes
this page from the program.

| setting | variable | default | may be | what it does |
| --- | --- | --- | --- | --- |
""",
    "ko": """# 설정

`LOCALFIN_HOME` 아래의 `settings.toml`에 있으며, 앱의 설정 화면(Ctrl+O)이 이 파일을 씁니다.
명령줄 옵션이 환경 변수보다, 환경 변수가 파일보다 우선합니다. 잘못된 값이 있는 파일은 어느 값인지 알리고 거부합니다.
모델에 대한 설정은 앱에, 언어는 프로그램 전체에 적용됩니다. 이 문서는 `make table`이 프로그램에서 만듭니다.

| 설정 | 변수 | 기본값 | 가능한 값 | 하는 일 |
| --- | --- | --- | --- | --- |
""",
}
TAIL = {
    "en": """
```toml
lang = "ko"
theme = "light"

[keys]
"chat.new" = "f3"
```
""",
    "ko": """
```toml
lang = "ko"
theme = "light"

[keys]
"chat.new" = "f3"
```
""",
}


def page(language: str) -> str:
    return HEAD[language] + "".join(_row(name, language) for name in settings.NAMES) + TAIL[language]


def _row(name: str, language: str) -> str:
    default = getattr(Settings(), name)
    variable = "" if isinstance(default, dict) else f"`{settings.variable(name)}`"
    words = {True: "true", False: "false"}
    said = "" if default in ({}, "") else f"`{words[default] if isinstance(default, bool) else default}`"
    about = translated(settings.english(name), language)
    return f"| `{name}` | {variable} | {said} | {settings.range_words(name)} | {about} |\n"


def main() -> None:
    for language in HEAD:
        (TOP / "docs" / language / "settings.md").write_text(page(language), encoding="utf-8")


if __name__ == "__main__":
    main()
