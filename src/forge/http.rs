//! A request and its answer as this program sees them, and the transport that it needs.
//!
//! Invariants: an answer's body is bounded before it is taken into memory; header names are in lower case; a failure tells
//! whether the other side can have acted, because that decides what may be repeated. Holds no token.

use std::collections::BTreeMap;
use std::time::Duration;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    Get,
    Post,
    Patch,
    Delete,
}

impl Method {
    /// Whether doing it twice comes to the same as doing it once.
    #[must_use]
    pub fn may_be_repeated(self) -> bool {
        match self {
            Self::Get | Self::Patch | Self::Delete => true,
            Self::Post => false,
        }
    }
}

/// The usual answer, and a file as it is.
pub const JSON: &str = "application/vnd.github+json";
pub const RAW: &str = "application/vnd.github.raw+json";

/// Largest answer that is read, in bytes, unless a request allows for more: a hundred of the longest comments.
pub const MOST_BYTES: u64 = 16 << 20;

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub method: Method,
    /// Absolute.
    pub url: String,
    pub accept: &'static str,
    pub body: Option<serde_json::Value>,
    /// Largest answer that is of use, in bytes.
    pub most: u64,
    /// Whether the token goes along. It never does to another host.
    pub authorised: bool,
}

impl Request {
    /// A request with the token.
    #[must_use]
    pub fn new(method: Method, url: String) -> Self {
        Self { method, url, accept: JSON, body: None, most: MOST_BYTES, authorised: true }
    }
}

/// One answer, whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Response {
    /// A header by its lower-case name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The address of the next page, by the `Link` header.
    #[must_use]
    pub fn next_page(&self) -> Option<String> {
        self.header("link").and_then(next_link)
    }
}

/// The address with `rel="next"` in a `Link` header (RFC 8288).
fn next_link(header: &str) -> Option<String> {
    let mut rest = header;
    while let Some((_, opened)) = rest.split_once('<') {
        let (address, after) = opened.split_once('>')?;
        // The parameters end where the next address begins; an address holds no `<`.
        let parameters = after.split('<').next().unwrap_or_default();
        let is_next = parameters.split([';', ',']).any(|parameter| {
            let relation = parameter.trim().strip_prefix("rel=").map(|value| value.trim_matches('"'));
            relation.is_some_and(|relation| relation.split(' ').any(|name| name.eq_ignore_ascii_case("next")))
        });
        if is_next {
            return Some(address.to_owned());
        }
        rest = after;
    }
    None
}

/// Why there is no answer. The texts say what the network said; they hold neither token nor payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Nothing can have arrived.
    Unreachable(String),
    /// It may have arrived and been acted upon.
    Broken(String),
    /// No answer within the time that one request has.
    Silent,
    /// The answer is larger than the request allows.
    TooLarge,
}

/// What carries requests. One call is one request and one answer: nothing is repeated and no redirection followed.
pub trait Transport {
    /// Sends a request and waits for the whole answer.
    ///
    /// # Errors
    /// When there is none.
    fn exchange(&mut self, request: &Request) -> Result<Response, Failure>;

    /// Lets time go by.
    fn wait(&mut self, time: Duration);

    /// What is left until the deadline of all that is said.
    fn left(&self) -> Duration;

    /// Seconds since 1970, for limits that are given as a time of day.
    fn now(&self) -> u64;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_by_its_relation() {
        let github = "<https://api.github.com/a?page=1>; rel=\"prev\", <https://api.github.com/a?page=3>; rel=\"next\"";
        for (header, next) in [
            (github, Some("https://api.github.com/a?page=3")),
            ("<https://h/b?page=2>;rel=next", Some("https://h/b?page=2")),
            ("<https://h/b?page=2>; title=\"x, y\"; rel=\"last next\"", Some("https://h/b?page=2")),
            ("<https://h/b?page=9>; rel=\"last\"", None),
            ("<https://h/b", None),
            ("", None),
        ] {
            assert_eq!(next_link(header).as_deref(), next, "{header}");
        }
    }
}
