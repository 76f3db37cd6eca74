//! Packs made by hand, as no honest git makes them.

use std::io::Write;

use flate2::{Compress, Compression, FlushCompress, write::ZlibEncoder};
use rida_core::scm::CommitHash;
use sha1::{Digest, Sha1};

use crate::support::COMMITTED_AT;

/// The kinds of objects, as a pack writes them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Commit,
    Tree,
    Blob,
}

/// The kind of an object that is told by what changes of another one, which is named by its hash.
const DELTA: u8 = 7;

impl Kind {
    fn code(self) -> u8 {
        match self {
            Self::Commit => 1,
            Self::Tree => 2,
            Self::Blob => 3,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Tree => "tree",
            Self::Blob => "blob",
        }
    }
}

/// A pack under construction.
#[derive(Default)]
pub(crate) struct Pack {
    objects: Vec<u8>,
    count: u32,
}

impl Pack {
    /// Adds an object and returns its hash.
    pub(crate) fn add(&mut self, kind: Kind, content: &[u8]) -> CommitHash {
        self.begin(kind.code(), content.len());
        self.deflate(content);
        id(kind, content)
    }

    /// Adds a blob of so many zeros, in pieces of a mebibyte, a thousandth of their size.
    pub(crate) fn add_zeros(&mut self, mebibytes: usize) {
        const PIECE: usize = 1024 * 1024;
        let mut compress = Compress::new(Compression::best(), false);
        let mut piece = Vec::with_capacity(64 * 1024);
        compress.compress_vec(&vec![0; PIECE], &mut piece, FlushCompress::Full).unwrap();
        self.begin(Kind::Blob.code(), PIECE * mebibytes);
        self.objects.extend([0x78, 0xda]);
        (0..mebibytes).for_each(|_| self.objects.extend(&piece));
        // An empty last block, and the checksum of zeros.
        self.objects.extend([1, 0, 0, 0xff, 0xff]);
        let sum = u32::try_from(PIECE * mebibytes % 65521).unwrap();
        self.objects.extend(((sum << 16) | 1).to_be_bytes());
    }

    /// Adds an object that repeats another one so many times.
    pub(crate) fn add_repetition(&mut self, of: &CommitHash, size: usize, times: usize) {
        let copy: Vec<u8> = {
            let size = u32::try_from(size).unwrap().to_le_bytes();
            // Copies from the offset 0; the size takes three bytes.
            vec![0x80 | 0x70, size[0], size[1], size[2]]
        };
        let mut delta = size_of(size);
        delta.extend(size_of(size * times));
        (0..times).for_each(|_| delta.extend(&copy));
        self.begin(DELTA, delta.len());
        self.objects.extend(bytes_of(of));
        self.deflate(&delta);
    }

    /// Adds an object that is another one and a byte more.
    pub(crate) fn add_longer(&mut self, of: &CommitHash, size: usize, byte: u8) {
        let [a, b, c, _] = u32::try_from(size).unwrap().to_le_bytes();
        let mut delta = size_of(size);
        delta.extend(size_of(size + 1));
        delta.extend([0x80 | 0x70, a, b, c, 1, byte]);
        self.begin(DELTA, delta.len());
        self.objects.extend(bytes_of(of));
        self.deflate(&delta);
    }

    /// Adds a commit of a tree and returns its hash.
    pub(crate) fn add_commit(&mut self, tree: &CommitHash) -> CommitHash {
        self.add(Kind::Commit, &commit(tree, &COMMITTED_AT.to_string()))
    }

    /// Adds a tree of entries, which are in git's order.
    pub(crate) fn add_tree<'a>(
        &mut self,
        entries: impl IntoIterator<Item = (&'a str, String, &'a CommitHash)>,
    ) -> CommitHash {
        self.add(Kind::Tree, &tree(entries))
    }

    /// Returns the pack's bytes.
    pub(crate) fn finish(self) -> Vec<u8> {
        let mut pack = b"PACK\0\0\0\x02".to_vec();
        pack.extend(self.count.to_be_bytes());
        pack.extend(self.objects);
        let sum = Sha1::digest(&pack);
        pack.extend(sum);
        pack
    }

    fn begin(&mut self, kind: u8, size: usize) {
        self.count += 1;
        let (low, mut rest) = (u8::try_from(size & 15).unwrap(), size >> 4);
        let mut byte = (kind << 4) | low;
        while rest > 0 {
            self.objects.push(byte | 0x80);
            byte = u8::try_from(rest & 0x7f).unwrap();
            rest >>= 7;
        }
        self.objects.push(byte);
    }

    fn deflate(&mut self, content: &[u8]) {
        let mut encoder = ZlibEncoder::new(&mut self.objects, Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap();
    }
}

/// Writes a size as deltas do.
fn size_of(mut size: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while size > 0x7f {
        bytes.push(u8::try_from(size & 0x7f).unwrap() | 0x80);
        size >>= 7;
    }
    bytes.push(u8::try_from(size).unwrap());
    bytes
}

/// Returns the hash of an object.
pub(crate) fn id(kind: Kind, content: &[u8]) -> CommitHash {
    let digest = Sha1::new().chain_update(format!("{} {}\0", kind.name(), content.len())).chain_update(content);
    let text: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    CommitHash::new(&text).unwrap()
}

fn bytes_of(id: &CommitHash) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(id.as_str().get(at..at + 2).unwrap(), 16).unwrap();
    (0..40).step_by(2).map(digit).collect()
}

/// Returns an object as a server without git keeps it: where, and what.
pub(crate) fn loose(kind: Kind, content: &[u8]) -> (String, Vec<u8>) {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    write!(encoder, "{} {}\0", kind.name(), content.len()).unwrap();
    encoder.write_all(content).unwrap();
    let id = id(kind, content);
    let (folder, file) = id.as_str().split_at(2);
    (format!("objects/{folder}/{file}"), encoder.finish().unwrap())
}

/// Returns the content of a tree.
pub(crate) fn tree<'a>(entries: impl IntoIterator<Item = (&'a str, String, &'a CommitHash)>) -> Vec<u8> {
    let mut content = Vec::new();
    for (mode, name, id) in entries {
        write!(content, "{mode} {name}\0").unwrap();
        content.extend(bytes_of(id));
    }
    content
}

/// Returns the content of a commit of a tree.
pub(crate) fn commit(tree: &CommitHash, seconds: &str) -> Vec<u8> {
    let person = format!("A <a@b> {seconds} +0000");
    format!("tree {tree}\nauthor {person}\ncommitter {person}\n\nx\n").into_bytes()
}
