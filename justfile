# The everyday commands, for those who have `just` (https://just.systems). Each calls a script, which says more
# with --help; everything works without `just`.

set positional-arguments

# lists the recipes
default:
    @just --list

# makes this machine ready to build and test (other OPTIONS: --model, --ros)
setup *OPTIONS='--tests':
    scripts/setup "$@"

# what continuous integration runs, or some of its stages
test *STAGE:
    scripts/test "$@"

# labels the sample bag that ships with the repository
demo *FOLDER:
    scripts/demo "$@"

# trains a model of your own camera on your own bags
fit *ARGUMENTS:
    scripts/fit "$@"

# installs what a benchmark needs and runs it; without NAME, lists them
benchmark NAME='--help' *ARGUMENTS:
    scripts/benchmark "$@"

# lays out Rust and Python
fmt:
    scripts/format

# the checks that run no test
lint:
    scripts/test fmt clippy shellcheck ruff

# builds the documentation of the Rust code
docs:
    scripts/test doc
