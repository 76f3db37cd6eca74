//! Checks modulemd files: `cargo run --example validate -- [OPTIONS] FILE…`.
//!
//! Tells everything that is wrong by the format and by the rules of a build service, in one go, each with its place and
//! what to write instead. Files with several documents are read as indexes, compressed ones too when built with the
//! feature `compression`. Ends with 0 when all is good, with 1 when anything is wrong, and with 2 when a file cannot be
//! read or the arguments make no sense.

use std::borrow::Cow;
use std::io::Read as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use rida::modulemd::{self, Index, IndexOptions, Report, Rule, Rules};

/// Checks modulemd files.
#[derive(Parser)]
struct Arguments {
    /// How problems are told.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Take keys that the format does not define for errors.
    #[arg(long)]
    strict: bool,
    /// Read every file as an index; without it, files that hold several documents are.
    #[arg(long)]
    index: bool,
    /// Check the rules of the format alone, not those of a build service.
    #[arg(long)]
    format_only: bool,
    /// Check this rule of a build service too; of the documents of an index, no others are checked.
    #[arg(long, value_name = "RULE", value_parser = service_rule)]
    with: Vec<Rule>,
    /// Do not check this rule of a build service.
    #[arg(long, value_name = "RULE", value_parser = service_rule)]
    without: Vec<Rule>,
    /// Explain a rule, and check nothing.
    #[arg(long, value_name = "RULE", value_parser = rule, conflicts_with_all = ["files", "rules"])]
    explain: Option<Rule>,
    /// List all rules, and check nothing.
    #[arg(long, conflicts_with = "files")]
    rules: bool,
    /// The files; `-` is standard input.
    #[arg(required_unless_present_any = ["explain", "rules"])]
    files: Vec<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// As compilers do, with the line and a mark below the place.
    Human,
    /// One line for each problem.
    Lines,
    /// One JSON object for each file, on a line of its own.
    Json,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(rule) = arguments.explain {
        print!("{}", rule.explain());
        return ExitCode::SUCCESS;
    }
    if arguments.rules {
        Rule::ALL.iter().for_each(|rule| println!("{rule:24} {}", rule.explanation()));
        return ExitCode::SUCCESS;
    }
    let (mut all_good, mut all_read) = (true, true);
    for file in &arguments.files {
        match check(file, &arguments) {
            Ok(good) => all_good &= good,
            Err(error) => {
                eprintln!("{}: {error}", file.display());
                all_read = false;
            }
        }
    }
    match (all_read, all_good) {
        (false, _) => ExitCode::from(2),
        (true, false) => ExitCode::FAILURE,
        (true, true) => ExitCode::SUCCESS,
    }
}

/// Checks a file, and tells whether it is good.
fn check(file: &Path, arguments: &Arguments) -> Result<bool, Box<dyn std::error::Error>> {
    let bytes = read(file)?;
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let mut options = IndexOptions { threads, ..IndexOptions::default() };
    options.document.strict = arguments.strict;
    let bytes = decompressed(&bytes, options.bytes)?;
    let name = file.to_string_lossy();
    let report = Report::new(&name, &bytes);
    if arguments.index || modulemd::is_index(&bytes) {
        let read = Index::judge(&bytes, &options, &rules(arguments, false));
        let failures = &read.failures;
        let omitted = read.omitted + failures.iter().map(|failure| failure.problems.omitted()).sum::<usize>();
        let problems = failures.iter().flat_map(|failure| &failure.problems);
        let report = report.errors(problems).warnings(&read.warnings).omitted(omitted);
        return Ok(tell(&report, &format!("{} documents", read.documents), &name, arguments.format));
    }
    let judged = modulemd::judge(&bytes, &options.document, &rules(arguments, !arguments.format_only));
    let omitted = judged.problems.as_ref().map_or(0, |problems| problems.omitted());
    let report = report.errors(judged.problems.iter().flatten()).warnings(&judged.warnings).omitted(omitted);
    Ok(tell(&report, "good", &name, arguments.format))
}

fn tell(report: &Report<'_>, good: &str, name: &str, format: Format) -> bool {
    match format {
        Format::Human => print!("{}", report.human()),
        Format::Lines => print!("{}", report.lines()),
        Format::Json => println!("{}", report.json()),
    }
    if report.is_good() && format != Format::Json {
        println!("{name}: {good}");
    }
    report.is_good()
}

/// Returns the rules of a build service that are asked for, beside the usual ones or alone: those are for what is still
/// to be built, while the streams of an index have their versions.
fn rules(arguments: &Arguments, usual: bool) -> Rules {
    let rules = Rules::default();
    // With their limits and names, which a rule that is switched on needs.
    let rules = if usual { rules } else { Rules::ALL.iter().fold(rules, |rules, rule| rules.without(*rule)) };
    let rules = arguments.with.iter().fold(rules, |rules, rule| rules.with(*rule));
    arguments.without.iter().fold(rules, |rules, rule| rules.without(*rule))
}

fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    // One byte more than an index may have, so that a larger file is told to be one.
    let limit = u64::try_from(IndexOptions::default().bytes).unwrap_or(u64::MAX) + 1;
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        std::io::stdin().take(limit).read_to_end(&mut bytes)?;
    } else {
        std::fs::File::open(file)?.take(limit).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

#[cfg(feature = "compression")]
fn decompressed(bytes: &[u8], limit: usize) -> Result<Cow<'_, [u8]>, modulemd::DecompressError> {
    modulemd::decompress(bytes, limit)
}

#[cfg(not(feature = "compression"))]
fn decompressed(bytes: &[u8], _limit: usize) -> Result<Cow<'_, [u8]>, std::convert::Infallible> {
    Ok(Cow::Borrowed(bytes))
}

fn rule(id: &str) -> Result<Rule, String> {
    Rule::from_id(id).ok_or_else(|| "there is no such rule; --rules lists them".to_owned())
}

fn service_rule(id: &str) -> Result<Rule, String> {
    let rule = rule(id)?;
    Rules::ALL
        .contains(&rule)
        .then_some(rule)
        .ok_or_else(|| "it is a rule of the format, which always holds".to_owned())
}
