//! Requests with the patience that they deserve: what may be repeated is, limits are waited for, one deadline holds for all.
//!
//! Invariants: a POST is sent again only where nothing can have come of it (refused for a limit, or never connected); the
//! token goes to the API's own host alone; no address is taken from an answer but the next page on that host and, for a download,
//! one redirection without the token. Knows nothing of what is said.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::address::Address;
use super::error::{ForgeError, quoted, remedy};
use super::http::{Failure, JSON, Method, Request, Response, Transport};

/// Times that one request is sent at most.
const MOST_ATTEMPTS: u32 = 4;
/// The first pause after a fault of the server; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The first pause for a limit that says no time: what GitHub's documentation asks for.
const LIMIT_PAUSE: Duration = Duration::from_secs(60);
/// Redirections followed in one download.
const MOST_REDIRECTIONS: u32 = 3;
/// Pages read of one list, of 100 entries each.
const MOST_PAGES: u32 = 50;

/// Speaks to one forge.
#[derive(Debug)]
pub struct Client<T> {
    transport: T,
    address: Address,
    /// What must not be shown, should the forge repeat it.
    secret: String,
}

impl<T: Transport> Client<T> {
    /// A client of the API at `address`; `secret` is the token that the transport holds.
    pub fn new(transport: T, address: Address, secret: String) -> Self {
        Self { transport, address, secret }
    }

    /// The API that this client speaks to.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The transport, to look at what went through it.
    #[cfg(test)]
    pub fn into_transport(self) -> T {
        self.transport
    }

    /// Waits, for what the forge has accepted to be seen.
    pub fn pause(&mut self, time: Duration) {
        let left = self.transport.left();
        self.transport.wait(time.min(left));
    }

    /// Reads what is at `path`.
    ///
    /// # Errors
    /// When there is no good answer.
    pub fn get<R: for<'de> Deserialize<'de>>(&mut self, what: &str, path: &str) -> Result<R, ForgeError> {
        let response = self.send(what, &Request::new(Method::Get, self.address.join(path)))?;
        parsed(what, &response.body)
    }

    /// Reads what is at `path` in the form `accept`, up to `most` bytes.
    ///
    /// # Errors
    /// When there is no good answer.
    pub fn get_bytes(
        &mut self,
        what: &str,
        path: &str,
        accept: &'static str,
        most: u64,
    ) -> Result<Vec<u8>, ForgeError> {
        let request = Request { accept, most, ..Request::new(Method::Get, self.address.join(path)) };
        Ok(self.send(what, &request)?.body)
    }

    /// Reads all pages of a list. A forge that answers everything at once gives no next page.
    ///
    /// # Errors
    /// When there is no good answer.
    pub fn list(&mut self, what: &str, path: &str) -> Result<Vec<Value>, ForgeError> {
        let mut all = Vec::new();
        let mut url = self.address.join(path);
        for _ in 0..MOST_PAGES {
            let response = self.send(what, &Request::new(Method::Get, url.clone()))?;
            let page: Vec<Value> = parsed(what, &response.body)?;
            all.extend(page);
            match response.next_page() {
                // The token follows this address, so it must be the API's own, and another one than this.
                Some(next) if self.address.covers(&next) && next != url => url = next,
                _ => break,
            }
        }
        Ok(all)
    }

    /// Sends a body and reads the answer.
    ///
    /// # Errors
    /// When there is no good answer; of a POST, [`ForgeError::is_uncertain`] tells whether it may have had its effect.
    pub fn write<R: for<'de> Deserialize<'de>>(
        &mut self,
        what: &str,
        method: Method,
        path: &str,
        body: Value,
    ) -> Result<R, ForgeError> {
        let request = Request { body: Some(body), ..Request::new(method, self.address.join(path)) };
        let response = self.send(what, &request)?;
        parsed(what, &response.body)
    }

