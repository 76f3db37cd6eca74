//! From the hub's terms to the core's: errors, names, addresses.

use rida_core::scm::Scheme;
use rida_core::{ModuleBuild, Nvr, PinnedSource, PortError, PortErrorKind};

use crate::error::{KojiError, KojiErrorKind, fault};
use crate::xmlrpc::Fault;

/// Tells what a failed call means for a build.
///
/// Whatever may be over later is waited for, a login that fails too: it is the operator who has to mend it, and no
/// build should fail of it.
pub(crate) fn port_error(error: KojiError) -> PortError {
    let kind = match error.kind() {
        KojiErrorKind::Offline | KojiErrorKind::Unreachable | KojiErrorKind::Login => PortErrorKind::Unavailable,
        // Nothing of these says that the call itself is at fault, and a sick hub is not mended in minutes.
        KojiErrorKind::NotTheHub | KojiErrorKind::HubFailed | KojiErrorKind::Lost => PortErrorKind::Unavailable,
        KojiErrorKind::Committed | KojiErrorKind::Invalid => PortErrorKind::Temporary,
        KojiErrorKind::Refused | KojiErrorKind::Settings => PortErrorKind::Permanent,
    };
    PortError::new(kind, error.to_string()).because(error)
}

/// Tells what a refused call among several means for a build; `doing` says what it was to do.
pub(crate) fn refused(doing: &str, fault: Fault) -> PortError {
    let error = KojiError::of_fault(fault);
    let kind = match error.kind() {
        KojiErrorKind::Offline | KojiErrorKind::HubFailed => PortErrorKind::Unavailable,
        _ => PortErrorKind::Permanent,
    };
    let hint = match error.fault().map(|fault| fault.code) {
        Some(fault::NOT_ALLOWED) => "; the operator can grant what is missing, see `rida-http koji check`",
        _ => "",
    };
    let message = error.fault().map_or_else(|| error.to_string(), |fault| in_short(&fault.message).to_owned());
    PortError::new(kind, format!("{doing}: Koji answers: {message}{hint}")).because(error)
}

/// Returns what a person needs of a text of Koji's. Where a build exists already it shows all that it knows of it.
pub(crate) fn in_short(text: &str) -> &str {
    let text = text.trim();
    text.find("): {").map_or(text, |end| &text[..=end])
}

/// The names of what a module has in Koji.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Names {
    /// The tag that its packages go to.
    pub(crate) tag: String,
    /// The tag that they are built with.
    pub(crate) build_tag: String,
    /// The target that brings both together.
    pub(crate) target: String,
    /// Tells this build from one of the same name and number in another database, among the options of its tasks.
    pub(crate) mark: String,
}

impl Names {
    pub(crate) fn of(build: &ModuleBuild) -> Self {
        let tag = build.tag().to_string();
        let build_tag = format!("{tag}-build");
        let began = build.history.first().map_or(build.submission.at, |first| first.at);
        let mark = format!("{}.{}", build.id, began.millis());
        Self { tag, build_tag, target: build.target().to_string(), mark }
    }
}

/// Returns the address of a source as Koji takes it.
pub(crate) fn source_url(source: &PinnedSource) -> Result<String, PortError> {
    let plain = source.repository.as_str();
    let scheme = match source.repository.scheme() {
        Scheme::Git => "",
        Scheme::Http | Scheme::Https | Scheme::Rsync | Scheme::Ssh => "git+",
        Scheme::File => {
            let text =
                format!("Koji cannot read {plain}: it is a folder of this service; name a repository with a host");
            return Err(PortError::permanent(text));
        }
    };
    Ok(format!("{scheme}{plain}?#{}", source.commit))
}

/// Reads name, version and release as Koji writes them.
pub(crate) fn nvr(text: &str) -> Result<Nvr, PortError> {
    text.parse()
        .map_err(|error| PortError::permanent(format!("Koji built {text:?}, which is no package")).because(error))
}
