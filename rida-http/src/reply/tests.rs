use std::time::Duration;

use rida_core::QueueFull;

use super::*;

fn status(error: impl Into<ApiError>) -> u16 {
    error.into().status().as_u16()
}

fn id() -> BuildId {
    BuildId::new(7).unwrap()
}

#[test]
fn every_way_to_refuse_a_submission_has_its_code() {
    let url_error = rida_core::scm::ScmUrl::parse("not a url").unwrap_err();
    let nsvc = "foo:1:2:c0ffee".parse().unwrap();
    let of = || "platform:f42".to_owned();
    let exists = SubmitError::Exists { nsvc, id: id(), state: rida_core::BuildState::Ready };
    let all = [
        (SubmitError::BadUrl(url_error), 400),
        (SubmitError::Donor("not there".to_owned()), 400),
        (SubmitError::Strategy("not here".to_owned()), 400),
        (SubmitError::Streams("not there".to_owned()), 400),
        (SubmitError::DefaultModules { of: of(), error: PortError::permanent("no such branch") }, 422),
        (SubmitError::DefaultModules { of: of(), error: PortError::unavailable("git is away") }, 503),
        (SubmitError::NotAllowed("git://evil/x".to_owned()), 403),
        (SubmitError::NoScratch, 403),
        (SubmitError::Unretrievable(PortError::permanent("no such branch")), 422),
        (SubmitError::Invalid(vec!["no name".to_owned()]), 422),
        (exists, 409),
        (SubmitError::QueueFull { full: QueueFull::InAll(1000), retry_after: Duration::from_secs(45) }, 503),
        (SubmitError::ScmUnavailable(PortError::unavailable("git is away")), 503),
        (SubmitError::Store(StoreError::new(StoreErrorKind::Unavailable, "x")), 503),
        (SubmitError::Store(StoreError::new(StoreErrorKind::Corrupt, "x")), 500),
    ];
    for (error, code) in all {
        let text = error.to_string();
        assert_eq!(status(error), code, "{text}");
    }
}

#[test]
fn every_way_to_refuse_a_change_has_its_code() {
    assert_eq!(status(ApplyError::NotFound(id())), 404);
    assert_eq!(status(ApplyError::Illegal("it is over".to_owned())), 400);
    assert_eq!(status(ApplyError::Store(StoreError::new(StoreErrorKind::Conflict, "x"))), 503);
}

#[test]
fn a_cause_stays_in_the_log() {
    let secret = "password=hunter2 in /var/lib/rida";
    let error = StoreError::new(StoreErrorKind::Corrupt, secret).because(std::io::Error::other(secret));
    let answer = ApiError::from(error);
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!answer.message.contains("hunter2"), "{}", answer.message);
    assert!(answer.message.contains("in the log as "), "{}", answer.message);
}

#[test]
fn a_cause_that_only_says_the_same_is_told_once() {
    let disk = PortError::temporary("the disk is full");
    let same = PortError::unavailable("the hub cannot be written: the disk is full").because(disk);
    assert_eq!(chain(&same), "the hub cannot be written: the disk is full");
    let more = PortError::unavailable("the hub is away").because(same);
    assert_eq!(chain(&more), "the hub is away: the hub cannot be written: the disk is full");
}
