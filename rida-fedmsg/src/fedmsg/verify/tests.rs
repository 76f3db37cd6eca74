use std::collections::BTreeMap;

use super::*;
use crate::fedmsg::envelope::Envelope;
use crate::fedmsg::sign::Signer;

fn authority(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/authority").join(file)
}

fn signer(name: &str) -> Signer {
    Signer::from_files(&authority(&format!("{name}.crt")), &authority(&format!("{name}.key"))).unwrap()
}

fn trust() -> Trust {
    Trust { authority: authority("ca.crt"), revoked: Some(authority("revoked.pem")), ..Trust::default() }
}

fn envelope() -> Envelope {
    Envelope {
        topic: "org.fedoraproject.prod.buildsys.tag".to_owned(),
        msg: Json::object([("tag", "module-foo".into()), ("owner", "Ševčík".into())]),
        timestamp: 1_800_000_000,
        msg_id: "2027-6c6ea4d3-1b0c-4c4a-9b9e-0b6b1d6a8d65".to_owned(),
        i: 7,
        username: "koji".to_owned(),
    }
}

fn verify(trust: &Trust, topic: &str, frame: &str) -> Result<Verified, Refusal> {
    Verifier::new(trust).unwrap().verify(&[topic.into(), frame.into()])
}

fn verdict(trust: &Trust, signer: &Signer) -> Result<String, Refusal> {
    let envelope = envelope();
    verify(trust, &envelope.topic, &envelope.frame(Some(signer)).unwrap()).map(|verified| verified.signer)
}

/// Frames that fedmsg's own Python library signed, with the same key: `tests/python/signed.py` made them.
#[test]
fn frames_are_those_that_fedmsg_makes() {
    let (signer, verifier) = (signer("signer"), Verifier::new(&trust()).unwrap());
    let recorded = include_str!("../../../tests/fixtures/signed.jsonl");
    for line in recorded.lines() {
        let line = Json::read(line.as_bytes(), JsonLimits::default()).unwrap();
        let (fields, frame) = (line.get("fields").unwrap(), line.get("frame").and_then(Json::as_str).unwrap());
        let text = |key| fields.get(key).and_then(Json::as_str).unwrap().to_owned();
        let number = |key| fields.get(key).and_then(Json::as_integer).unwrap();
        let envelope = Envelope {
            topic: text("topic"),
            msg: fields.get("msg").unwrap().clone(),
            timestamp: number("timestamp"),
            msg_id: text("msg_id"),
            i: number("i"),
            username: text("username"),
        };
        assert_eq!(envelope.frame(Some(&signer)).unwrap(), frame);
        let verified = verifier.verify(&[text("topic").into_bytes(), frame.as_bytes().to_vec()]).unwrap();
        assert_eq!((verified.body, verified.id), (envelope.msg, envelope.msg_id));
    }
    assert!(recorded.lines().count() > 30);
}

#[test]
fn a_signature_is_that_of_openssls_usual_interface() {
    use openssl::hash::MessageDigest;
    use openssl::pkey::PKey;
    let key = PKey::private_key_from_pem(&std::fs::read(authority("signer.key")).unwrap()).unwrap();
    let mut usual = openssl::sign::Signer::new(MessageDigest::sha1(), &key).unwrap();
    let expected = usual.sign_oneshot_to_vec(b"hello").unwrap();
    assert_eq!(signer("signer").signature(b"hello").unwrap(), expected);
}

#[test]
fn only_the_authoritys_own_are_believed() {
    assert_eq!(verdict(&trust(), &signer("signer")).unwrap(), "mbs-rida01.example.org");
    assert_eq!(verdict(&trust(), &signer("foreign")), Err(Refusal::Certificate));
    assert_eq!(verdict(&trust(), &signer("revoked")), Err(Refusal::Certificate));
    // Without the list nobody knows that it was revoked.
    assert!(verdict(&Trust { revoked: None, ..trust() }, &signer("revoked")).is_ok());
    // A list of another authority says nothing of this one's certificates, so that none is believed.
    let other = Trust { authority: authority("other-ca.crt"), ..trust() };
    assert_eq!(verdict(&other, &signer("foreign")), Err(Refusal::Certificate));
}

#[test]
fn topics_are_for_those_who_may_send_them() {
    let may = |topic: &str, name: &str, nitpicky| {
        let policy = BTreeMap::from([(topic.to_owned(), vec![name.to_owned()])]);
        verdict(&Trust { policy, nitpicky, ..trust() }, &signer("signer"))
    };
    let topic = "org.fedoraproject.prod.buildsys.tag";
    assert!(may(topic, "mbs-rida01.example.org", true).is_ok());
    assert_eq!(may(topic, "koji.example.org", false), Err(Refusal::Policy));
    assert!(may("another.topic", "koji.example.org", false).is_ok());
    assert_eq!(may("another.topic", "mbs-rida01.example.org", true), Err(Refusal::Policy));
    assert!(Verifier::new(&Trust { nitpicky: true, ..trust() }).is_err(), "nobody could ever be believed");
}

