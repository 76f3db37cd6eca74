//! Prints the states of a module build: `cargo run --example states`.

use rida::BUILD_STATES;

fn main() {
    for state in BUILD_STATES {
        let next: Vec<_> = state.successors().iter().map(|next| next.name()).collect();
        let next = if next.is_empty() { "the end".to_owned() } else { next.join(" or ") };
        println!("{} {state:<7} then {next}", state.code());
    }
}
