//! The file `sources`: what is in the lookaside cache, by checksum.

use std::collections::BTreeSet;

/// More files than any package has.
const MAX_FILES: usize = 2000;

/// How many broken lines are told; the rest is most likely broken in the same way.
const MAX_TOLD: usize = 10;

/// A file that `sources` names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SourceFile {
    name: String,
    hash_type: HashType,
    hash: String,
}

/// How a checksum is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum HashType {
    Md5,
    Sha1,
    Sha256,
    Sha512,
}

impl SourceFile {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn hash_type(&self) -> HashType {
        self.hash_type
    }

    /// The checksum in lower case.
    pub(crate) fn hash(&self) -> &str {
        &self.hash
    }
}

impl HashType {
    /// The name that caches give it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// The program that makes it.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Md5 => "md5sum",
            Self::Sha1 => "sha1sum",
            Self::Sha256 => "sha256sum",
            Self::Sha512 => "sha512sum",
        }
    }

    /// Tells whether caches may have it in a layout from before there were others.
    pub(crate) fn is_old(self) -> bool {
        self == Self::Md5
    }

    fn digits(self) -> usize {
        match self {
            Self::Md5 => 32,
            Self::Sha1 => 40,
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }

    fn from_text(text: &str) -> Option<Self> {
        let all = [Self::Md5, Self::Sha1, Self::Sha256, Self::Sha512];
        all.into_iter().find(|hash_type| hash_type.as_str().eq_ignore_ascii_case(text))
    }
}

/// Reads lines of the form `SHA512 (file) = hash`, or `md5  file` as it was written before.
///
/// Returns the good lines, and what is wrong with the others in words that follow the file's name.
pub(crate) fn parse_sources(bytes: &[u8]) -> (Vec<SourceFile>, Vec<String>) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return (Vec::new(), vec!["is not text in UTF-8".to_owned()]);
    };
    let (mut files, mut problems) = (BTreeSet::new(), Vec::new());
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    for (index, line) in lines {
        let problem = match parse_line(line.trim_end()) {
            Ok(file) => {
                files.insert(file);
                continue;
            }
            Err(problem) => problem,
        };
        if problems.len() == MAX_TOLD {
            problems.push("has more lines like these".to_owned());
            break;
        }
        problems.push(format!("line {} {problem}", index + 1));
    }
    if files.len() > MAX_FILES {
        problems.push(format!("names more than the {MAX_FILES} files that are allowed"));
        files.clear();
    }
    let names: BTreeSet<&str> = files.iter().map(SourceFile::name).collect();
    if names.len() < files.len() {
        problems.push("names one file twice with different checksums; keep the right one".to_owned());
    }
    (files.into_iter().collect(), problems)
}

fn parse_line(line: &str) -> Result<SourceFile, String> {
    const FORM: &str = "is not of the form \"SHA512 (file) = checksum\"; let fedpkg new-sources or rpkg write it";
    let new_form = || {
        let (hash_type, rest) = line.split_once(" (")?;
        let (name, hash) = rest.rsplit_once(") = ")?;
        Some((hash_type, name, hash))
    };
    let old_form = || line.split_once("  ").or_else(|| line.split_once(" *")).map(|(hash, name)| ("md5", name, hash));
    let (hash_type, name, hash) = new_form().or_else(old_form).ok_or(FORM)?;
    if !is_file_name(name) {
        return Err("names a file with more than letters, digits and . _ + ~ ^ @ = , : -, or one that starts with \
                    a dot or a dash"
            .to_owned());
    }
    let hash_type = HashType::from_text(hash_type).ok_or("has a checksum other than SHA512, SHA256, SHA1 or MD5")?;
    if hash.len() != hash_type.digits() || !hash.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(format!("has a checksum that is not {} hexadecimal digits", hash_type.digits()));
    }
    Ok(SourceFile { name: name.to_owned(), hash_type, hash: hash.to_ascii_lowercase() })
}

/// Allows what is one name in every folder and no option to any program.
fn is_file_name(name: &str) -> bool {
    (1..=200).contains(&name.len())
        && !name.starts_with(['.', '-'])
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+~^@=,:-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(digits: usize) -> String {
        "0aF".chars().cycle().take(digits).collect()
    }

    #[test]
    fn both_forms_are_read() {
        let text = format!(
            "SHA512 (foo-1.0~rc1.tar.gz) = {}\n\n{}  old@1.zip\r\nMD5 (b) = {}\n",
            hash(128),
            hash(32),
            hash(32)
        );
        let (files, problems) = parse_sources(text.as_bytes());
        assert_eq!(problems, Vec::<String>::new());
        let found: Vec<_> = files.iter().map(|file| (file.name(), file.hash_type().as_str())).collect();
        assert_eq!(found, [("b", "md5"), ("foo-1.0~rc1.tar.gz", "sha512"), ("old@1.zip", "md5")]);
        assert!(files.iter().all(|file| !file.hash().contains('F')));
    }

    #[test]
    fn broken_lines_are_told_by_number() {
        let hash = hash(128);
        let cases = [
            ("nonsense".to_owned(), "form"),
            (format!("SHA512 (foo) {hash}"), "form"),
            (format!("CRC (foo) = {hash}"), "other than"),
            ("SHA512 (foo) = 12".to_owned(), "128"),
            (format!("SHA512 (foo) = {}", "x".repeat(128)), "128"),
            (format!("SHA512 (../foo) = {hash}"), "names a file"),
            (format!("SHA512 (/etc/passwd) = {hash}"), "names a file"),
            (format!("SHA512 (-o) = {hash}"), "names a file"),
            (format!("SHA512 (.ssh) = {hash}"), "names a file"),
            (format!("SHA512 () = {hash}"), "names a file"),
            (format!("SHA512 (a b) = {hash}"), "names a file"),
            (format!("SHA512 (a%2fb) = {hash}"), "names a file"),
            (format!("SHA512 (a\0b) = {hash}"), "names a file"),
        ];
        for (line, expected) in cases {
            let (files, problems) = parse_sources(format!("SHA512 (good) = {hash}\n{line}\n").as_bytes());
            assert_eq!(files.len(), 1, "{line:?}");
            let [problem] = problems.as_slice() else { panic!("{line:?}: {problems:?}") };
            assert!(problem.starts_with("line 2 ") && problem.contains(expected), "{problem}");
        }
    }

    #[test]
    fn hostile_lists_are_bounded() {
        let (_, problems) = parse_sources("x\n".repeat(100_000).as_bytes());
        assert_eq!(problems.len(), MAX_TOLD + 1);
        let many: String = (0..3000).map(|n| format!("SHA512 (f{n}) = {}\n", hash(128))).collect();
        let (files, problems) = parse_sources(many.as_bytes());
        assert!(files.is_empty() && problems.iter().any(|problem| problem.contains("2000")));
        assert!(!parse_sources(b"\xff\xfe").1.is_empty());
        let twice = format!("MD5 (a) = {}\nSHA512 (a) = {}\n", hash(32), hash(128));
        assert!(parse_sources(twice.as_bytes()).1.iter().any(|problem| problem.contains("twice")));
    }
}
