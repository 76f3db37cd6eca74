//! Which modules a distribution has by default, as its repository of defaults says.

use std::collections::BTreeMap;

use crate::error::PortError;
use crate::id::{ModuleName, StreamName};
use crate::modulemd::{Index, IndexOptions, Merger, Options};
use crate::ports::FetchedDefaults;

/// How many modules a distribution may have by default. Each is looked up for each platform that is built for.
const MOST: usize = 250;
/// How many problems are told.
const TOLD: usize = 20;

/// Returns the default stream of each module that has one. What the folder `overrides` says goes before.
///
/// # Errors
/// When documents cannot be read, contradict each other or name what cannot be; all of it is told.
pub(crate) fn default_streams(fetched: &FetchedDefaults) -> Result<BTreeMap<ModuleName, StreamName>, PortError> {
    let options = IndexOptions { document: Options { strict: true, ..Options::default() }, ..IndexOptions::default() };
    let mut merger = Merger::default();
    merger.strict_default_streams = true;
    let mut problems = Vec::new();
    for file in &fetched.files {
        let read = Index::read(&file.bytes, &options);
        let lines = read.failures.iter().flat_map(|failure| failure.problems.lines());
        problems.extend(lines.map(|line| format!("{}:{line}", file.path)));
        merger.add(read.index, i32::from(file.overrides));
    }
    let merged = merger.merge().map_err(|conflict| problems.push(conflict.to_string()));
    let mut streams = BTreeMap::new();
    for (module, stream) in merged.iter().flat_map(|index| index.default_streams(None)) {
        match (ModuleName::new(module), StreamName::new(stream)) {
            (Ok(module), Ok(stream)) => drop(streams.insert(module, stream)),
            (Err(error), _) | (_, Err(error)) => problems.push(error.to_string()),
        }
    }
    if streams.len() > MOST {
        problems.push(format!("there are {} default modules, and at most {MOST} are looked up", streams.len()));
    }
    if problems.is_empty() {
        return Ok(streams);
    }
    let more = problems.len().saturating_sub(TOLD);
    problems.truncate(TOLD);
    let more = if more > 0 { format!("; and {more} more problems") } else { String::new() };
    Err(PortError::permanent(format!("{}{more}", problems.join("; "))))
}

#[cfg(test)]
mod tests;
