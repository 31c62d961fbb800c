# Every target calls what the README shows; nothing here is needed to use the suite.
BIN := .venv/bin
OUT ?= out
SPEC ?= examples/ocr-edge.yaml
DESIGN ?= ws-16x16

.PHONY: setup explore verilog cocotb dse test nightly matrix mutation lint bench

setup:                    ## the README's two set-up commands
	python3 -m venv .venv
	.venv/bin/pip install -e '.[all]'

explore:                  ## main job: search, generate, verify, report
	$(BIN)/systolith explore $(SPEC) -o $(OUT)/explore

verilog:                  ## Verilog, parameters, C header and core file of DESIGN
	$(BIN)/systolith generate $(DESIGN) -o $(OUT)/$(DESIGN)

cocotb:                   ## DESIGN against its golden model and cycle model
	$(BIN)/systolith verify $(DESIGN)

dse:                      ## a short search, to see it work
	$(BIN)/systolith explore $(SPEC) -o $(OUT)/dse --evaluations 40

test:                     ## what CI runs
	$(BIN)/python -m pytest -m "not nightly" -q -n auto --dist worksteal

nightly: matrix mutation  ## everything, long runs included
	$(BIN)/python -m pytest -q -n auto --dist worksteal

matrix:                   ## every kind of array on a real simulator; writes docs/verification.md
	$(BIN)/python -m benchmarks.matrix

mutation:                 ## mutants of the generated hardware against the benches; writes docs/verification-mutation.md
	$(BIN)/python -m benchmarks.mutation

lint:
	$(BIN)/ruff check
	$(BIN)/basedpyright -p pyproject.toml --level error

bench:                    ## measured comparisons
	$(BIN)/python -m benchmarks.speed
	$(BIN)/python -m benchmarks.simulation --repeats 3
	$(BIN)/python -m benchmarks.mapping