#[test]
fn an_authority_without_a_certificate_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("ca.crt");
    std::fs::write(&empty, "").unwrap();
    for file in [empty, authority("signer.key")] {
        let Err(error) = Verifier::new(&Trust { authority: file, ..trust() }) else { panic!("nobody is believed") };
        assert!(crate::chain(&error).contains("it has no certificate"), "{}", crate::chain(&error));
    }
    // One that is emptied while it is used is as good as one that cannot be read: what was read before holds.
    let replaced = folder.path().join("replaced.crt");
    std::fs::copy(authority("ca.crt"), &replaced).unwrap();
    let mut renewing = Renewing::new(Trust { authority: replaced.clone(), ..trust() }).unwrap();
    std::fs::copy(authority("signer.key"), &replaced).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let frame = envelope().frame(Some(&signer("signer"))).unwrap();
    assert!(renewing.current().verify(&[envelope().topic.into(), frame.into()]).is_ok());
}

/// Makes a certificate of the tests' authority, for days from and to now, with its key.
fn certificate(names: &[&str], from: i64, to: i64) -> Signer {
    use openssl::asn1::Asn1Time;
    use openssl::bn::BigNum;
    use openssl::hash::MessageDigest;
    use openssl::pkey::PKey;
    use openssl::x509::{X509Builder, X509NameBuilder};
    let ca = X509::from_pem(&std::fs::read(authority("ca.crt")).unwrap()).unwrap();
    let ca_key = PKey::private_key_from_pem(&std::fs::read(authority("ca.key")).unwrap()).unwrap();
    let key = PKey::private_key_from_pem(&std::fs::read(authority("signer.key")).unwrap()).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    for common in names {
        name.append_entry_by_nid(Nid::COMMONNAME, common).unwrap();
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let day = |days: i64| Asn1Time::from_unix(i64::try_from(now).unwrap() + days * 86_400).unwrap();
    let mut made = X509Builder::new().unwrap();
    made.set_version(2).unwrap();
    made.set_serial_number(&BigNum::from_u32(77).unwrap().to_asn1_integer().unwrap()).unwrap();
    made.set_subject_name(&name.build()).unwrap();
    made.set_issuer_name(ca.subject_name()).unwrap();
    made.set_pubkey(&key).unwrap();
    made.set_not_before(&day(from)).unwrap();
    made.set_not_after(&day(to)).unwrap();
    made.sign(&ca_key, MessageDigest::sha256()).unwrap();
    let pem = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let certificate = pem(made.build().to_pem().unwrap());
    Signer::new(&certificate, &pem(key.private_key_to_pem_pkcs8().unwrap())).unwrap()
}

#[test]
fn a_certificate_counts_from_its_first_day_to_its_last() {
    let of = |from, to| verdict(&trust(), &certificate(&["koji.example.org"], from, to));
    assert_eq!(of(-10, 10).unwrap(), "koji.example.org");
    assert_eq!(of(-10, -1), Err(Refusal::Certificate), "it has expired");
    assert_eq!(of(1, 10), Err(Refusal::Certificate), "it is not valid yet");
}

#[test]
fn the_first_name_of_a_certificate_is_its_owners() {
    let signer = certificate(&["koji.example.org", "mbs.example.org"], -1, 1);
    let may = |name: &str| {
        let policy = BTreeMap::from([(envelope().topic, vec![name.to_owned()])]);
        verdict(&Trust { policy, nitpicky: true, ..trust() }, &signer)
    };
    assert_eq!(may("koji.example.org").unwrap(), "koji.example.org");
    assert_eq!(may("mbs.example.org"), Err(Refusal::Policy));
}

#[test]
fn what_was_changed_on_the_way_is_refused() {
    let topic = envelope().topic;
    let frame = envelope().frame(Some(&signer("signer"))).unwrap();
    let refused = |changed: String| {
        assert_ne!(changed, frame);
        verify(&trust(), &topic, &changed).unwrap_err()
    };
    assert_eq!(refused(frame.replace("module-foo", "module-bar")), Refusal::Signature);
    assert_eq!(refused(frame.replace("\"i\":7", "\"i\":8")), Refusal::Signature);
    assert_eq!(refused(frame.replace("\"i\":7", "\"extra\":1,\"i\":7")), Refusal::Signature);
    assert_eq!(refused(frame.replace("\"crypto\":\"x509\"", "\"crypto\":\"gpg\"")), Refusal::Unsigned);
    assert_eq!(refused(envelope().frame(None).unwrap()), Refusal::Unsigned);
    assert_eq!(refused(frame.replace("\"signature\":\"", "\"signature\":\"AAAA")), Refusal::Signature);
    assert_eq!(refused(frame.replace("\"signature\":\"", "\"signature\":\"~")), Refusal::Malformed);
    assert_eq!(refused(frame.replace("\"certificate\":\"", "\"certificate\":\"QUFB")), Refusal::Malformed);
    assert_eq!(refused(frame.replace("\"msg\":", "\"gsm\":")), Refusal::Malformed);
    // The certificate of another, whose key did not sign this.
    let foreign = envelope().frame(Some(&signer("foreign"))).unwrap();
    let of = |frame: &str| {
        let json = Json::read(frame.as_bytes(), JsonLimits::default()).unwrap();
        json.get("certificate").unwrap().canonical()
    };
    assert_eq!(refused(frame.replace(&of(&frame), &of(&foreign))), Refusal::Signature);
}

#[test]
fn a_relay_may_write_it_anew() {
    let topic = envelope().topic;
    let frame = envelope().frame(Some(&signer("signer"))).unwrap();
    // With spaces and in another order, as a relay's plain `json.dumps` does.
    let spaced = frame.replace("\":", "\": ").replace(",\"", " , \"");
    assert!(verify(&trust(), &topic, &spaced).is_ok());
    let value: serde_json::Value = serde_json::from_str(&frame).unwrap();
    assert!(verify(&trust(), &topic, &serde_json::to_string_pretty(&value).unwrap()).is_ok());
}

#[test]
fn what_is_no_message_is_malformed() {
    let verifier = Verifier::new(&trust()).unwrap();
    let frame = envelope().frame(Some(&signer("signer"))).unwrap().into_bytes();
    let topic = envelope().topic.into_bytes();
    assert!(verifier.verify(&[topic.clone(), frame.clone()]).is_ok());
    let odd: [&[Vec<u8>]; 8] = [
        &[],
        std::slice::from_ref(&frame),
        &[topic.clone(), frame.clone(), Vec::new()],
        &[b"another.topic".to_vec(), frame.clone()],
        &[topic.clone(), b"[]".to_vec()],
        &[topic.clone(), b"\xff".to_vec()],
        &[topic.clone(), Vec::new()],
        &[topic.clone(), "{".repeat(100_000).into_bytes()],
    ];
    for frames in odd {
        assert_eq!(verifier.verify(frames), Err(Refusal::Malformed));
    }
}

#[test]
fn files_that_are_not_what_they_should_be_are_named() {
    let missing = Verifier::new(&Trust { authority: authority("missing.crt"), ..trust() }).err().unwrap();
    assert!(missing.to_string().contains("missing.crt"), "{missing}");
    let empty = tempfile::NamedTempFile::new().unwrap();
    let no_list = Trust { revoked: Some(empty.path().to_owned()), ..trust() };
    assert!(Verifier::new(&no_list).is_err());
    let other_key = Signer::from_files(&authority("signer.crt"), &authority("revoked.key"));
    let other_key = crate::chain(&other_key.err().unwrap());
    assert!(other_key.contains("not that of the private key") && other_key.contains("revoked.key"), "{other_key}");
    let no_certificate = Verifier::new(&Trust { authority: authority("ca.key"), ..trust() }).err().unwrap();
    let no_certificate = crate::chain(&no_certificate);
    assert!(no_certificate.contains("ca.key") && no_certificate.contains("no certificate"), "{no_certificate}");
}

/// Replaces a file as one does it who is careful: by another of the same name. Afterwards a look is due.
fn replaced(folder: &Path, with: &str, name: &str) {
    std::fs::copy(authority(with), folder.join("next")).unwrap();
    std::fs::rename(folder.join("next"), folder.join(name)).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1100));
}

