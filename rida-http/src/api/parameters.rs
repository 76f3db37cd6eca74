//! The query of a URL, held to the parameters that there are.

use url::form_urlencoded;

use super::object::shown;
use crate::reply::ApiError;

/// The parameters of a request, in the order that they were given in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads a query that has none but the known parameters.
    pub(crate) fn read(query: &str, known: &[&str]) -> Result<Self, ApiError> {
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        let mut unknown: Vec<String> =
            pairs.iter().filter(|(name, _)| !known.contains(&name.as_str())).map(|(name, _)| shown(name)).collect();
        if unknown.is_empty() {
            return Ok(Self(pairs));
        }
        unknown.truncate(20);
        let known =
            if known.is_empty() { "there are none here".to_owned() } else { format!("known are {}", known.join(", ")) };
        Err(ApiError::bad_request(format!("unknown parameters: {}; {known}", unknown.join(", "))))
    }

    /// Reads the query of a list of what has an id: with one, the client means what is at another path.
    pub(crate) fn read_list(query: &str, known: &[&str], path: &str) -> Result<Self, ApiError> {
        let id = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "id");
        if let Some((_, id)) = id.filter(|_| !known.contains(&"id")) {
            let id: String = id.chars().take(40).collect();
            return Err(ApiError::bad_request(format!(
                "The \"id\" query option is invalid. Did you mean to go to \"{path}{id}\"?"
            )));
        }
        Self::read(query, known)
    }

    /// Returns all values of a parameter.
    pub(crate) fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + Clone {
        self.0.iter().filter(move |(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// Returns the value of a parameter that may be given once, and not empty.
    pub(crate) fn one(&self, name: &str) -> Result<Option<&str>, ApiError> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(""), _) => Err(ApiError::bad_request(format!("{name} has no value; give it one or leave it out"))),
            (Some(value), None) => Ok(Some(value)),
            (Some(_), Some(_)) => Err(ApiError::bad_request(format!("{name} is given more than once; give it once"))),
        }
    }

    /// Returns a parameter that is yes or no; absent means no. Clients exist that say the same twice, in two ways.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, ApiError> {
        let mut said = None;
        for text in self.all(name) {
            let meant = match text {
                "" => return self.one(name).map(|_| false),
                yes if yes == "1" || yes.eq_ignore_ascii_case("true") => true,
                no if no == "0" || no.eq_ignore_ascii_case("false") => false,
                text => return Err(ApiError::bad_request(format!("{name}={} is neither true nor false", shown(text)))),
            };
            if said.replace(meant).is_some_and(|before| before != meant) {
                return Err(ApiError::bad_request(format!("{name} is given more than once, and not as the same")));
            }
        }
        Ok(said.unwrap_or(false))
    }

    /// Returns a parameter that is a number of at least `least` and at most `most`.
    pub(crate) fn number(&self, name: &str, least: u64, most: u64) -> Result<Option<u64>, ApiError> {
        let Some(text) = self.one(name)? else { return Ok(None) };
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = if digits { text.parse().ok() } else { None };
        match number.filter(|number| (least..=most).contains(number)) {
            Some(number) => Ok(Some(number)),
            None => {
                let text = shown(text);
                Err(ApiError::bad_request(format!("{name}={text} is not a whole number from {least} to {most}")))
            }
        }
    }

    /// Returns all parameters but one, repeated ones too, and that one as a number.
    pub(crate) fn set(&self, name: &str, value: u64) -> Self {
        let mut pairs: Vec<_> = self.0.iter().filter(|(given, _)| given != name).cloned().collect();
        pairs.push((name.to_owned(), value.to_string()));
        Self(pairs)
    }

    /// Writes the query again, all parameters but one kept, repeated ones too, and that one set.
    pub(crate) fn with(&self, name: &str, value: u64) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.0.iter().filter(|(given, _)| given != name));
        query.append_pair(name, &value.to_string());
        query.finish()
    }
}
