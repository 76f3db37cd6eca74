//! The envelope around a body: the second frame of a message.

use crate::error::BusError;
use crate::fedmsg::sign::Signer;
use crate::json::Json;

/// A message as fedmsg wraps it.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    /// The whole topic, which is the first frame, too.
    pub topic: String,
    /// The body.
    pub msg: Json,
    /// When it was made, in whole seconds: archives give it back as a float, and readers make an integer of it.
    pub timestamp: i64,
    /// The year and a UUID.
    pub msg_id: String,
    /// A number that fedmsg counts up in each process; here that of the build's change, so that a repeat is the same.
    pub i: i64,
    /// Who sends it.
    pub username: String,
}

impl Envelope {
    /// Returns the fields that a signature covers, and that an unsigned message has.
    pub fn fields(&self) -> Json {
        Json::object([
            ("i", self.i.into()),
            ("msg", self.msg.clone()),
            ("msg_id", self.msg_id.as_str().into()),
            ("timestamp", self.timestamp.into()),
            ("topic", self.topic.as_str().into()),
            ("username", self.username.as_str().into()),
        ])
    }

    /// Returns the frame: signed, or bare without a signer.
    ///
    /// # Errors
    /// When OpenSSL cannot sign.
    pub fn frame(&self, signer: Option<&Signer>) -> Result<String, BusError> {
        match signer {
            Some(signer) => signer.sign(self.fields()),
            None => Ok(self.fields().canonical()),
        }
    }
}
