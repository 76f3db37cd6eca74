//! Speaks with Kerberos for a client of Koji's hub. Takes the hub's host, and the principal when one is named; says
//! and hears the rest line by line.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [host] => rida_koji::negotiate(host, None),
        [host, principal] => rida_koji::negotiate(host, Some(principal)),
        _ => {
            eprintln!("usage: rida-koji-negotiate HOST [PRINCIPAL]");
            ExitCode::FAILURE
        }
    }
}
