# What people run. `check` and `test` are what CI runs.
.PHONY: check test long bench bench-calc bench-convert starter goldens table catalogues

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

bench: bench-convert bench-calc
	python benchmarks/decode.py
	python benchmarks/explain.py
	python benchmarks/prompt_cache.py

bench-calc:
	python benchmarks/calc.py

bench-convert:
	python benchmarks/kernel.py
	python benchmarks/convert.py --runs 3 --sizes 0.1B 0.3B 1.1B 3B

starter:
	python models/recipes/make.py

goldens:
	python -m tests.golden.make $(LLAMA_CPP)

table:
	python -m tests.golden.table
	python -m tests.localfin.fraud.signals_table
	python -m tests.localfin.settings_table

catalogues:
	python models/catalogues.py
