//! mock: a clean root of a distribution for each package.
//!
//! The settings that are written for each task include those of the root that the administrator chose, and add the
//! module's repository, so that mock's own package manager resolves the build requirements. mock is not in every
//! distribution: the tests run these commands and settings against a program that takes them as mock does.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rida_core::{ComponentName, TaskId};

use crate::config::LocalConfig;
use crate::rpmbuild::Ask;

/// A repository for mock's package manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MockRepository {
    /// A name of letters, digits and dashes.
    pub(crate) id: String,
    pub(crate) folder: PathBuf,
}

/// Returns the settings of a task, a program in Python as mock reads it. `always` are packages that every root has.
pub(crate) fn settings(
    config: &LocalConfig,
    task: TaskId,
    repositories: &[MockRepository],
    always: &[String],
) -> String {
    let root = config.mock_root.as_deref().unwrap_or("default");
    let mut repos = String::new();
    for MockRepository { id, folder } in repositories {
        // Packages of the module win over those of the distribution, whatever their versions.
        let url = file_url(folder);
        repos.push_str(&format!(
            "\n[{id}]\nname={id}\nbaseurl={url}\nenabled=1\ngpgcheck=0\npriority=1\nmodule_hotfixes=1\n\
             skip_if_unavailable=0\nmetadata_expire=1\n"
        ));
    }
    let always = always.join(" ");
    let networking = if config.network { "True" } else { "False" };
    let (jobs, seconds) = (config.jobs, config.limits.time.as_secs());
    format!(
        "include({include})\n\
         config_opts['root'] = {name}\n\
         config_opts['print_main_output'] = True\n\
         config_opts['rpmbuild_networking'] = {networking}\n\
         config_opts['use_host_resolv'] = {networking}\n\
         config_opts['rpmbuild_timeout'] = {seconds}\n\
         config_opts['macros']['%_smp_mflags'] = '-j{jobs}'\n\
         config_opts['chroot_additional_packages'] = {always}\n\
         conf = 'dnf.conf' if 'dnf.conf' in config_opts else 'yum.conf'\n\
         config_opts[conf] += {repos}\n",
        include = python(&format!("/etc/mock/{root}.cfg")),
        name = python(&format!("rida-{task}")),
        always = python(&always),
        repos = python(&repos),
    )
}

/// Returns the command for a source package or for everything. `source_package` is what the former made.
pub(crate) fn command(
    mock: &Path,
    settings: &Path,
    ask: Ask,
    component: &ComponentName,
    sources: &Path,
    source_package: &Path,
    results: &Path,
) -> Vec<OsString> {
    let mut words: Vec<OsString> =
        vec![mock.into(), "-r".into(), settings.into(), "--resultdir".into(), results.into()];
    match ask {
        Ask::SourcePackage => {
            let spec = sources.join(format!("{component}.spec"));
            words.extend(["--buildsrpm".into(), "--spec".into(), spec.into(), "--sources".into(), sources.into()]);
        }
        Ask::Packages => words.extend(["--rebuild".into(), source_package.into()]),
    }
    words
}

/// Writes a text as Python has it, so that nothing in it can be anything else.
fn python(text: &str) -> String {
    let mut literal = String::from("'");
    for c in text.chars() {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | ' ' | '/' | '.' | '_' | '-' | ':' | '=' | '[' | ']' => literal.push(c),
            other => literal.push_str(&format!("\\U{:08x}", u32::from(other))),
        }
    }
    literal.push('\'');
    literal
}

/// Returns the URL of a folder of this machine.
fn file_url(folder: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let mut url = String::from("file://");
    for byte in folder.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(byte) {
            url.push(char::from(*byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_a_text_to_python() {
        let hostile = "'); import os\n\"\"\"\\ é %d";
        let program = format!("import sys; sys.stdout.buffer.write({}.encode())", python(hostile));
        let output = std::process::Command::new("python3").args(["-c", &program]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), hostile);
    }

    #[test]
    fn a_folder_is_a_url() {
        assert_eq!(file_url(Path::new("/srv/a b#c")), "file:///srv/a%20b%23c");
    }
}
