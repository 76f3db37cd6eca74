//! The configuration, as a file, as environment variables and as flags: it is resolved and shown, or refused with a
//! reason.

use std::path::Path;

use rida_http::config::Layers;

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut layers = Layers::default();
    // What is refused leaves the others as they were.
    let _ = layers.text(Path::new("rida.toml"), text);
    for line in text.lines() {
        if let Some((name, value)) = line.split_once('=') {
            let _ = layers.flag("--set", name.trim(), value.trim());
            let name = format!("RIDA_{}", name.trim().replace('.', "__").to_uppercase());
            let _ = layers.environment([(name, value.trim().to_owned())]);
        }
    }
    let resolved = layers.resolve();
    assert!(resolved.describe().lines().count() >= resolved.settings.len());
}
