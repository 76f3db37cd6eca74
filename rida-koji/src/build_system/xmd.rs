//! What the imported document says of the build, where tools that read it from Koji look for it.

use rida_core::modulemd::{Xmd, XmdMap};
use rida_core::{BuildRequire, ModuleBuild, PortError};

use super::KojiBuildSystem;

/// What stands for the context of a base module, which has none.
const BASE_CONTEXT: &str = "00000000";
/// What stands for the commit of a base module, which has none.
const BASE_REF: &str = "virtual";

impl KojiBuildSystem {
    /// Makes `xmd.mbs` of a module: where it came from, what it was built against and of which commits.
    pub(super) async fn service_xmd(&self, build: &ModuleBuild) -> Result<Xmd, PortError> {
        let submission = &build.submission;
        let mut required = XmdMap::default();
        for module in &submission.build_requires {
            required.insert(module.name.to_string(), self.required_xmd(build, module).await?);
        }
        let sources = build.components().filter_map(|(planned, component)| {
            let commit = component.source.as_ref()?.commit.to_string();
            Some((planned.name.to_string(), map([("ref", Xmd::text(commit))])))
        });
        let mut entries = vec![
            ("buildrequires", Xmd::Map(required)),
            ("koji_tag", Xmd::text(build.tag().to_string())),
            // Each build has one stream of each module; where a document allows several, it was expanded.
            ("mse", Xmd::Bool(true)),
            ("rpms", Xmd::Map(sources.collect())),
        ];
        if let Some(url) = &submission.scm_url {
            entries.push(("commit", Xmd::text(url.revision().to_string())));
            entries.push(("scmurl", Xmd::text(url.as_str())));
        }
        entries.extend(submission.side_tag.iter().map(|tag| ("side_tag", Xmd::text(tag.to_string()))));
        Ok(map(entries))
    }

    async fn required_xmd(&self, build: &ModuleBuild, required: &BuildRequire) -> Result<Xmd, PortError> {
        let name = format!("{}:{}", required.name, required.stream);
        let mut entries = vec![("stream", Xmd::text(required.stream.to_string()))];
        let built_here = required.build.filter(|_| !self.config.base_tags.contains_key(&name));
        let Some(id) = built_here else {
            entries.extend([("context", Xmd::text(BASE_CONTEXT)), ("ref", Xmd::text(BASE_REF))]);
            // The packages are built: no import fails of a tag that its operator has taken out of the settings.
            let tag = self.base_tag(&name, build.submission.side_tag.as_ref()).ok();
            entries.extend(tag.map(|tag| ("koji_tag", Xmd::text(tag))));
            return Ok(map(entries));
        };
        let known = self.builds.load(id).await.map_err(|error| {
            PortError::unavailable(format!("what is known of {name} cannot be read")).because(error)
        })?;
        // Of one that is not known any more only the stream is told.
        if let Some(known) = known {
            let nsvc = known.nsvc();
            entries.extend([
                ("context", Xmd::text(nsvc.context.to_string())),
                ("koji_tag", Xmd::text(known.tag().to_string())),
                ("version", Xmd::text(nsvc.version.to_string())),
            ]);
            let url = known.submission.scm_url.as_ref();
            entries.extend(url.map(|url| ("ref", Xmd::text(url.revision().to_string()))));
        }
        Ok(map(entries))
    }
}

fn map<'a>(entries: impl IntoIterator<Item = (&'a str, Xmd)>) -> Xmd {
    Xmd::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}
