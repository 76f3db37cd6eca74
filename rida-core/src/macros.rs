//! What a module's packages are built with: the tag, the dist tag, and the `module-build-macros` package.

use std::fmt;

use sha1::{Digest, Sha1};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::id::{BuildId, ComponentName, DistTag, Nsvc, Nvr, TagName};
use crate::timestamp::Timestamp;

/// The longest tag name that is not hashed, with room for the suffix `-build` within 256 bytes.
const LONGEST_TAG: usize = 250;

/// The longest name of a target that is not hashed. Koji took no longer ones once.
const LONGEST_TARGET: usize = 50;

/// What the names of tags of scratch builds begin with, as the Module Build Service has it.
const SCRATCH_TAG_PREFIX: &str = "scrmod-";

/// What the dist tags of scratch builds begin with, after their dot.
pub(crate) const SCRATCH_DIST_PREFIX: &str = "scrmod+";

/// Returns the name of a module's tag: `module-<name>-<stream>-<version>-<context>`, or `module-` and the first 16
/// digits of the SHA-1 of the four joined by dots when that is too long, as the Module Build Service does.
pub fn tag_name(nsvc: &Nsvc) -> TagName {
    name_within("module-", nsvc, "", LONGEST_TAG)
}

/// Returns the name of a module's build target: that of its tag, but hashed from 51 bytes on, as the Module Build
/// Service does.
pub fn target_name(nsvc: &Nsvc) -> TagName {
    name_within("module-", nsvc, "", LONGEST_TARGET)
}

/// Returns the name of a scratch build's tag, such as `scrmod-nodejs-18-1-c0ffee_1+7`: the build's id makes it one that
/// no other build has, whatever is submitted.
pub(crate) fn scratch_tag_name(nsvc: &Nsvc, id: BuildId) -> TagName {
    name_within(SCRATCH_TAG_PREFIX, nsvc, &format!("+{id}"), LONGEST_TAG)
}

/// Returns the name of a scratch build's target.
pub(crate) fn scratch_target_name(nsvc: &Nsvc, id: BuildId) -> TagName {
    name_within(SCRATCH_TAG_PREFIX, nsvc, &format!("+{id}"), LONGEST_TARGET)
}

fn name_within(prefix: &str, nsvc: &Nsvc, suffix: &str, longest: usize) -> TagName {
    let Nsvc { name, stream, version, context } = nsvc;
    let plain = format!("{prefix}{name}-{stream}-{version}-{context}{suffix}");
    let text = if plain.len() <= longest { plain } else { format!("{prefix}{}{suffix}", nsvc_hash(nsvc, 16)) };
    TagName::new(&text).expect("parts of an NSVC and numbers hold only what a tag name may")
}

/// Returns a module's dist tag: `.<prefix><platform>+<index>+<hash>`, the hash being the first 8 digits of the SHA-1
/// of name, stream, version and context joined by dots, as the Module Build Service does.
///
/// # Errors
/// When prefix or platform hold something that a dist tag may not.
pub fn dist_tag(prefix: &str, platform: &str, index: BuildId, nsvc: &Nsvc) -> Result<DistTag, crate::id::GrammarError> {
    let marking = platform.replace('-', "_");
    let separator = if marking.is_empty() { "" } else { "+" };
    DistTag::new(&format!(".{prefix}{marking}{separator}{index}+{}", nsvc_hash(nsvc, 8)))
}

fn nsvc_hash(nsvc: &Nsvc, digits: usize) -> String {
    let Nsvc { name, stream, version, context } = nsvc;
    let digest = Sha1::digest(format!("{name}.{stream}.{version}.{context}"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>().chars().take(digits).collect()
}

/// The name of the macro file in the sources of `module-build-macros`.
const MACROS_SOURCE: &str = "macros.modules";

/// Where `module-build-macros` installs its macros; the name sorts last, so that they win over those of the distribution.
const MACROS_PATH: &str = "/etc/rpm/macros.zz-modules";

/// What `module-build-macros` is generated from.
///
/// All parts but the packager's own macros are of types whose grammar holds no `%`, no white space and no line end, so
/// that none of them can end the definition that it stands in.
#[derive(Clone, Copy, Debug)]
pub struct BuildMacros<'a> {
    /// What the module is called.
    pub nsvc: &'a Nsvc,
    /// The suffix of the releases of its packages.
    pub dist_tag: &'a DistTag,
    /// `buildopts.rpms.macros` of the modulemd: lines of a macro file, which by their purpose may define anything.
    pub packager: Option<&'a str>,
    /// The packages that must not be in a build root of the module.
    pub conflicts: &'a [Conflict],
    /// The date of the change log: when the module was submitted.
    pub at: Timestamp,
}

/// A package that must not be in a build root: another module's, which the build root would take it from otherwise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conflict {
    /// Its name, version and release.
    pub nvr: Nvr,
    /// Its epoch.
    pub epoch: u32,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Nvr { name, version, release } = &self.nvr;
        write!(f, "{name} = {}:{version}-{release}", self.epoch)
    }
}