    /// Deletes what is at `path`; what is gone already is deleted.
    ///
    /// # Errors
    /// When the forge refuses.
    pub fn delete(&mut self, what: &str, path: &str) -> Result<(), ForgeError> {
        match self.send(what, &Request::new(Method::Delete, self.address.join(path))) {
            Err(error) if matches!(error.status(), Some(404 | 410)) => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// Fetches a file that the forge may keep elsewhere; elsewhere, the token does not go along.
    ///
    /// # Errors
    /// When there is no good answer, or it is larger than `most` bytes.
    pub fn download(&mut self, what: &str, path: &str, most: u64) -> Result<Vec<u8>, ForgeError> {
        let mut request = Request { most, ..Request::new(Method::Get, self.address.join(path)) };
        let elsewhere = |why| ForgeError::Redirected { what: what.to_owned(), why };
        for _ in 0..MOST_REDIRECTIONS {
            let response = self.answer(what, &request)?;
            if !matches!(response.status, 301 | 302 | 303 | 307 | 308) {
                return Ok(self.good(what, response)?.body);
            }
            let target = response.header("location").ok_or_else(|| elsewhere("to nowhere"))?.to_owned();
            let target = if target.starts_with('/') { self.address.on_host(&target) } else { target };
            if !self.address.may_redirect_to(&target) {
                return Err(elsewhere("to an address that is not HTTPS"));
            }
            let authorised = request.authorised && self.address.covers(&target);
            request = Request { url: target, authorised, accept: JSON, ..request };
        }
        Err(elsewhere("too often"))
    }

    fn send(&mut self, what: &str, request: &Request) -> Result<Response, ForgeError> {
        let response = self.answer(what, request)?;
        self.good(what, response)
    }

    fn good(&self, what: &str, response: Response) -> Result<Response, ForgeError> {
        if (200..300).contains(&response.status) { Ok(response) } else { Err(self.refused(what, &response)) }
    }

    /// Sends until there is an answer that repeating does not better.
    fn answer(&mut self, what: &str, request: &Request) -> Result<Response, ForgeError> {
        let mut attempt = 0;
        loop {
            if self.transport.left().is_zero() {
                return Err(ForgeError::Deadline { what: what.to_owned() });
            }
            let outcome = self.transport.exchange(request);
            attempt += 1;
            let pause = match &outcome {
                Ok(response) if is_limit(response) => Some(limit_pause(response, attempt, self.transport.now())),
                Ok(response) if response.status >= 500 => request.method.may_be_repeated().then(|| backoff(attempt)),
                Ok(_) | Err(Failure::TooLarge) => None,
                Err(Failure::Unreachable(_)) => Some(backoff(attempt)),
                Err(Failure::Broken(_) | Failure::Silent) => request.method.may_be_repeated().then(|| backoff(attempt)),
            };
            let limited = outcome.as_ref().is_ok_and(is_limit);
            match pause.filter(|_| attempt < MOST_ATTEMPTS) {
                Some(wait) if wait < self.transport.left() => self.transport.wait(wait),
                Some(wait) if limited => return Err(ForgeError::Limited { what: what.to_owned(), wait }),
                _ => return outcome.map_err(|failure| self.failed(what, failure)),
            }
        }
    }

    fn failed(&self, what: &str, failure: Failure) -> ForgeError {
        let failure = match failure {
            Failure::Unreachable(why) => Failure::Unreachable(quoted(&self.redacted(&why))),
            Failure::Broken(why) => Failure::Broken(quoted(&self.redacted(&why))),
            other => other,
        };
        ForgeError::NoAnswer { what: what.to_owned(), failure }
    }

    fn refused(&self, what: &str, response: &Response) -> ForgeError {
        #[derive(Deserialize)]
        struct Told {
            message: String,
        }
        let message = serde_json::from_slice::<Told>(&response.body).map(|told| told.message).unwrap_or_default();
        ForgeError::Refused {
            what: what.to_owned(),
            status: response.status,
            message: quoted(&self.redacted(&message)),
            remedy: remedy(response.status),
        }
    }

    fn redacted(&self, text: &str) -> String {
        if self.secret.is_empty() { text.to_owned() } else { text.replace(&self.secret, "***") }
    }
}

fn parsed<R: for<'de> Deserialize<'de>>(what: &str, body: &[u8]) -> Result<R, ForgeError> {
    // serde_json's own text may quote a value; line and column say enough.
    let malformed = |error: serde_json::Error| {
        let kind = if error.is_data() { "another shape" } else { "no JSON, or cut short" };
        ForgeError::Malformed { what: what.to_owned(), why: format!("{kind} at {}:{}", error.line(), error.column()) }
    };
    serde_json::from_slice(body).map_err(malformed)
}

/// Twice as long after each attempt.
fn backoff(attempt: u32) -> Duration {
    FIRST_PAUSE * 2_u32.pow(attempt.saturating_sub(1).min(8))
}

/// Whether a request was refused because there were too many: then nothing came of it.
fn is_limit(response: &Response) -> bool {
    let exhausted = response.header("x-ratelimit-remaining").map(str::trim) == Some("0");
    match response.status {
        429 => true,
        403 => {
            exhausted
                || response.header("retry-after").is_some()
                || String::from_utf8_lossy(&response.body).to_ascii_lowercase().contains("rate limit")
        }
        503 => response.header("retry-after").is_some(),
        _ => false,
    }
}

/// How long a limit lasts: by `retry-after`, else by the time at which it is reset, else a minute and twice that each time.
fn limit_pause(response: &Response, attempt: u32, now: u64) -> Duration {
    let number = |name: &str| response.header(name).and_then(|text| text.trim().parse::<u64>().ok());
    if let Some(seconds) = number("retry-after") {
        return Duration::from_secs(seconds.max(1));
    }
    if let Some(reset) = number("x-ratelimit-reset").filter(|_| number("x-ratelimit-remaining") == Some(0)) {
        return Duration::from_secs(reset.saturating_sub(now).max(1));
    }
    LIMIT_PAUSE * 2_u32.pow(attempt.saturating_sub(1).min(8))
}

#[cfg(test)]
mod tests;
