//! Where the API is, and which addresses belong to it.
//!
//! Invariant: everything but loopback is HTTPS. A path in the base address is kept: GitHub Enterprise has its API below `/api/v3`,
//! Gitea and Forgejo below `/api/v1`.

use std::net::IpAddr;

/// Where GitHub's API is, for jobs that say nothing else.
pub const GITHUB: &str = "https://api.github.com";

/// Which forges answer alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// github.com and GitHub Enterprise.
    GitHub,
    /// Gitea and Forgejo.
    Gitea,
}

/// The base address of an API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Scheme, host and port, in lower case.
    origin: String,
    /// Empty, or from the first slash to before the last.
    path: String,
    loopback: bool,
}

/// Why an address is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("GITHUB_API_URL is no address of a server; set it to one such as {GITHUB}")]
    Malformed,
    #[error("GITHUB_API_URL is not HTTPS, so the token would be readable on its way; set it to an https:// address")]
    Plain,
}

impl Address {
    /// Takes a base address apart.
    ///
    /// # Errors
    /// When it is none, or plain HTTP to another machine.
    pub fn new(text: &str) -> Result<Self, AddressError> {
        let uri: http::Uri = text.trim().parse().map_err(|_| AddressError::Malformed)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(AddressError::Malformed);
        };
        // A user and password in the address would be shown with it, and a query has no meaning in a base.
        if authority.as_str().contains('@') || uri.query().is_some() || authority.host().is_empty() {
            return Err(AddressError::Malformed);
        }
        let loopback = is_loopback(authority.host());
        match scheme {
            "https" => {}
            "http" if loopback => {}
            "http" => return Err(AddressError::Plain),
            _ => return Err(AddressError::Malformed),
        }
        let origin = format!("{scheme}://{}", authority.as_str().to_ascii_lowercase());
        Ok(Self { origin, path: uri.path().trim_end_matches('/').to_owned(), loopback })
    }

    /// The absolute address of something in the API; `path` begins with a slash and is escaped already.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        format!("{}{}{path}", self.origin, self.path)
    }

    /// The absolute address of an absolute path on the same host.
    #[must_use]
    pub fn on_host(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// Whether the API is on this machine, without anything between.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// Whether the token may go to an absolute address: it is on the API's own host.
    #[must_use]
    pub fn covers(&self, url: &str) -> bool {
        origin(url).is_some_and(|origin| origin == self.origin)
    }

    /// Whether a download may be sent there: HTTPS, or this machine where the API is too.
    #[must_use]
    pub fn may_redirect_to(&self, url: &str) -> bool {
        let Ok(uri) = url.parse::<http::Uri>() else { return false };
        match (uri.scheme_str(), uri.host()) {
            (Some("https"), Some(_)) => true,
            (Some("http"), Some(host)) => self.loopback && is_loopback(host),
            _ => false,
        }
    }

    /// Which forges this is one of, by its path.
    #[must_use]
    pub fn family(&self) -> Family {
        if self.path.ends_with("/api/v1") { Family::Gitea } else { Family::GitHub }
    }
}

fn origin(url: &str) -> Option<String> {
    let uri: http::Uri = url.parse().ok()?;
    let authority = uri.authority()?;
    if authority.as_str().contains('@') {
        return None;
    }
    Some(format!("{}://{}", uri.scheme_str()?, authority.as_str().to_ascii_lowercase()))
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A part of a path, escaped: everything but letters, digits, `-`, `.`, `_` and `~`.
#[must_use]
pub fn escaped_part(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// A path whose slashes stay, escaped otherwise.
#[must_use]
pub fn escaped_path(text: &str) -> String {
    text.split('/').map(escaped_part).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_the_base_is_kept() {
        for (base, joined, family) in [
            ("https://api.github.com", "https://api.github.com/repos/a", Family::GitHub),
            ("https://ghe.example/api/v3/", "https://ghe.example/api/v3/repos/a", Family::GitHub),
            ("https://Git.Example:3000/api/v1", "https://git.example:3000/api/v1/repos/a", Family::Gitea),
            ("https://example/forge/api/v1", "https://example/forge/api/v1/repos/a", Family::Gitea),
            ("http://127.0.0.1:9/r", "http://127.0.0.1:9/r/repos/a", Family::GitHub),
            (" http://[::1]:9 ", "http://[::1]:9/repos/a", Family::GitHub),
        ] {
            let address = Address::new(base).unwrap();
            assert_eq!((address.join("/repos/a"), address.family()), (joined.to_owned(), family));
        }
    }

    #[test]
    fn plain_http_is_for_this_machine_alone() {
        for plain in ["http://api.github.com", "http://10.0.0.1/api/v1", "http://localhost.example"] {
            assert_eq!(Address::new(plain), Err(AddressError::Plain), "{plain}");
        }
        for bad in
            ["", "api.github.com", "/x", "ftp://x", "https://user:word@host", "https://h/?a=b", "https://", "a b"]
        {
            assert_eq!(Address::new(bad), Err(AddressError::Malformed), "{bad}");
        }
        assert!(Address::new("http://localhost:8080").unwrap().is_loopback());
    }

    #[test]
    fn the_token_stays_on_its_host() {
        let address = Address::new("https://ghe.example/api/v3").unwrap();
        assert!(address.covers("https://GHE.example/api/v3/x?page=2"));
        for other in [
            "https://ghe.example:444/",
            "http://ghe.example/",
            "https://evil.example/",
            "https://ghe.example@evil/",
            "/x",
        ] {
            assert!(!address.covers(other), "{other}");
        }
        assert!(address.may_redirect_to("https://blob.example/x?sig=1"));
        assert!(!address.may_redirect_to("http://127.0.0.1/x") && !address.may_redirect_to("file:///etc/passwd"));
        assert!(Address::new("http://127.0.0.1:1").unwrap().may_redirect_to("http://127.0.0.1:2/x"));
    }

    #[test]
    fn parts_of_a_path_are_escaped() {
        assert_eq!(escaped_part("a b/é:&?#"), "a%20b%2F%C3%A9%3A%26%3F%23");
        assert_eq!(escaped_path(".github/workflows/a b.yml"), ".github/workflows/a%20b.yml");
    }
}
