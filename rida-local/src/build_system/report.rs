//! Why a task failed, in one line for a packager.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use crate::build_system::supervisor::{End, Exit};
use crate::config::BuildLimits;
use crate::rpmbuild::Ask;

/// How much of the end of a log is looked at.
const TAIL: u64 = 16 * 1024;

/// The longest line of a log that a reason repeats.
const LONGEST_LINE: usize = 300;

/// Returns why a run failed; nothing when it did not.
pub(crate) fn failure(exit: Exit, ask: Ask, limits: &BuildLimits, log: &Path) -> Option<String> {
    let what = match ask {
        Ask::SourcePackage => "the source package could not be made",
        Ask::Packages => "the packages could not be built",
    };
    let why = match exit.end {
        End::Code(0) => return None,
        End::Code(code) => match last_useful_line(log) {
            Some(line) => format!("exit code {code}, the log ends with: {line}"),
            None => format!("exit code {code}, and the log says nothing"),
        },
        End::TimeLimit => format!("the time limit of {} passed", duration(limits.time)),
        End::DiskLimit => format!("it used more disk than the {} that a build may use", size(limits.disk)),
        End::DiskFull => "the disk of the server was nearly full; its administrator can make room".to_owned(),
        End::LogLimit => format!("its log is larger than {}", size(limits.log)),
        End::Canceled => "it was cancelled".to_owned(),
    };
    Some(format!("{what}: {why} (everything is in the component's log)"))
}

fn last_useful_line(log: &Path) -> Option<String> {
    let text = tail(log).ok()?;
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    // rpmbuild ends with a summary, which only repeats in which part it failed.
    let end = lines.iter().position(|line| *line == "RPM build errors:").unwrap_or(lines.len());
    let lines = lines.get(..end)?;
    let section = lines.iter().rev().find_map(|line| {
        let (_, rest) = line.split_once("Bad exit status from ")?;
        Some(rest.rsplit_once('(')?.1.trim_end_matches(')').to_owned())
    });
    let said = |line: &&&str| !line.contains("Bad exit status from ") && !line.starts_with("+ ") && **line != "+";
    let is_error = |line: &&&str| said(line) && line.to_lowercase().contains("error");
    let line = lines.iter().rev().take(20).find(is_error).or_else(|| lines.iter().rev().find(said));
    let line = line.map(|line| clean(line));
    match (section, line) {
        (Some(section), Some(line)) => Some(format!("{line} (in {})", clean(&section))),
        (Some(section), None) => Some(format!("failed in {}", clean(&section))),
        (None, line) => line,
    }
}

fn tail(log: &Path) -> io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut bytes = Vec::new();
    file.take(TAIL).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Leaves out what could confuse a terminal, and all beyond a length.
fn clean(line: &str) -> String {
    line.chars().filter(|c| !c.is_control()).take(LONGEST_LINE).collect()
}

/// Adds a line of this service's own to a log.
pub(crate) fn note(log: &Path, line: &str) -> io::Result<()> {
    let mut file = File::options().create(true).append(true).open(log)?;
    writeln!(file, "== {line}")
}

/// Writes a time as a person would say it.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        _ if seconds.is_multiple_of(3600) => format!("{} h", seconds / 3600),
        _ if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}

/// Writes a number of bytes as a person would say it.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: &[(u64, &str)] = &[(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = UNITS.iter().find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{bytes} bytes"), |(unit, name)| format!("{} {name}", bytes / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(log: &str) -> Option<String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), log).unwrap();
        last_useful_line(file.path())
    }

    #[test]
    fn the_reason_is_the_error_and_the_part_it_came_in() {
        let log = "+ make\nx.c:1: error: no such thing\x1b[0m\nmake: *** [all] Error 1\nerror: Bad exit status from \
            /var/tmp/rpm-tmp.x (%build)\n\nRPM build errors:\n    Bad exit status from /var/tmp/rpm-tmp.x (%build)\n";
        assert_eq!(said(log).unwrap(), "make: *** [all] Error 1 (in %build)");
        assert_eq!(said("+ false\nerror: Bad exit status from /x (%prep)\n").unwrap(), "failed in %prep");
        assert_eq!(said("error: line 3: Unknown tag: Nme: x\n").unwrap(), "error: line 3: Unknown tag: Nme: x");
        assert_eq!(said(""), None);
        assert_eq!(said(&"é".repeat(20_000)).unwrap().chars().count(), LONGEST_LINE);
    }

    #[test]
    fn limits_are_said_as_a_person_says_them() {
        assert_eq!(duration(Duration::from_secs(7200)), "2 h");
        assert_eq!(duration(Duration::from_secs(90)), "90 s");
        assert_eq!(size(20 << 30), "20 GiB");
        assert_eq!(size(1000), "1000 bytes");
    }
}
