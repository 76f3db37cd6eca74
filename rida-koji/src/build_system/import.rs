//! Making a finished module known to Koji, as what a content generator made.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use rida_core::modulemd::Xmd;
use rida_core::{Arch, ComponentName, ModuleBuild, PortError};

use self::metadata::{METADATA, described, metadata, output};
pub(super) use self::tagging::Putting;
use super::members::Package;
use super::module::{Content, Kind, content, documents};
use super::{KojiBuildSystem, unreadable};
use crate::config::ImportConfig;
use crate::error::KojiErrorKind;
use crate::map::{Names, port_error, refused};
use crate::wire::{Build, BuildState, Tag, TaggedRpms};
use crate::xmlrpc::{Call, Value};

mod metadata;
mod tagging;

/// What is asked of source packages.
const SOURCE_HEADERS: &[&str] = &["exclusivearch", "excludearch", "license"];
/// What is asked of other packages.
const HEADERS: &[&str] = &["license"];

/// A module as it is imported: itself, or its companion with what it filters out.
pub(super) struct Imported {
    kind: Kind,
    name: String,
    version: String,
    release: String,
}

impl Imported {
    fn new(build: &ModuleBuild, kind: Kind) -> Self {
        let nsvc = build.nsvc();
        let name = match kind {
            Kind::Module => nsvc.name.to_string(),
            Kind::Devel => format!("{}-devel", nsvc.name),
        };
        let version = nsvc.stream.as_str().replace('-', "_");
        Self { kind, name, version, release: format!("{}.{}", nsvc.version, nsvc.context) }
    }

    pub(super) fn nvr(&self) -> String {
        format!("{}-{}-{}", self.name, self.version, self.release)
    }
}

impl KojiBuildSystem {
    /// Returns what is imported of a module.
    pub(super) fn imported(&self, build: &ModuleBuild) -> Vec<Imported> {
        let Some(import) = self.config.import.as_ref().filter(|_| !build.is_scratch()) else { return Vec::new() };
        let devel = import.devel.then_some(Kind::Devel);
        std::iter::once(Kind::Module).chain(devel).map(|kind| Imported::new(build, kind)).collect()
    }

    pub(super) async fn import_module(&self, build: &ModuleBuild) -> Result<(), PortError> {
        // What is only tried is in its tag, and nowhere else.
        let Some(import) = self.config.import.as_ref().filter(|_| !build.is_scratch()) else { return Ok(()) };
        let names = self.names(build);
        let modules = self.imported(build);
        let found = self.found_imports(build, import, &modules).await?;
        let mut missing = Vec::new();
        for (module, found) in modules.iter().zip(&found) {
            match &found.build {
                None => missing.push(module),
                Some(known) => match known.state {
                    BuildState::Complete => check_own(known, &names)?,
                    // The hub makes it anew of the same record.
                    BuildState::Failed | BuildState::Canceled => missing.push(module),
                    BuildState::Deleted => {
                        let text = format!("Koji had {} and deleted it; build from a new commit", known.nvr);
                        return Err(PortError::permanent(text));
                    }
                    BuildState::Building => {
                        let text = format!("somebody else is making {} in Koji", known.nvr);
                        return Err(PortError::permanent(text));
                    }
                },
            }
        }
        if !missing.is_empty() {
            self.import_missing(build, import, &names, missing).await?;
        }
        self.tag_imports(build, import, &modules, found).await
    }

    /// Imports what is not there yet, of what is in the module's tag now.
    async fn import_missing(
        &self,
        build: &ModuleBuild,
        import: &ImportConfig,
        names: &Names,
        missing: Vec<&Imported>,
    ) -> Result<(), PortError> {
        let calls = [
            Call::new("getTag", [Value::from(names.tag.as_str())]),
            tagged_rpms(&names.tag),
            Call::new("getUser", [Value::from(build.submission.owner.as_str())]),
        ];
        let mut answers = self.client.read_many(&calls).await.map_err(port_error)?.into_iter();
        let mut next =
            || answers.next().unwrap_or(Ok(Value::Nil)).map_err(|fault| refused("Koji cannot be asked", fault));
        let tag = Tag::from_value(next()?).map_err(unreadable)?;
        let tag = tag.ok_or_else(|| PortError::permanent(format!("Koji's tag {} is gone", names.tag)))?;
        let tagged = next()?;
        let owner = next()?.fields("user").ok().and_then(|mut user| user.maybe_text("name").ok().flatten());
        let packages = self.packages(tagged).await?;
        let xmd = self.service_xmd(build).await?;
        for module in missing {
            let content = content(build, module.kind, &tag.arches, &packages)?;
            self.import_one(build, import, &xmd, module, &content, owner.as_deref()).await?;
        }
        Ok(())
    }

    /// Makes the module's document for each architecture of its tag, of what is in the tag now.
    pub(super) async fn documents(&self, build: &ModuleBuild) -> Result<BTreeMap<Arch, String>, PortError> {
        let names = self.names(build);
        let calls = [Call::new("getTag", [Value::from(names.tag.as_str())]), tagged_rpms(&names.tag)];
        let mut answers = self.client.read_many(&calls).await.map_err(port_error)?.into_iter();
        let mut next = || answers.next().unwrap_or(Ok(Value::Nil));
        let tag = next().map_err(|fault| refused("a tag cannot be looked up", fault))?;
        let tag = Tag::from_value(tag).map_err(unreadable)?;
        let tag = tag.ok_or_else(|| PortError::permanent(format!("Koji's tag {} is gone", names.tag)))?;
        let tagged = next().map_err(|fault| refused("what is in a tag cannot be looked up", fault))?;
        let packages = self.packages(tagged).await?;
        let content = content(build, Kind::Module, &tag.arches, &packages)?;
        let files = documents(build, Kind::Module, &content)?.files;
        // Beside those of the architectures there is one of none, and the one that was submitted.
        let of_arch = files.into_iter().filter(|(_, arch, ..)| tag.arches.contains(arch));
        Ok(of_arch.filter_map(|(_, arch, _, text, _)| Some((Arch::new(&arch).ok()?, text))).collect())
    }

