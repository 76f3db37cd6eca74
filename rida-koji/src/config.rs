//! How modules are built in Koji.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use rida_core::Arch;

use crate::xmlrpc::{Struct, Value};

/// How modules are built in Koji.
#[derive(Clone, Debug, PartialEq)]
pub struct KojiConfig {
    /// The architectures of modules whose modulemd names none; empty means those of the base module's tag.
    pub arches: Vec<Arch>,
    /// The tags of base modules, by `name:stream`; what is built is built with what they have.
    pub base_tags: BTreeMap<String, String>,
    /// How side tags of base modules are named, by `name:stream`: with `{side_tag}` for what a submission names.
    pub side_tags: BTreeMap<String, String>,
    /// What the addresses of external repositories begin with that are made of this hub's own tags:
    /// `<this>/repos/<tag>-build/latest/$arch`. Streams of modules in there that collide with required ones are kept out
    /// of build roots. Absent means that external repositories are not looked at.
    pub external_repos: Option<String>,
    /// The permission that is needed to change a module's tags.
    pub permission: Option<String>,
    /// Settings of a module's tags.
    pub tag_extra: Struct,
    /// The packages that are in every build root.
    pub build_group: Vec<String>,
    /// The packages that source packages are made with.
    pub srpm_group: Vec<String>,
    /// The owner of packages in a module's tags; absent means who this service is to the hub.
    pub package_owner: Option<String>,
    /// What is added to the priority of builds; more is later.
    pub priority: i64,
    /// The target that `module-build-macros` is built with, instead of the module's own.
    pub macros_target: Option<String>,
    /// Whether components that name architectures are built for them alone. Koji takes that for scratch builds only,
    /// unless it was changed.
    pub arch_override: bool,
    /// How packages get into a module's tags.
    pub tagging: Tagging,
    /// The pause between two looks whether builders have tagged what they were asked to.
    pub tagging_pause: Duration,
    /// How finished modules are made known; absent means that they are not.
    pub import: Option<ImportConfig>,
    /// How old what is known of a task or a repository may be before the hub is asked again. Of what has been waited
    /// for for long it may be older.
    pub freshness: Duration,
    /// The longest that it may be old.
    pub longest_freshness: Duration,
    /// How long a question about tasks and repositories may take: it is asked again and again, and others wait for the
    /// answer.
    pub look_timeout: Duration,
    /// How long a component that is to start waits for others of its module that are to start, too, so that they start
    /// together.
    pub gathering: Duration,
    /// The program that makes source packages; absent means `rpmbuild` of `/usr/bin` or `/bin`.
    pub rpmbuild: Option<PathBuf>,
}

/// How packages get into a module's tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Tagging {
    /// At once. It needs the permission `tag`, which preparing a module needs anyway.
    #[default]
    Direct,
    /// By a task that a builder does, as users tag.
    Task,
}

/// How finished modules are made known to Koji.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportConfig {
    /// The content generator that this service imports as.
    pub generator: String,
    /// The tag that finished modules are put into; absent means none.
    pub tag: Option<String>,
    /// Whether what a module filters out is made known as a module with the suffix `-devel`.
    pub devel: bool,
}

impl Default for ImportConfig {
    fn default() -> Self {
        Self { generator: "module-build-service".to_owned(), tag: None, devel: true }
    }
}

impl Default for KojiConfig {
    fn default() -> Self {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        Self {
            arches: Vec::new(),
            base_tags: BTreeMap::new(),
            side_tags: BTreeMap::new(),
            external_repos: None,
            permission: None,
            tag_extra: default_tag_extra(),
            build_group: words(
                "bash bzip2 coreutils cpio diffutils fedora-release findutils gawk gcc gcc-c++ grep gzip info make patch \
                 redhat-rpm-config rpm-build sed shadow-utils tar unzip util-linux which xz",
            ),
            srpm_group: words("bash fedora-release fedpkg-minimal gnupg2 redhat-rpm-config rpm-build shadow-utils"),
            package_owner: None,
            priority: 10,
            macros_target: None,
            arch_override: false,
            tagging: Tagging::Direct,
            tagging_pause: Duration::from_secs(3),
            import: Some(ImportConfig::default()),
            freshness: Duration::from_secs(15),
            longest_freshness: Duration::from_secs(30),
            look_timeout: Duration::from_secs(60),
            gathering: Duration::from_millis(100),
            rpmbuild: None,
        }
    }
}

/// Returns the settings that tags of modules have everywhere.
fn default_tag_extra() -> Struct {
    let settings = [
        ("mock.package_manager", Value::from("dnf")),
        ("mock.new_chroot", Value::Int(0)),
        ("mock.yum.module_hotfixes", Value::Int(1)),
        ("repo_include_all", Value::Bool(true)),
    ];
    settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