impl BuildMacros<'_> {
    /// The version of the package.
    pub const VERSION: &'static str = "0.1";
    /// The release of the package, before the dist tag.
    pub const RELEASE: &'static str = "1";

    /// Returns the name of the spec file.
    pub fn spec_name() -> String {
        format!("{}.spec", ComponentName::macros())
    }

    /// Returns the name of the macro file that the spec takes as its source.
    pub const fn source_name() -> &'static str {
        MACROS_SOURCE
    }

    /// Returns the macro file, as the Module Build Service writes it.
    pub fn macros(&self) -> String {
        let Self { nsvc, dist_tag, packager, .. } = self;
        let Nsvc { name, stream, version, context } = nsvc;
        let packager = packager.map_or("", str::trim_end);
        format!(
            "# Macros of the module\n\n\
             %dist {dist_tag}\n\
             %modularitylabel {nsvc}\n\
             %_module_build 1\n\
             %_module_name {name}\n\
             %_module_stream {stream}\n\
             %_module_version {version}\n\
             %_module_context {context}\n\n\
             # Macros of the module's author\n\n\
             {packager}\n"
        )
    }

    /// Returns the spec of a package that installs the macro file.
    pub fn spec(&self) -> String {
        let Self { nsvc, dist_tag, conflicts, .. } = self;
        // Whoever installs the macros, which every build root does, installs none of these.
        let conflicts: String = conflicts.iter().map(|conflict| format!("Conflicts:  {conflict}\n")).collect();
        let Nsvc { name: module, stream, version: module_version, context } = nsvc;
        let (name, version, release) = (ComponentName::macros(), Self::VERSION, Self::RELEASE);
        let day = change_log_day(self.at);
        format!(
            "%global dist {dist_tag}\n\
             %global modularitylabel {nsvc}\n\
             %global _module_name {module}\n\
             %global _module_stream {stream}\n\
             %global _module_version {module_version}\n\
             %global _module_context {context}\n\n\
             Name:       {name}\n\
             Version:    {version}\n\
             Release:    {release}%dist\n\
             Summary:    Macros that the packages of a module are built with\n\
             BuildArch:  noarch\n\
             License:    MIT\n\
             Source1:    {MACROS_SOURCE}\n\
             {conflicts}\n\
             %description\n\
             This package gives the packages of the module {nsvc}\n\
             their dist tag and their modularity label while they are built.\n\
             Never install it on a system that is used: it changes what is built there.\n\n\
             %prep\n\n\
             %build\n\n\
             %install\n\
             mkdir -p %{{buildroot}}/etc/rpm\n\
             cp %{{SOURCE1}} %{{buildroot}}{MACROS_PATH}\n\
             chmod 644 %{{buildroot}}{MACROS_PATH}\n\n\
             %files\n\
             {MACROS_PATH}\n\n\
             %changelog\n\
             * {day} Module Build <nobody@localhost> - {version}-{release}{dist_tag}\n\
             - Generated for the module\n"
        )
    }
}

