//! The fast reader of YAML sees what the complete one sees, wherever it answers.

pub(crate) fn run(data: &[u8]) {
    rida_core::modulemd::readers_agree(data);
}
