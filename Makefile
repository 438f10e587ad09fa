# What people run. `check` and `test` are what CI runs.
.PHONY: check test long bench starter goldens table catalogues

check:
	ruff check .
	ruff format --check .
	mypy
	pyright
	lint-imports

test:
	pytest

long:
	pytest -m long

bench:
	python benchmarks/convert.py
	python benchmarks/decode.py

starter:
	python models/recipes/make.py

goldens:
	python -m tests.golden.make $(LLAMA_CPP)

table:
	python -m tests.golden.table

catalogues:
	python models/catalogues.py
