//! Reading modulemd beside libmodulemd, on the same files in one run: `cargo bench --bench modulemd`.
//!
//! The files are made here; `RIDA_MODULEMD_INDEXES` names a folder whose `*.yaml` are measured too. Each figure is the
//! fastest of some reads. Bare events are those of libyaml-safer, the parser that takes over where the fast reader gives
//! up.

mod generated;

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rida::modulemd::{self, Index, IndexOptions, Options, Rules};

/// How long each file is read over and over, at most.
const PATIENCE: Duration = Duration::from_secs(2);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, what, file] = arguments.as_slice()
        && what == "--memory"
    {
        println!("{}", memory(Path::new(file)));
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let files = files(folder.path());
    let reference = reference("time", &files);
    println!("milliseconds of CPU time; of wall time on one and two threads");
    println!(
        "{:<28} {:>9} {:>10} {:>10} {:>12} {:>8} {:>8} {:>10} {:>10}",
        "file", "bytes", "here", "events", "libmodulemd", "faster", "events×", "one", "two"
    );
    for (index, file) in files.iter().enumerate() {
        let bytes = std::fs::read(file).expect("the file can be read");
        assert!(modulemd::is_index(&bytes) || modulemd::read(&bytes).is_ok(), "{} is good", file.display());
        let (one, cpu) = fastest(|| read(&bytes, 1));
        let (two, _) = fastest(|| read(&bytes, 2));
        let (_, events) = fastest(|| events(&bytes));
        let other = reference.as_ref().and_then(|figures| figures.get(index).copied());
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        println!(
            "{name:<28} {:>9} {cpu:>10.3} {events:>10.3} {:>12} {:>8} {:>8.2} {one:>10.3} {two:>10.3}",
            bytes.len(),
            other.map_or("-".to_owned(), |ms| format!("{ms:.3}")),
            other.map_or("-".to_owned(), |ms| format!("{:.1}x", ms / cpu)),
            cpu / events,
        );
    }
    println!("\n{:<28} {:>9} {:>10} {:>16}", "hostile", "bytes", "CPU ms", "peak memory");
    for file in hostile(folder.path()) {
        let bytes = std::fs::read(&file).expect("the file can be read");
        let (_, cpu) = fastest(|| read(&bytes, 1));
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        println!("{name:<28} {:>9} {cpu:>10.3} {:>13} kB", bytes.len(), own_memory(&file));
    }
    let reference = files.iter().map(|file| self::reference("memory", std::slice::from_ref(file))).collect::<Vec<_>>();
    println!("\n{:<28} {:>9} {:>16} {:>22}", "peak memory added by a read", "bytes", "here", "libmodulemd");
    for (file, other) in files.iter().zip(reference) {
        let own = own_memory(file);
        let other = other.and_then(|figures| figures.first().copied());
        println!(
            "{:<28} {:>9} {:>13} kB {:>19} kB",
            file.file_name().and_then(|name| name.to_str()).unwrap_or_default(),
            std::fs::metadata(file).map_or(0, |data| data.len()),
            own,
            other.map_or("-".to_owned(), |kb| format!("{kb:.0}")),
        );
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let made = [
        ("packager-1k.yaml", generated::packager()),
        ("stream-100k.yaml", generated::stream(7, 100_000)),
        ("index-0.6m.yaml", generated::index(65, 640_000)),
        ("index-1.9m.yaml", generated::index(300, 1_900_000)),
    ];
    let mut files = Vec::new();
    for (name, text) in made {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("the file can be written");
        files.push(path);
    }
    if let Some(more) = std::env::var_os("RIDA_MODULEMD_INDEXES") {
        let entries = std::fs::read_dir(more).expect("RIDA_MODULEMD_INDEXES is a folder");
        let mut more: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
        more.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
        more.sort();
        files.extend(more);
    }
    files
}

/// Texts that are made to cost much.
fn hostile(folder: &Path) -> Vec<PathBuf> {
    let head = "document: modulemd\nversion: 2\ndata:\n  xmd:\n";
    let made = [
        ("brackets-100k.yaml", "[".repeat(100_000)),
        ("block-lists-100k.yaml", "- ".repeat(50_000)),
        (
            "aliases-100k.yaml",
            format!("{head}    a: &a [{}]\n    b: [{}]\n", "x,".repeat(25_000), "*a,".repeat(17_000)),
        ),
        ("keys-1m.yaml", (0..1_000_000).map(|number| format!("key{number}: x\n")).collect()),
        ("keys-90k-one-document.yaml", (0..90_000).map(|number| format!("k{number}: x\n")).collect()),
        ("documents-20k-bad.yaml", "---\n- x\n".repeat(20_000)),
    ];
    let written = made.into_iter().map(|(name, text)| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("the file can be written");
        path
    });
    written.collect()
}

