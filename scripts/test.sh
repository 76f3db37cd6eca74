#!/bin/sh
# Installs what the tests need, and runs all of them: formatting, lints, licences and bans, tests, documentation.
set -eu
cd "$(dirname "$0")/.."

scripts/setup.sh test
command -v cargo >/dev/null || {
    echo "cargo is not here; install Rust 1.94 or later from https://rustup.rs" >&2
    exit 1
}
command -v cargo-deny >/dev/null || cargo install --locked --quiet cargo-deny

cargo fetch --locked
cargo fmt --all --check
cargo deny --offline check bans licenses sources
cargo clippy --workspace --all-targets --all-features --locked -- --deny warnings
# As the quickstart has it: without Koji and the buses.
cargo clippy --package rida-http --no-default-features --all-targets --locked -- --deny warnings
RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --all-features --no-deps --locked --quiet
cargo test --workspace --all-features --locked