    /// Reads what is in the module's tag, with what the headers of its packages say.
    async fn packages(&self, tagged: Value) -> Result<Vec<Package>, PortError> {
        let TaggedRpms { rpms, builds } = TaggedRpms::from_value(tagged).map_err(unreadable)?;
        let calls: Vec<Call> = rpms
            .iter()
            .map(|rpm| {
                let headers = if rpm.arch == "src" { SOURCE_HEADERS } else { HEADERS };
                let headers = headers.iter().map(|name| Value::from(*name)).collect();
                Call::new("getRPMHeaders", []).with("rpmID", rpm.id).with("headers", Value::Array(headers))
            })
            .collect();
        let answers = self.client.read_many(&calls).await.map_err(port_error)?;
        let mut packages = Vec::new();
        for (rpm, answer) in rpms.into_iter().zip(answers) {
            let answer = answer.map_err(|fault| refused("the headers of a package cannot be read", fault))?;
            let mut headers = answer.fields("headers").map_err(unreadable)?;
            let arches = |value: Value| match value {
                Value::Array(values) => {
                    values.iter().filter_map(|value| value.text("arch").ok().map(str::to_owned)).collect()
                }
                _ => BTreeSet::new(),
            };
            let component = builds.get(&rpm.build).and_then(|name| ComponentName::new(name).ok());
            let Some(component) = component.filter(|component| *component != ComponentName::macros()) else { continue };
            packages.push(Package {
                component,
                // A package may have none, and none that could be written is none, too.
                license: headers.maybe_text("license").ok().flatten().unwrap_or_default(),
                exclusive: arches(headers.take("exclusivearch")),
                excluded: arches(headers.take("excludearch")),
                rpm,
            });
        }
        Ok(packages)
    }

    async fn import_one(
        &self,
        build: &ModuleBuild,
        import: &ImportConfig,
        xmd: &Xmd,
        module: &Imported,
        content: &Content<'_>,
        owner: Option<&str>,
    ) -> Result<(), PortError> {
        let mut documents = documents(build, module.kind, content)?;
        if let Xmd::Map(entries) = &mut documents.whole.xmd {
            entries.insert("mbs".to_owned(), xmd.clone());
        }
        let names = self.names(build);
        let folder = format!("rida/{}", module.nvr());
        let mut outputs = Vec::new();
        for (name, arch, kind, text, packages) in &documents.files {
            let bytes = Bytes::from(text.clone());
            self.client.upload(&folder, name, &bytes).await.map_err(port_error)?;
            outputs.push(output(name, arch, kind, &bytes, packages));
        }
        let described = described(build, &names, module, &documents.whole.to_yaml(), owner);
        // It names each package several times. As a file it may be longer than a call.
        let metadata = metadata(import, &described, &outputs);
        self.client.upload(&folder, METADATA, &Bytes::from(metadata)).await.map_err(port_error)?;
        let nvr = module.nvr();
        let mut calls = vec![Call::new("CGImport", [METADATA, &folder].map(Value::from))];
        calls.extend(import.tag.iter().map(|tag| tagging::put_into(tag, &nvr)));
        let error = match self.client.write_many(&calls).await {
            Ok(answers) => {
                let mut answers = answers.into_iter();
                match answers.next().unwrap_or(Ok(Value::Nil)) {
                    Ok(_) => {
                        let asked = answers.next().zip(import.tag.as_ref());
                        return asked.map_or(Ok(()), |(answer, tag)| self.put_by(build, &nvr, tag, answer));
                    }
                    Err(fault) => refused("the module cannot be imported", fault),
                }
            }
            Err(error) if error.kind() == KojiErrorKind::Committed => port_error(error),
            Err(error) => return Err(port_error(error)),
        };
        // It is there when an earlier call was answered to nobody.
        let call = Call::new("getBuild", [Value::from(nvr)]);
        let known = self.client.read(&call).await.map_err(port_error)?;
        if known.is_nil() {
            return Err(error);
        }
        let known = Build::from_value(known).map_err(unreadable)?;
        if known.state == BuildState::Complete { check_own(&known, &names) } else { Err(error) }
    }
}

/// Asks for the packages that a tag itself has, of the latest builds.
pub(super) fn tagged_rpms(tag: &str) -> Call {
    Call::new("listTaggedRPMS", [Value::from(tag)]).with("latest", true).with("inherit", false)
}

/// Refuses a build of that name that is of another module.
fn check_own(known: &Build, names: &Names) -> Result<(), PortError> {
    let mut place = known.rest.get("extra");
    for name in ["typeinfo", "module", "content_koji_tag"] {
        place = match place {
            Some(Value::Struct(members)) => members.get(name),
            _ => None,
        };
    }
    let what = match place {
        Some(Value::Text(tag)) if *tag == names.tag => return Ok(()),
        Some(Value::Text(tag)) => format!("with what is in the tag {tag}"),
        _ => "which is no module".to_owned(),
    };
    Err(PortError::permanent(format!("Koji has {} already, {what}", known.nvr)))
}
