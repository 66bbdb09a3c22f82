# Every task a person needs. `./justw` lists them; `./justw <task>` runs one and installs what it needs first.

set positional-arguments

bin := justfile_directory() / ".venv/bin"
tools := justfile_directory() / ".tools/venv/bin"
python := tools / "python"
side_by_side := "--numprocesses=2 --dist=loadfile"  # a file shares its parts
in_order := "--no-loadscope-reorder"  # that of tests/order.py: who takes long begins
stealing := "--numprocesses=2 --dist=worksteal"  # single tests take long, not files
waiting := "--numprocesses=3 --dist=loadfile " + in_order  # tests on real parts wait more than they compute

# uv takes the Python that is here, or says so; it never fetches one
export UV_PYTHON_DOWNLOADS := "never"

# a run of the tests rewrites hundreds of modules: once is enough, also where the environment says otherwise
export PYTHONDONTWRITEBYTECODE := ""

_tasks:
    @"{{ just_executable() }}" --justfile "{{ justfile() }}" --list --unsorted

# ── run ──────────────────────────────────────────────────────────────────────────────────────────────────────────

# Run the product: NATS, the five services and the sandbox (`up --no-sandbox`: a real installation)
[group("run")]
up *arguments: ready _browser
    @exec "{{ bin }}/heraldry" up "$@"

# Start the product unless it runs, and play what it can do through its HTTP API (`--json`: one document)
[group("run")]
demo *arguments: ready _browser
    @exec "{{ bin }}/heraldry" demo "$@"

# Delete the read models and build them again from the log
[group("run")]
rebuild *arguments: ready
    @exec "{{ bin }}/heraldry" rebuild "$@"

# ── check and test ───────────────────────────────────────────────────────────────────────────────────────────────

# Lint, types, imports, declared dependencies, unit tests: less than two minutes
[group("test")]
check: setup-dev _checks

[parallel]
_checks: _lint _types _imports _dependencies _unit

# check, then everything on real parts at its smallest honest size; arguments go to pytest
[group("test")]
test *arguments: check setup-system
    "{{ bin }}/python" -m pytest -m "(parts or stack) and not long" {{ waiting }} --durations=15 --durations-min=0.01 "$@"

# Full size; never in CI
[group("test")]
test-long *arguments: setup-dev setup-system helm
    "{{ bin }}/python" -m pytest -m long {{ stealing }} --durations=40 --timeout=3600 "$@"

# One script per promise on speed; each prints ratios against a floor measured in the same run
[group("test")]
bench *arguments: setup-dev
    for script in benchmarks/[a-z]*.py; do PYTHONPATH=. "{{ bin }}/python" "$script" "$@" || exit; done

# A month of campaigns on a clock that is moved: 50 identities, 1,000 leads each; checked against the rules
[group("test")]
simulate *arguments: setup-dev
    "{{ bin }}/python" -m simulation "$@"

_lint:
    "{{ bin }}/ruff" check
    "{{ bin }}/ruff" format --check
    "{{ bin }}/python" tools/tidy.py

_types:
    "{{ bin }}/basedpyright" --level error

_imports:
    "{{ bin }}/lint-imports"

_dependencies:
    "{{ bin }}/python" tools/dependencies.py

_unit:
    "{{ bin }}/python" -m pytest -m "not parts and not stack and not long" {{ side_by_side }} -q --durations=5

# ── documentation and chart ──────────────────────────────────────────────────────────────────────────────────────

# Requirements that no test names yet
[group("docs")]
requirements *arguments: setup-dev
    "{{ bin }}/python" tools/requirements_report.py "$@"

# Lint the chart with the real helm and print what it renders; arguments go to `helm template`
[group("docs")]
chart *arguments: helm
    @.tools/helm/helm lint --strict deploy/k8s/heraldry >&2
    @.tools/helm/helm template heraldry deploy/k8s/heraldry "$@"

# Write the generated reference pages anew, and check that every link between documents leads somewhere
[group("docs")]
docs: setup-dev
    "{{ bin }}/python" tools/asyncapi.py
    "{{ bin }}/python" tools/docs.py

# Pictures of the pages at 390 and 1440 px, in screenshots/ (starts the product for it)
[group("docs")]
screenshots *arguments: setup-dev setup-system
    "{{ bin }}/python" tools/screenshots.py "$@"

# ── workshop ─────────────────────────────────────────────────────────────────────────────────────────────────────

# Format what can be formatted
[group("workshop")]
fmt: setup-dev
    "{{ bin }}/ruff" check --fix
    "{{ bin }}/ruff" format

# Make the locks anew: hashes, no address, no path (`just lock --upgrade` moves versions)
[group("workshop")]
lock *arguments:
    "{{ python }}" tools/lock.py "$@"

# What `up` and `demo` need: requirements.lock in .venv, and node_modules
[group("workshop")]
setup: ready

# What tests and checks need: requirements-dev.lock as well
[group("workshop")]
setup-dev:
    @"{{ python }}" tools/environment.py dev

# The system's packages for the tests (a browser, Dovecot, Postfix), if they are missing and may be installed
[group("workshop")]
setup-system: setup-dev
    @"{{ bin }}/python" tools/system_packages.py

# What the pages are made of, from npm into node_modules
[group("workshop")]
assets: ready

[private]
_browser: ready
    @"{{ bin }}/python" tools/system_packages.py browser

[private]
ready:
    @"{{ python }}" tools/environment.py run

[private]
helm:
    @"{{ python }}" tools/get_helm.py
