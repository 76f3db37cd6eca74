//! Indexes as repositories hold them: compressed with gzip, xz or zstd.

use std::borrow::Cow;
use std::io::{Cursor, Read};
use std::num::NonZeroUsize;

use flate2::read::MultiGzDecoder;
use ruzstd::decoding::{FrameDecoder, StreamingDecoder};
use xz4rust::{XzDecoder, XzReader};

/// The largest dictionary of xz's own presets; a text may ask for gigabytes.
const XZ_DICTIONARY: usize = 64 << 20;

/// Why a text could not be decompressed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecompressError {
    /// It would be larger than the limit.
    #[error("the text would have more than {0} bytes")]
    TooLarge(usize),
    /// It is compressed with something else.
    #[error("{0} is not supported; compress it with gzip, xz or zstd")]
    Unsupported(&'static str),
    /// It is damaged.
    #[error("the {name} cannot be decompressed")]
    Damaged {
        /// What it is compressed with.
        name: &'static str,
        /// What the decompressor said.
        #[source]
        source: std::io::Error,
    },
}

/// Decompresses a text, recognised by its first bytes; one that is not compressed is returned as it is.
///
/// # Errors
/// When it is damaged, compressed with something else, or has more than `limit` bytes.
pub fn decompress(bytes: &[u8], limit: usize) -> Result<Cow<'_, [u8]>, DecompressError> {
    let text = match bytes {
        [0x1f, 0x8b, ..] => bounded("gzip", MultiGzDecoder::new(bytes), limit)?,
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            let buffer = NonZeroUsize::new(8192).unwrap_or(NonZeroUsize::MIN);
            let decoder = XzDecoder::in_heap_with_alloc_dict_size(1 << 20, XZ_DICTIONARY);
            // The reader borrows nothing.
            let bytes = Cursor::new(bytes.to_vec());
            bounded("xz", XzReader::new_with_buffer_size_and_decoder(bytes, buffer, decoder), limit)?
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => zstd(bytes, limit)?,
        [b'B', b'Z', b'h', ..] => return Err(DecompressError::Unsupported("bzip2")),
        [0, b'Z', b'C', b'K', b'1', ..] => return Err(DecompressError::Unsupported("zchunk")),
        _ => return Ok(Cow::Borrowed(bytes)),
    };
    Ok(Cow::Owned(text))
}

/// Decompresses the frames of a text one after the other.
fn zstd(mut bytes: &[u8], limit: usize) -> Result<Vec<u8>, DecompressError> {
    let mut text = Vec::new();
    while !bytes.is_empty() {
        let damaged = |error| DecompressError::Damaged { name: "zstd", source: std::io::Error::other(error) };
        let frame = StreamingDecoder::new_with_decoder(&mut bytes, FrameDecoder::new()).map_err(damaged)?;
        text.append(&mut bounded("zstd", frame, limit.saturating_sub(text.len()))?);
    }
    Ok(text)
}

fn bounded(name: &'static str, decoder: impl Read, limit: usize) -> Result<Vec<u8>, DecompressError> {
    let mut text = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let read = decoder.take(most).read_to_end(&mut text);
    if text.len() > limit {
        return Err(DecompressError::TooLarge(limit));
    }
    read.map(|_| text).map_err(|source| DecompressError::Damaged { name, source })
}
