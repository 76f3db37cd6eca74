//! A listener of fedmsg that speaks ZMTP 3.0 by hand, and reads when it is told to.

use std::io::{Read, Result, Write};
use std::net::TcpStream;

use crate::programs::PATIENCE;

/// Connects to a place of ZeroMQ as a listener does, without security.
pub(crate) fn listener(place: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(place.strip_prefix("tcp://").unwrap())?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut greeting = [0; 64];
    greeting[0] = 0xff;
    greeting[9] = 0x7f;
    greeting[10] = 3;
    greeting[12..16].copy_from_slice(b"NULL");
    stream.write_all(&greeting)?;
    stream.read_exact(&mut greeting)?;
    let ready = b"\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB";
    stream.write_all(&[&[4, u8::try_from(ready.len()).unwrap()], ready.as_slice()].concat())?;
    let mut head = [0; 2];
    stream.read_exact(&mut head)?;
    assert_eq!(head[0], 4, "a short command comes back");
    stream.read_exact(&mut vec![0; usize::from(head[1])])?;
    Ok(stream)
}

/// What says that one listens to topics that begin like this.
pub(crate) fn wants(topic: &str) -> Vec<u8> {
    [&[0, u8::try_from(topic.len() + 1).unwrap(), 1], topic.as_bytes()].concat()
}

/// Reads the two frames of the next message.
pub(crate) fn next_message(stream: &mut TcpStream) -> Result<(String, String)> {
    let mut frame = || -> Result<String> {
        let mut flags = [0];
        stream.read_exact(&mut flags)?;
        let mut length = [0; 8];
        let is_long = flags[0] & 2 != 0;
        stream.read_exact(&mut length[if is_long { 0 } else { 7 }..])?;
        let mut body = vec![0; usize::try_from(u64::from_be_bytes(length)).unwrap()];
        stream.read_exact(&mut body)?;
        Ok(String::from_utf8(body).unwrap())
    };
    Ok((frame()?, frame()?))
}
