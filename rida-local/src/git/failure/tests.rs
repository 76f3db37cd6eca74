use rida_core::PortErrorKind;

use super::*;

const FULL: &str = "the disk of the server is full; its administrator can make room";

/// Explains a failure in which git said this, on a disk that has little room left or enough.
fn said(stderr: &str, has_little_disk: bool) -> PortError {
    let error = ProcessError::Failed { program: "git", code: Some(128), signal: None, stderr: stderr.to_owned() };
    let config = GitConfig { fetch_bytes: 1 << 20, ..GitConfig::new("/nowhere", Default::default()) };
    explain_on(error, &Repository::parse("https://host/foo").unwrap(), &config, || has_little_disk)
}

#[test]
fn a_full_disk_is_called_one() {
    for stderr in [
        "fatal: write error: No space left on device\nfatal: fetch-pack: invalid index-pack output\n",
        "error: could not lock config file: Disk quota exceeded\n",
        "error: failed to write new configuration file x/config.lock\nfatal: could not set 'core.bare' to 'true'\n",
        "fatal: could not write config file\n",
        "error: unable to write file objects/pack/x\n",
        "fatal: cannot write keep file\n",
        "fatal: fetch-pack: invalid index-pack output\n",
        "fatal: the remote end hung up unexpectedly\n",
        "",
    ] {
        let error = said(stderr, true);
        assert_eq!((error.kind(), error.message()), (PortErrorKind::Unavailable, FULL), "{stderr}");
    }
    assert_eq!(said("fatal: write error: No space left on device\n", false).message(), FULL);
}

#[test]
fn what_cannot_be_written_on_a_disk_with_room_is_the_administrators_business_too() {
    let error = said("error: failed to write new configuration file x/config.lock\n", false);
    assert_eq!(error.kind(), PortErrorKind::Unavailable);
    assert!(error.message().starts_with("the server cannot write to its folder for git"), "{error}");
}

#[test]
fn other_answers_do_not_become_one_of_the_disk() {
    let error = said("fatal: repository 'https://host/foo/' not found\n", true);
    assert_eq!(error.kind(), PortErrorKind::Permanent);
    assert!(error.message().starts_with("there is no git repository"), "{error}");
    let error = said("fatal: fsck error\nfatal: fetch-pack: invalid index-pack output\n", false);
    assert!(error.message().contains("broken"), "{error}");
    let error = said("fatal: fetch-pack: invalid index-pack output\n", false);
    assert!(error.message().contains("60 s of processor time"), "{error}");
    for stderr in ["remote: fatal: No space left on device\n", "fatal: remote error: unable to write\n"] {
        let error = said(stderr, false);
        assert_eq!(error.kind(), PortErrorKind::Temporary, "{stderr}");
        assert!(error.message().contains("could not be read; try again later"), "{error}");
    }
}
