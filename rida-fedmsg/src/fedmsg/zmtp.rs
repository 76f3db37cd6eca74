//! What a publisher and a listener of ZeroMQ say to each other: ZMTP 3.0 (rfc.zeromq.org/spec/23) without security, as
//! far as it takes to publish. Listeners have spoken it since ZeroMQ 4.0.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The longest frame that a listener may send: which topic it wants, or a sign of life.
const LONGEST: usize = 512;
/// How many bytes both sides begin with.
const GREETING: usize = 64;

/// Another frame of the same message follows.
const MORE: u8 = 1;
/// The length has eight bytes instead of one.
const LONG: u8 = 2;
/// The frame is a command, and no part of a message.
const COMMAND: u8 = 4;

/// Why a connection is of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum ZmtpError {
    #[error("the connection broke")]
    Broken(#[from] std::io::Error),
    #[error("the other side speaks no ZMTP 3 without security")]
    Greeting,
    #[error("the other side is no listener")]
    NoListener,
    #[error("the other side sent a frame of {0} bytes, more than any topic has")]
    TooLong(u64),
    #[error("the other side sent a frame that cannot be")]
    Malformed,
}

/// What a listener says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It listens to topics that begin like this from now on.
    Wants(Vec<u8>),
    /// It listens to them no more.
    Leaves(Vec<u8>),
    /// It asks whether this side is alive, with something that the answer has to have.
    Ping(Vec<u8>),
    /// Nothing that a publisher cares for.
    Other,
}

/// Says who this is, and hears that the other side is a listener.
pub(super) async fn shake_hands<S>(stream: &mut S) -> Result<(), ZmtpError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut greeting = [0; GREETING];
    greeting[0] = 0xff;
    greeting[9] = 0x7f;
    greeting[10] = 3;
    greeting[12..16].copy_from_slice(b"NULL");
    stream.write_all(&greeting).await?;
    let mut theirs = [0; GREETING];
    // Up to the version first: older ones send no more than that before they have seen ours.
    stream.read_exact(&mut theirs[..11]).await?;
    if theirs[0] != 0xff || theirs[9] & 1 == 0 || theirs[10] < 3 {
        return Err(ZmtpError::Greeting);
    }
    stream.read_exact(&mut theirs[11..]).await?;
    if theirs[12..32] != greeting[12..32] {
        return Err(ZmtpError::Greeting);
    }
    stream.write_all(&command(b"READY", &property(b"Socket-Type", b"PUB"))).await?;
    let (flags, body) = read_frame(stream).await?;
    match command_of(flags, &body) {
        Some((b"READY", properties)) if is_listener(properties) => Ok(()),
        _ => Err(ZmtpError::NoListener),
    }
}

/// Hears what a listener says next.
pub(super) async fn hear<R: AsyncRead + Unpin>(reader: &mut R) -> Result<Said, ZmtpError> {
    let (flags, body) = read_frame(reader).await?;
    if flags & COMMAND == 0 {
        return Ok(match body.split_first() {
            Some((1, topic)) if flags & MORE == 0 => Said::Wants(topic.to_vec()),
            Some((0, topic)) if flags & MORE == 0 => Said::Leaves(topic.to_vec()),
            // What an extended listener tells a publisher is told to nobody.
            _ => Said::Other,
        });
    }
    Ok(match command_of(flags, &body).ok_or(ZmtpError::Malformed)? {
        (b"SUBSCRIBE", topic) => Said::Wants(topic.to_vec()),
        (b"CANCEL", topic) => Said::Leaves(topic.to_vec()),
        // Two bytes say how long a sign of life is good for.
        (b"PING", rest) => Said::Ping(rest.get(2..).unwrap_or_default().to_vec()),
        _ => Said::Other,
    })
}

/// Returns the answer to a sign of life.
pub(super) fn pong(context: &[u8]) -> Arc<[u8]> {
    command(b"PONG", context).into()
}

/// Returns the two frames of a message.
pub(super) fn message(topic: &[u8], body: &[u8]) -> Arc<[u8]> {
    let mut bytes = Vec::with_capacity(topic.len() + body.len() + 18);
    frame(&mut bytes, MORE, topic);
    frame(&mut bytes, 0, body);
    bytes.into()
}

fn frame(bytes: &mut Vec<u8>, flags: u8, body: &[u8]) {
    match u8::try_from(body.len()) {
        Ok(length) => bytes.extend([flags, length]),
        Err(_) => {
            bytes.push(flags | LONG);
            bytes.extend(u64::try_from(body.len()).unwrap_or(u64::MAX).to_be_bytes());
        }
    }
    bytes.extend_from_slice(body);
}

fn command(name: &[u8], rest: &[u8]) -> Vec<u8> {
    let mut body = vec![u8::try_from(name.len()).unwrap_or(u8::MAX)];
    body.extend_from_slice(name);
    body.extend_from_slice(rest);
    let mut bytes = Vec::with_capacity(body.len() + 2);
    frame(&mut bytes, COMMAND, &body);
    bytes
}

fn property(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(name.len()).unwrap_or(u8::MAX)];
    bytes.extend_from_slice(name);
    bytes.extend(u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend_from_slice(value);
    bytes
}

/// Reads flags and body of a frame, of no more than a listener has to say.
async fn read_frame<R: AsyncRead + Unpin>(reader: &mut R) -> Result<(u8, Vec<u8>), ZmtpError> {
    let flags = reader.read_u8().await?;
    if flags & !(MORE | LONG | COMMAND) != 0 {
        return Err(ZmtpError::Malformed);
    }
    let length = if flags & LONG == 0 { u64::from(reader.read_u8().await?) } else { reader.read_u64().await? };
    let fitting = usize::try_from(length).ok().filter(|length| *length <= LONGEST);
    let mut body = vec![0; fitting.ok_or(ZmtpError::TooLong(length))?];
    reader.read_exact(&mut body).await?;
    Ok((flags, body))
}

/// Returns name and rest of a command.
fn command_of(flags: u8, body: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = body.split_first().filter(|_| flags & COMMAND != 0)?;
    rest.split_at_checked(usize::from(*length))
}

/// Tells whether properties are those of a socket that listens.
fn is_listener(mut properties: &[u8]) -> bool {
    while let Some((name, value, rest)) = read_property(properties) {
        if name.eq_ignore_ascii_case(b"Socket-Type") {
            return matches!(value, b"SUB" | b"XSUB");
        }
        properties = rest;
    }
    false
}

fn read_property(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*length))?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (value, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    Some((name, value, rest))
}

#[cfg(test)]
mod tests;
