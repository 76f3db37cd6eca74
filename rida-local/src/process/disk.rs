//! The size of what is in a folder.

use std::path::Path;
use std::time::Duration;

/// More files than any of our programs has a reason to make.
const MAX_FILES: usize = 200_000;

/// How often a folder's size is looked at.
const EVERY: Duration = Duration::from_millis(100);

/// Returns when the files in `folder` have more than `limit` bytes in all; never, as long as they have not.
pub(super) async fn grows_beyond(folder: &Path, limit: u64) {
    loop {
        tokio::time::sleep(EVERY).await;
        let folder = folder.to_owned();
        let size = tokio::task::spawn_blocking(move || size_of(&folder, limit)).await.unwrap_or(0);
        if size > limit {
            return;
        }
    }
}

/// Adds up the files in a folder; stops above `limit`. What vanishes meanwhile does not count.
pub(crate) fn size_of(folder: &Path, limit: u64) -> u64 {
    let mut folders = vec![folder.to_owned()];
    let (mut bytes, mut files) = (0_u64, 0_usize);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            files += 1;
            if metadata.is_dir() {
                folders.push(entry.path());
            } else {
                bytes = bytes.saturating_add(metadata.len());
            }
            if files > MAX_FILES {
                return u64::MAX;
            }
            if bytes > limit {
                return bytes;
            }
        }
    }
    bytes
}
