use proptest::prelude::*;
use tokio::io::duplex;

use super::*;

/// What a listener begins with, of a version and a mechanism.
fn greeting(version: u8, mechanism: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; GREETING];
    bytes[0] = 0xff;
    bytes[9] = 0x7f;
    bytes[10] = version;
    bytes[12..12 + mechanism.len()].copy_from_slice(mechanism);
    bytes
}

fn ready(kind: &[u8]) -> Vec<u8> {
    command(b"READY", &[property(b"Identity", b""), property(b"socket-type", kind)].concat())
}

async fn shaken(bytes: &[u8]) -> Result<(), ZmtpError> {
    let (mut ours, mut theirs) = duplex(4096);
    theirs.write_all(bytes).await.unwrap();
    theirs.shutdown().await.unwrap();
    shake_hands(&mut ours).await
}

async fn said(bytes: &[u8]) -> Result<Said, ZmtpError> {
    hear(&mut &*bytes).await
}

#[tokio::test]
async fn only_listeners_are_shaken_hands_with() {
    for kind in [&b"SUB"[..], b"XSUB"] {
        shaken(&[greeting(3, b"NULL"), ready(kind)].concat()).await.unwrap();
    }
    // A later minor version says more in the same form.
    let mut later = greeting(3, b"NULL");
    later[11] = 1;
    shaken(&[later, ready(b"SUB")].concat()).await.unwrap();
    for kind in [&b"PUB"[..], b"REQ", b""] {
        let refused = shaken(&[greeting(3, b"NULL"), ready(kind)].concat()).await;
        assert!(matches!(refused, Err(ZmtpError::NoListener)), "{refused:?}");
    }
    for odd in [greeting(1, b"NULL"), greeting(3, b"PLAIN"), greeting(3, b"NULLS"), vec![b'G'; GREETING]] {
        let refused = shaken(&[odd, ready(b"SUB")].concat()).await;
        assert!(matches!(refused, Err(ZmtpError::Greeting)), "{refused:?}");
    }
    for cut in 0..GREETING {
        let whole = [greeting(3, b"NULL"), ready(b"SUB")].concat();
        assert!(matches!(shaken(&whole[..cut]).await, Err(ZmtpError::Broken(_))), "{cut}");
    }
    // Properties that end too early, or are longer than they can be.
    for rest in [&b"\x0bSocket-Type\x00\x00\x00\x09SUB"[..], b"\xffSocket-Type", b"\x00\xff\xff\xff\xffx", b""] {
        let refused = shaken(&[greeting(3, b"NULL"), command(b"READY", rest)].concat()).await;
        assert!(matches!(refused, Err(ZmtpError::NoListener)), "{refused:?}");
    }
}

#[tokio::test]
async fn wishes_are_heard_in_both_forms_that_there_are() {
    assert_eq!(said(b"\x00\x04\x01org").await.unwrap(), Said::Wants(b"org".to_vec()));
    assert_eq!(said(b"\x00\x01\x01").await.unwrap(), Said::Wants(Vec::new()));
    assert_eq!(said(b"\x00\x04\x00org").await.unwrap(), Said::Leaves(b"org".to_vec()));
    assert_eq!(said(&command(b"SUBSCRIBE", b"org")).await.unwrap(), Said::Wants(b"org".to_vec()));
    assert_eq!(said(&command(b"CANCEL", b"org")).await.unwrap(), Said::Leaves(b"org".to_vec()));
    assert_eq!(said(&command(b"PING", b"\x00\x0acontext")).await.unwrap(), Said::Ping(b"context".to_vec()));
    assert_eq!(said(&command(b"PING", b"")).await.unwrap(), Said::Ping(Vec::new()));
    for other in [&b"\x00\x00"[..], b"\x00\x02\x07x", b"\x01\x02\x01x", &command(b"ERROR", b"\x00")] {
        assert_eq!(said(other).await.unwrap(), Said::Other);
    }
    assert_eq!(*pong(b"context"), *b"\x04\x0c\x04PONGcontext");
}

#[tokio::test]
async fn frames_that_cannot_be_are_refused_before_they_are_read() {
    assert!(matches!(said(&[&[2][..], &u64::MAX.to_be_bytes()].concat()).await, Err(ZmtpError::TooLong(u64::MAX))));
    assert!(matches!(said(&[&[2][..], &513_u64.to_be_bytes()].concat()).await, Err(ZmtpError::TooLong(513))));
    let longest = [&[2][..], &512_u64.to_be_bytes(), &[1], &[b'x'; 511]].concat();
    assert_eq!(said(&longest).await.unwrap(), Said::Wants(vec![b'x'; 511]));
    for odd in [&b"\x08\x00"[..], b"\x04\x00", b"\x04\x01\x05"] {
        assert!(matches!(said(odd).await, Err(ZmtpError::Malformed)), "{odd:?}");
    }
}

#[test]
fn a_message_is_two_frames() {
    assert_eq!(*message(b"topic", b"{}"), *b"\x01\x05topic\x00\x02{}");
    let long = message(b"t", &[b'x'; 300]);
    assert_eq!(long[..12], *b"\x01\x01t\x02\x00\x00\x00\x00\x00\x00\x01\x2c");
    assert_eq!(long.len(), 12 + 300);
    assert_eq!(message(b"t", &[b'x'; 255])[3..5], [0, 255]);
    assert_eq!(message(b"t", &[b'x'; 256])[3], LONG);
}

proptest! {
    /// Whatever comes after a good beginning, it is heard or refused, and what is kept of it is short.
    #[test]
    fn any_bytes_are_heard_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let heard = runtime.block_on(async {
            let (mut rest, mut longest) = (&*bytes, 0);
            while let Ok(said) = hear(&mut rest).await {
                if let Said::Wants(bytes) | Said::Leaves(bytes) | Said::Ping(bytes) = said {
                    longest = longest.max(bytes.len());
                }
            }
            longest
        });
        prop_assert!(heard < LONGEST);
        let greeted = [greeting(3, b"NULL"), bytes].concat();
        let _ = runtime.block_on(shaken(&greeted));
    }
}