/// Prints a day as RPM's change logs have it, such as `Fri Feb 09 2018`.
fn change_log_day(at: Timestamp) -> String {
    let date = OffsetDateTime::from_unix_timestamp(at.millis() / 1000).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    date.format(format_description!("[weekday repr:short] [month repr:short] [day] [year]")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_macro_file_defines_what_the_modules_packages_are_built_with() {
        let nsvc = nsvc("perl:5.30:20180209135231:f4bfd830");
        let tag = dist_tag("module+", "el8", BuildId::new(7).unwrap(), &nsvc).unwrap();
        let at = Timestamp::from_millis(1_518_184_351_999);
        let macros =
            BuildMacros { nsvc: &nsvc, dist_tag: &tag, packager: Some("%bootstrap 1\n\n"), conflicts: &[], at };
        let expected = format!(
            "# Macros of the module\n\n%dist {tag}\n%modularitylabel perl:5.30:20180209135231:f4bfd830\n\
             %_module_build 1\n%_module_name perl\n%_module_stream 5.30\n%_module_version 20180209135231\n\
             %_module_context f4bfd830\n\n# Macros of the module's author\n\n%bootstrap 1\n"
        );
        assert_eq!(macros.macros(), expected);
    }

    #[test]
    fn the_spec_names_the_macro_file_and_the_day() {
        let nsvc = nsvc("perl:5.30:20180209135231:f4bfd830");
        let tag = dist_tag("module+", "el8", BuildId::new(7).unwrap(), &nsvc).unwrap();
        let at = Timestamp::from_millis(1_518_184_351_999);
        let spec = BuildMacros { nsvc: &nsvc, dist_tag: &tag, packager: None, conflicts: &[], at }.spec();
        assert!(spec.starts_with(&format!("%global dist {tag}\n")), "{spec}");
        for line in ["Name:       module-build-macros", "Release:    1%dist", "Source1:    macros.modules"] {
            assert!(spec.lines().any(|l| l == line), "{line} in {spec}");
        }
        assert!(spec.contains("* Fri Feb 09 2018 Module Build <nobody@localhost> - 0.1-1.module+el8+7+"), "{spec}");
        let conflict = Conflict { nvr: "perl-libs-5.24-1.el8".parse().unwrap(), epoch: 4 };
        let with = BuildMacros { nsvc: &nsvc, dist_tag: &tag, packager: None, conflicts: &[conflict], at }.spec();
        let added: Vec<&str> = with.lines().filter(|line| !spec.lines().any(|known| known == *line)).collect();
        assert_eq!(added, ["Conflicts:  perl-libs = 4:5.24-1.el8"]);
        // What the packager wrote belongs into the macro file alone.
        let hostile =
            BuildMacros { nsvc: &nsvc, dist_tag: &tag, packager: Some("%post\nid"), conflicts: &[], at }.spec();
        assert_eq!(hostile, spec);
    }

    fn nsvc(text: &str) -> Nsvc {
        text.parse().unwrap()
    }

    #[test]
    fn the_dist_tag_hashes_the_nsvc() {
        // The hash is one that another implementation of the same formula gives.
        let nodejs = nsvc("nodejs:18:8060020220523160029:fbe42456");
        let tag = dist_tag("module+", "el8.6.0", BuildId::new(42).unwrap(), &nodejs).unwrap();
        assert_eq!(tag.as_str(), ".module+el8.6.0+42+c1a029be");
        assert_eq!(dist_tag("module+", "", BuildId::new(2).unwrap(), &nodejs).unwrap().as_str(), ".module+2+c1a029be");
        assert!(dist_tag("a b", "el8", BuildId::new(2).unwrap(), &nodejs).is_err());
    }

    #[test]
    fn a_scratch_build_has_a_tag_of_its_own() {
        let (short, id) = (nsvc("nodejs:18:1:c0ffee_1"), BuildId::new(7).unwrap());
        assert_eq!(scratch_tag_name(&short, id).as_str(), "scrmod-nodejs-18-1-c0ffee_1+7");
        assert_eq!(scratch_target_name(&short, id), scratch_tag_name(&short, id));
        let long = nsvc(&format!("{}:{}:1:c0ffee_1", "n".repeat(128), "s".repeat(128)));
        let hashed = scratch_tag_name(&long, id);
        assert!(hashed.as_str().starts_with("scrmod-") && hashed.as_str().ends_with("+7"), "{hashed}");
        assert_eq!(hashed.as_str().len(), "scrmod-".len() + 16 + "+7".len());
    }

    #[test]
    fn a_tag_that_is_too_long_is_hashed() {
        let short = nsvc("nodejs:18:1:c0ffee");
        assert_eq!(tag_name(&short).as_str(), "module-nodejs-18-1-c0ffee");
        let long = nsvc(&format!("{}:{}:1:c0ffee", "n".repeat(128), "s".repeat(128)));
        assert_eq!(tag_name(&long).as_str().len(), "module-".len() + 16);
        assert_eq!(target_name(&short).as_str(), "module-nodejs-18-1-c0ffee");
        let middle = nsvc("testmodule:master:2820180102030405:9c690d0e");
        assert_eq!(tag_name(&middle).as_str(), "module-testmodule-master-2820180102030405-9c690d0e");
        assert_eq!(target_name(&middle), tag_name(&middle), "fifty bytes are not too long");
        let longer = nsvc("testmodules:master:2820180102030405:9c690d0e");
        assert_eq!(target_name(&longer).as_str().len(), "module-".len() + 16);
    }
}