#[test]
fn a_list_that_is_replaced_is_read_anew_and_one_that_is_none_is_not() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(authority("nobody.pem"), folder.path().join("crl.pem")).unwrap();
    let mut renewing = Renewing::new(Trust { revoked: Some(folder.path().join("crl.pem")), ..trust() }).unwrap();
    let frame = envelope().frame(Some(&signer("revoked"))).unwrap();
    let frames = [envelope().topic.into_bytes(), frame.into_bytes()];
    let mut revoked = || renewing.current().verify(&frames).err();
    assert_eq!(revoked(), None, "not yet");
    for _ in 0..2 {
        replaced(folder.path(), "revoked.pem", "crl.pem");
        assert_eq!(revoked(), Some(Refusal::Certificate));
        // Half a list, or none, is no reason to believe what was revoked, or nobody.
        replaced(folder.path(), "signer.key", "crl.pem");
        assert_eq!(revoked(), Some(Refusal::Certificate));
        std::fs::remove_file(folder.path().join("crl.pem")).unwrap();
        assert_eq!(revoked(), Some(Refusal::Certificate));
        replaced(folder.path(), "nobody.pem", "crl.pem");
        assert_eq!(revoked(), None);
    }
}

#[test]
fn a_certificate_that_is_renewed_signs_once_its_key_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("rida.crt"), folder.path().join("rida.key"));
    std::fs::copy(authority("revoked.crt"), &certificate).unwrap();
    std::fs::copy(authority("revoked.key"), &key).unwrap();
    let signer = Signer::from_files(&certificate, &key).unwrap();
    assert_eq!(verdict(&trust(), &signer), Err(Refusal::Certificate));
    replaced(folder.path(), "signer.crt", "rida.crt");
    assert_eq!(verdict(&trust(), &signer), Err(Refusal::Certificate), "the key is still the other's");
    replaced(folder.path(), "signer.key", "rida.key");
    assert_eq!(verdict(&trust(), &signer).unwrap(), "mbs-rida01.example.org");
}
