//! Topics: `<prefix>.<environment>.<module name>.<what>`.

use crate::error::BusError;

/// The longest topic that AMQP takes as a routing key, in bytes.
pub(crate) const LONGEST_TOPIC: usize = 255;

/// What the topics of this service start with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    prefix: String,
    environment: String,
    modname: String,
}

impl Topics {
    /// Makes topics of their parts, such as `org.fedoraproject`, `prod` and `mbs`.
    ///
    /// # Errors
    /// When a part is empty or not of letters, digits, `-`, `_` and `.`.
    pub fn new(prefix: &str, environment: &str, modname: &str) -> Result<Self, BusError> {
        for (what, part) in [("topic prefix", prefix), ("environment", environment), ("module name", modname)] {
            let good = |piece: &str| {
                !piece.is_empty() && piece.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            };
            if part.len() > 100 || !part.split('.').all(good) {
                return Err(BusError::Config(format!(
                    "{part:?} is not a {what}: words of letters, digits, - and _ with dots between them"
                )));
            }
        }
        Ok(Self { prefix: prefix.to_owned(), environment: environment.to_owned(), modname: modname.to_owned() })
    }

    /// Returns the topic of what happened, such as `module.state.change`.
    pub fn of(&self, what: &str) -> String {
        format!("{}.{}.{}.{what}", self.prefix, self.environment, self.modname)
    }
}

impl Default for Topics {
    /// The topics of the Module Build Service in Fedora's staging.
    fn default() -> Self {
        Self { prefix: "org.fedoraproject".to_owned(), environment: "stg".to_owned(), modname: "mbs".to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_made_of_its_parts() {
        let topics = Topics::new("org.fedoraproject", "prod", "mbs").unwrap();
        assert_eq!(topics.of("module.state.change"), "org.fedoraproject.prod.mbs.module.state.change");
        let long = "x".repeat(101);
        for (prefix, environment, modname) in [
            ("", "prod", "mbs"),
            ("org..x", "prod", "mbs"),
            ("org", "pr od", "mbs"),
            ("org", "prod", "#"),
            (&*long, "a", "b"),
        ] {
            assert!(Topics::new(prefix, environment, modname).is_err(), "{prefix} {environment} {modname}");
        }
    }
}
