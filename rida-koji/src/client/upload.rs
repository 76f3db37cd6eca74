//! Files that are sent to the hub, in pieces that it checks.

use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::http::Outgoing;
use super::{Client, unreadable};
use crate::error::{KojiError, KojiErrorKind};

/// How long a piece is.
const PIECE: usize = 8 * 1024 * 1024;

impl Client {
    /// Sends a file to `folder` in the hub's work area. A file that is there is written over, so that a repeat after a
    /// lost answer is harmless.
    ///
    /// # Errors
    /// When it does not arrive whole.
    pub async fn upload(&self, folder: &str, name: &str, content: &Bytes) -> Result<(), KojiError> {
        let mut offset = 0_usize;
        loop {
            let piece = content.slice(offset..content.len().min(offset.saturating_add(PIECE)));
            let length = piece.len();
            self.inner.measured("upload", self.piece(folder, name, offset, piece)).await?;
            offset += length;
            if offset >= content.len() {
                return Ok(());
            }
        }
    }

    async fn piece(&self, folder: &str, name: &str, offset: usize, piece: Bytes) -> Result<(), KojiError> {
        let sum = format!("{:08x}", adler2::adler32_slice(&piece));
        let length = piece.len();
        let (name, folder) = (quote(name), quote(folder));
        let outgoing = Outgoing {
            query: format!("?filename={name}&filepath={folder}&fileverify=adler32&offset={offset}&overwrite=1"),
            content_type: "application/octet-stream",
            headers: Vec::new(),
            body: piece,
        };
        let mut answer = self.inner.write(outgoing).await?.fields("upload").map_err(unreadable)?;
        let (size, digest) = (answer.int("size").map_err(unreadable)?, answer.text("hexdigest").map_err(unreadable)?);
        if usize::try_from(size) != Ok(length) || digest != sum {
            return Err(KojiError::new(KojiErrorKind::HubFailed, "a file arrived with other bytes than were sent"));
        }
        Ok(())
    }
}

fn quote(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
