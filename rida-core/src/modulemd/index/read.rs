//! Reads indexes, document by document, on several threads when asked to.

use std::num::NonZeroUsize;
use std::sync::Mutex;

use super::Index;
use crate::modulemd::document::{Outcome, outcome};
use crate::modulemd::options::Options;
use crate::modulemd::problem::{Collector, Position, Problem, Problems};
use crate::modulemd::rule::Rule;
use crate::modulemd::service::Rules;
use crate::modulemd::source::{self, Part};
use crate::modulemd::tree::START;

/// Into how many groups the documents are put, which threads then take one by one. It does not depend on the machine,
/// so that what is told of an index does not either.
const GROUPS: usize = 64;

/// How many failures of a group are told one by one; further ones are counted.
const TOLD: usize = 100;

/// How many problems and warnings of a group are told one by one, but at least one of each failure that is told: in all
/// groups together they take some 20 MiB.
const PROBLEMS: usize = 500;

/// How an index is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexOptions {
    /// How each document is read, and how large each may be.
    pub document: Options,
    /// How many bytes the whole index may have.
    pub bytes: usize,
    /// How many documents it may have.
    pub documents: usize,
    /// On how many threads it is read.
    pub threads: NonZeroUsize,
}

impl Default for IndexOptions {
    /// 32 MiB and 20,000 documents, eight times the largest indexes that distributions publish, on one thread.
    fn default() -> Self {
        let threads = NonZeroUsize::MIN;
        Self { document: Options::default(), bytes: 32 << 20, documents: 20_000, threads }
    }
}

/// An index that was read.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ReadIndex {
    /// What the good documents say.
    pub index: Index,
    /// The documents that are not in it, with all that is wrong with them, in the text's order.
    pub failures: Vec<Failure>,
    /// How many more documents failed than are listed.
    pub omitted: usize,
    /// What is odd in good documents, but no reason to refuse them.
    pub warnings: Vec<Problem>,
    /// How many documents there are in all.
    pub documents: usize,
}

/// A document of an index that could not be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The line that the document's part of the text starts on.
    pub line: u32,
    /// What is wrong, with places in the whole text.
    pub problems: Problems,
}

pub(super) fn read(bytes: &[u8], options: &IndexOptions, rules: &Rules) -> ReadIndex {
    let text = match text_of(bytes, options) {
        Ok(text) => text,
        Err(problem) => return refused(problem),
    };
    let mut parts: Vec<Part<'_>> = source::parts(&text).take(options.documents.saturating_add(1)).collect();
    let mut read = ReadIndex { documents: parts.len(), ..ReadIndex::default() };
    let surplus = parts.get(options.documents).map(|part| part.lines);
    parts.truncate(options.documents);
    let mut warnings = Collector::default();
    for group in groups(&parts, &text, options, rules) {
        for (line, outcome) in group.outcomes {
            read.add(line, outcome, &mut warnings);
        }
        read.omitted += group.omitted;
    }
    if let Some(lines) = surplus {
        let message = format!("the index has more than {} documents; the others are not read", options.documents);
        let problem = source::problem(Rule::TooManyNodes, message, "split it").at(start_of(lines));
        read.failures.push(Failure { line: lines.saturating_add(1), problems: problem.into() });
    }
    read.warnings = warnings.into_sorted().0;
    read
}

fn text_of<'b>(bytes: &'b [u8], options: &IndexOptions) -> Result<std::borrow::Cow<'b, str>, Problem> {
    let limits = crate::modulemd::Limits { bytes: options.bytes, ..options.document.limits };
    source::within(bytes.len(), &limits)?;
    source::decode(bytes)
}

fn refused(problem: Problem) -> ReadIndex {
    let line = problem.position.unwrap_or(START).line;
    ReadIndex { failures: vec![Failure { line, problems: problem.into() }], ..ReadIndex::default() }
}

impl ReadIndex {
    fn add(&mut self, line: u32, outcome: Outcome, warnings: &mut Collector) {
        let Outcome { is_packager, content, format, warnings: odd, .. } = outcome;
        let added = match (format.finish(()), content) {
            (Err(problems), _) => Err(problems),
            (Ok(()), Some(_)) if is_packager => Err(super::packager().at(start_of(line)).into()),
            (Ok(()), Some(content)) => self.index.add(content).map_err(|problem| problem.at(start_of(line)).into()),
            (Ok(()), None) => Ok(()),
        };
        match added {
            Ok(()) => warnings.append(odd),
            Err(problems) => self.failures.push(Failure { line: line.saturating_add(1), problems }),
        }
    }
}

/// The outcomes of neighbouring documents.
#[derive(Default)]
struct Group {
    outcomes: Vec<(u32, Outcome)>,
    omitted: usize,
}

/// Reads the documents in groups of about the same size.
fn groups(parts: &[Part<'_>], text: &str, options: &IndexOptions, rules: &Rules) -> Vec<Group> {
    let share = (text.len() / GROUPS).max(1);
    let mut slices = Vec::with_capacity(GROUPS + 1);
    let (mut from, mut bytes) = (0, 0);
    for (index, part) in parts.iter().enumerate() {
        bytes += part.text.len();
        if bytes >= share || index + 1 == parts.len() {
            slices.push(parts.get(from..=index).unwrap_or_default());
            (from, bytes) = (index + 1, 0);
        }
    }
    let threads = options.threads.get().min(slices.len());
    if threads <= 1 {
        return slices.into_iter().map(|slice| read_group(slice, options, rules)).collect();
    }
    let waiting = Mutex::new(slices.into_iter().enumerate());
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    // The lock is not held while the group is read.
                    let next = locked(&waiting).next();
                    let Some((index, slice)) = next else { break };
                    let group = read_group(slice, options, rules);
                    locked(&done).push((index, group));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, group)| group).collect()
}

/// What a thread that panicked leaves behind is whole: it holds the lock for a single step.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn read_group(parts: &[Part<'_>], options: &IndexOptions, rules: &Rules) -> Group {
    let mut group = Group { outcomes: Vec::with_capacity(parts.len()), omitted: 0 };
    let (mut told, mut room) = (0, PROBLEMS);
    for part in parts {
        let mut outcome = outcome(part.text, start_of(part.lines), &options.document, rules).held_to(rules);
        if !outcome.format.is_empty() {
            told += 1;
            if told > TOLD {
                group.omitted += 1;
                continue;
            }
            outcome.content = None;
            outcome.format.keep(room.max(1));
            room = room.saturating_sub(outcome.format.told());
        }
        outcome.warnings.keep(room);
        room = room.saturating_sub(outcome.warnings.told());
        group.outcomes.push((part.lines, outcome));
    }
    group
}

/// Returns the place of what has so many lines before it.
fn start_of(lines: u32) -> Position {
    Position { line: lines.saturating_add(1), column: 1 }
}