/// Reads a file as libmodulemd is asked to: a document to a stream that keeps the rules, an index to its modules.
fn read(bytes: &[u8], threads: usize) {
    if modulemd::is_index(bytes) {
        let threads = NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN);
        black_box(Index::read(bytes, &IndexOptions { threads, ..IndexOptions::default() }));
    } else {
        black_box(modulemd::judge(bytes, &Options::default(), &Rules::none()));
    }
}

fn events(bytes: &[u8]) {
    let mut parser = libyaml_safer::Parser::new();
    parser.set_input(bytes);
    loop {
        let event = parser.parse().expect("the file is YAML");
        if matches!(black_box(&event).data, libyaml_safer::EventData::StreamEnd) {
            break;
        }
    }
}

/// Returns the milliseconds of the fastest of many runs, of wall time and of CPU time.
fn fastest(run: impl Fn()) -> (f64, f64) {
    let begin = Instant::now();
    let (mut wall, mut cpu) = (Duration::MAX, Duration::MAX);
    let mut runs = 0;
    while runs < 5 || (begin.elapsed() < PATIENCE && runs < 2000) {
        let (start, used) = (Instant::now(), cpu_time());
        run();
        cpu = cpu.min(cpu_time().saturating_sub(used));
        wall = wall.min(start.elapsed());
        runs += 1;
    }
    (wall.as_secs_f64() * 1000.0, cpu.as_secs_f64() * 1000.0)
}

/// Returns the CPU time that this process has used.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

/// Asks libmodulemd; nothing when it is not installed.
fn reference(what: &str, files: &[PathBuf]) -> Option<Vec<f64>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/modulemd/libmodulemd.py");
    let output =
        Command::new("/usr/bin/python3").arg("-Wignore").arg(script).args([what, "20"]).args(files).output().ok()?;
    if !output.status.success() {
        eprintln!("libmodulemd cannot be asked: {}", String::from_utf8_lossy(&output.stderr).trim());
        return None;
    }
    String::from_utf8_lossy(&output.stdout).lines().map(|line| line.parse().ok()).collect()
}

/// Returns the kilobytes that a read adds to the peak of a process that does nothing else.
fn own_memory(file: &Path) -> String {
    let program = std::env::current_exe().expect("a program knows itself");
    let output = Command::new(program).arg("--memory").arg(file).output().expect("this program runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Returns the kilobytes that a read adds to the peak of this process.
fn memory(file: &Path) -> u64 {
    let bytes = std::fs::read(file).expect("the file can be read");
    // What the first read of all loads is not a part of what a read needs.
    read(generated::packager().as_bytes(), 1);
    read(generated::index(2, 2_000).as_bytes(), 1);
    // The peak so far is forgotten, so that what was used before does not hide what the read needs.
    std::fs::write("/proc/self/clear_refs", "5").expect("this is Linux");
    let before = peak();
    read(&bytes, 1);
    peak() - before
}

fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok()).expect("the status has the peak")
}
