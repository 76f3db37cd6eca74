//! What a content generator tells of what it imports, as the hub reads it from a file.

use bytes::Bytes;
use md5::{Digest, Md5};
use rida_core::ModuleBuild;
use serde_json::{Value, json};

use super::super::members::Package;
use super::Imported;
use crate::config::ImportConfig;
use crate::map::Names;

/// The name of the file, by which the hub knows that it is one.
pub(super) const METADATA: &str = "metadata.json";

/// Puts together all that is told.
pub(super) fn metadata(import: &ImportConfig, described: &Value, outputs: &[Value]) -> String {
    let root = build_root(import);
    json!({"metadata_version": 0, "buildroots": [root], "build": described, "output": outputs}).to_string()
}

fn build_root(import: &ImportConfig) -> Value {
    let version = env!("CARGO_PKG_VERSION");
    let arch = std::env::consts::ARCH;
    json!({
        "id": 1,
        "host": {"arch": arch, "os": std::env::consts::OS},
        "content_generator": {"name": import.generator, "version": version},
        "container": {"arch": arch, "type": "none"},
        "components": [],
        "tools": [{"name": "rida", "version": version}],
    })
}

/// Tells of the build itself.
pub(super) fn described(
    build: &ModuleBuild,
    names: &Names,
    module: &Imported,
    whole: &str,
    owner: Option<&str>,
) -> Value {
    let nsvc = build.nsvc();
    let of_module = json!({
        "module_build_service_id": build.id.get(),
        "content_koji_tag": names.tag,
        "modulemd_str": whole,
        "name": module.name,
        "stream": nsvc.stream.as_str(),
        "version": nsvc.version.to_string(),
        "context": nsvc.context.as_str(),
    });
    let mut described = json!({
        "name": module.name,
        "version": module.version,
        "release": module.release,
        "source": build.submission.scm_url.as_ref().map(ToString::to_string),
        "start_time": build.submission.at.millis() / 1000,
        "end_time": build.modified_at.millis() / 1000,
        "extra": {"typeinfo": {"module": of_module}},
    });
    if let (Some(owner), Value::Object(members)) = (owner, &mut described) {
        members.insert("owner".to_owned(), owner.into());
    }
    described
}

/// Tells of a file, and of the packages that it is about.
pub(super) fn output(name: &str, arch: &str, kind: &str, content: &Bytes, packages: &[&Package]) -> Value {
    let sum: String = Md5::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    let components = packages.iter().map(|package| {
        let rpm = &package.rpm;
        json!({
            "type": "rpm",
            "name": rpm.name,
            "version": rpm.version,
            "release": rpm.release,
            "epoch": rpm.epoch,
            "arch": rpm.arch,
            "sigmd5": rpm.payload_hash,
        })
    });
    let mut output = json!({
        "buildroot_id": 1,
        "arch": arch,
        "type": kind,
        "filename": name,
        "filesize": content.len(),
        "checksum_type": "md5",
        "checksum": sum,
        "components": components.collect::<Vec<_>>(),
    });
    if let (true, Value::Object(members)) = (kind == "file", &mut output) {
        members.insert("extra".to_owned(), json!({"typeinfo": {"module": {}}}));
    }
    output
}
