//! Documents of XML-RPC, as a hub of Koji, or whatever answers in its place, may send them.

use rida_koji::xmlrpc::{Value, decode_call, decode_response, encode_call, encode_response};

/// Reads a document as an answer and as a call; what is read, and can be written, reads back equal.
pub(crate) fn run(data: &[u8]) {
    if let Ok(Ok(value)) = decode_response(data)
        && let Ok(text) = encode_response(&value)
    {
        assert_eq!(decode_response(text.as_bytes()), Ok(Ok(value)), "{text}");
    }
    if let Ok(call) = decode_call(data)
        && let Ok(text) = encode_call(&call)
    {
        assert_eq!(decode_call(text.as_bytes()).as_ref(), Ok(&call), "{text}");
        // What is read of an answer never panics, whatever it is.
        for value in call.parameters() {
            take_apart(value);
        }
    }
}

fn take_apart(value: Value) {
    use rida_koji::wire::{Build, Repository, Rpm, Tag, Target, Task, User};
    let _ = Build::from_value(value.clone());
    let _ = Repository::from_value(value.clone());
    let _ = Rpm::from_value(value.clone());
    let _ = Tag::from_value(value.clone());
    let _ = Target::from_value(value.clone());
    let _ = Task::from_value(value.clone());
    let _ = User::from_value(value);
}
