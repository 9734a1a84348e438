# make book    set up, make the data, execute the chapters, build the pages into _build/html, check them
# make test    set up, run all tests (lint among them), two at a time; more: make JOBS=4 test
# make lowest  the tests without a browser, with the oldest packages that pyproject.toml allows (an environment of its
#              own in _build). PyTorch 2.8 brings CUDA on Linux, 3 GB; make TORCH=2.13.0 lowest takes another
# make test-rounding   the tests that compute, once more as older processors round, with 1 and 2 threads (long)
# make slides  execute the decks for lessons and write them into _build/html/slides
# make serve   make the book and show it on http://localhost:8000
# make notebooks   write notebooks/ from chapters/
# make colab   run the notebooks with Google Colab's versions and their own first cells (half an hour; less: make SHORT=1 colab)
# make lint    ruff: check and format, without changing anything
# make clean   remove what was made, .venv too
#
# Each sets up .venv by itself, and again when pyproject.toml or constraints.txt change. Another Python: make PYTHON=python3.12 book

PYTHON ?= python3
PORT ?= 8000
JOBS ?= 2
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help setup book test test-rounding lowest slides serve notebooks colab lint clean

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

help:
	@sed -n 's/^# \{0,1\}//p' Makefile

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "error: $(PYTHON) is missing or older than Python 3.10. Install a newer one, then: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { \
	  echo "error: $(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "setting up $(VENV) (a minute or two, 1.5 GB)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[book,test]"
	@touch $@

book: $(STAMP)
	$(BIN)/python -m pipeline build

test: $(STAMP)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile

LOWEST := _build/lowest
TORCH ?= 2.8

lowest:
	@test -x $(LOWEST)/bin/python || $(PYTHON) -m venv $(LOWEST)
	@sed -nE 's/^ *"([a-z0-9-]+)>=([0-9.]+).*/\1==\2/p' pyproject.toml | sort -u | sed 's/^torch==.*/torch==$(TORCH)/' >$(LOWEST)/bounds.txt
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check -c $(LOWEST)/bounds.txt -e ".[book,test]"
	$(LOWEST)/bin/python -m pytest -n $(JOBS) --dist loadfile --ignore=tests/browser

# What a processor's instructions decide is the order of sums, and so their last digits. torch's own kernels, oneDNN's
# convolutions, MKL's matrix products and NumPy choose by processor each for itself; each can be told to choose less.
ROUNDINGS := default,SSE41,COMPATIBLE,X86_V3,X86_V4,AVX512_ICL,AVX512_SPR \
  avx2,AVX2,AVX2,X86_V4,AVX512_ICL,AVX512_SPR
NOT_NUMERIC := $(foreach name,browser test_book test_slides test_serve test_download test_cluster test_repository \
  test_notebooks,--ignore-glob='*/$(name)*')

test-rounding: $(STAMP)
	@failed=""; for rounding in $(ROUNDINGS); do for threads in 1 2; do \
	  IFS=, read -r aten onednn mkl numpy <<< "$$rounding"; name="ATEN_CPU_CAPABILITY=$$aten OMP_NUM_THREADS=$$threads"; \
	  echo "== $$name"; \
	  ATEN_CPU_CAPABILITY=$$aten ONEDNN_MAX_CPU_ISA=$$onednn MKL_CBWR=$$mkl \
    NPY_DISABLE_CPU_FEATURES=$$numpy OMP_NUM_THREADS=$$threads \
	    $(BIN)/python -m pytest -q $(NOT_NUMERIC) || failed+="$$name; "; \
	done; done; test -z "$$failed" || { echo "error: tests failed with $$failed" >&2; exit 1; }

slides: $(STAMP)
	$(BIN)/python -m pipeline slides

serve: book
	$(BIN)/python -m pipeline serve --port $(PORT)

notebooks: $(STAMP)
	$(BIN)/python -m pipeline notebooks

colab: $(STAMP)
	$(BIN)/python -m pipeline colab --jobs $(JOBS) $(if $(SHORT),--short)

lint: $(STAMP)
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

clean:
	rm -rf $(VENV) _build .pytest_cache .ruff_cache .hypothesis src/*.egg-info
