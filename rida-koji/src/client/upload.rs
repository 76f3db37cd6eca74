//! Files that are sent to the hub, in pieces that it checks.

use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::http::Outgoing;
use super::{Client, unreadable};
use crate::error::{KojiError, KojiErrorKind};
use crate::xmlrpc::{Call, Value};

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
                // A file of one piece is what was answered for that piece.
                return if length == content.len() { Ok(()) } else { self.check_upload(folder, name, content).await };
            }
        }
    }

    /// Asks for what is there of a file that was sent in pieces: each was taken by itself, and another upload of the same
    /// file that hung may have cut it off since.
    async fn check_upload(&self, folder: &str, name: &str, content: &Bytes) -> Result<(), KojiError> {
        let call = Call::new("checkUpload", [folder, name].map(Value::from)).with("verify", "adler32");
        let answer = self.read(&call).await?;
        let wrong = || KojiError::new(KojiErrorKind::HubFailed, "a file is not there as it was sent");
        if answer.is_nil() {
            return Err(wrong());
        }
        let mut answer = answer.fields("checkUpload").map_err(unreadable)?;
        let (size, digest) = (answer.int("size").map_err(unreadable)?, answer.text("hexdigest").map_err(unreadable)?);
        let sum = format!("{:08x}", adler2::adler32_slice(content));
        if usize::try_from(size) == Ok(content.len()) && digest == sum { Ok(()) } else { Err(wrong()) }
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
