#!/bin/sh
# Installs what a first build needs, and builds the example module from git to a repository of RPMs.
set -eu
cd "$(dirname "$0")/.."

scripts/setup.sh run
command -v cargo >/dev/null || {
    echo "cargo is not here; install Rust 1.94 or later from https://rustup.rs" >&2
    exit 1
}
echo "compiling; the first time takes some minutes" >&2
exec cargo run --locked --features http --example quickstart -- "$@"
