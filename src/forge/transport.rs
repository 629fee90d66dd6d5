//! The transport over octocrab: the only place that opens a socket.
//!
//! octocrab runs on reqwest here, whose client honours HTTPS_PROXY and NO_PROXY; neither repeats a request or follows a
//! redirection. Invariants: each request has a time limit, and all of them together the deadline; the token is checked before
//! it is used, never shown, and goes to the API's own host alone; a plain connection to this machine passes no proxy. Roots of
//! trust are the system's, and Mozilla's where the system has none.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http_body_util::BodyExt as _;
use octocrab::{OctoBody, Octocrab};
use reqwest::redirect;
use rustls::RootCertStore;

use super::address::Address;
use super::http::{Failure, Method, Request, Response, Transport};

/// For the connection, with TLS.
const CONNECT: Duration = Duration::from_secs(10);
/// For one request and its answer, but for downloads, which have the time that is left.
const REQUEST: Duration = Duration::from_secs(20);
/// From this size on, an answer is a download.
const DOWNLOAD: u64 = 1 << 24;

/// What one is known as.
const USER_AGENT: &str = concat!("tollgate/", env!("CARGO_PKG_VERSION"));

/// Why there is no way to speak to the forge.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    #[error("the token is empty; give the step `GITHUB_TOKEN: ${{{{ github.token }}}}` in its environment")]
    NoToken,
    #[error("the token holds characters that no token has, such as a line break within it; give it again")]
    BadToken,
    #[error("set up TLS: {0}; correct SSL_CERT_FILE, or install the system's CA certificates")]
    Tls(String),
    #[error("set up HTTP: {0}; check HTTPS_PROXY and GITHUB_API_URL")]
    Http(String),
}

/// A token that can be sent. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Takes a token without the white space around it, such as the line break of a file.
    ///
    /// # Errors
    /// When nothing is left, or what could not be sent in a header.
    pub fn new(text: &str) -> Result<Self, SetUpError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(SetUpError::NoToken);
        }
        if text.len() > 4096 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SetUpError::BadToken);
        }
        Ok(Self(text.to_owned()))
    }

    /// The token itself, for sending and for keeping it out of texts.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

/// octocrab with a runtime of its own.
pub struct Network {
    runtime: tokio::runtime::Runtime,
    /// With the token.
    api: Octocrab,
    /// Without: for files that lie elsewhere.
    anonymous: Octocrab,
    until: Instant,
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").field("left", &self.left()).finish_non_exhaustive()
    }
}

impl Network {
    /// Makes ready to speak to the API at `address` for `time` at most.
    ///
    /// # Errors
    /// When TLS or HTTP cannot be set up.
    pub fn new(address: &Address, token: &Token, time: Duration) -> Result<Self, SetUpError> {
        let http_error = |error: &dyn std::error::Error| SetUpError::Http(causes(error));
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| http_error(&error))?;
        let client = client(address)?;
        // octocrab starts a task as it is built.
        let inside = runtime.enter();
        let built = |token: Option<&Token>| {
            let builder = Octocrab::builder().base_uri(address.join("")).map_err(|error| http_error(&error))?;
            let builder = match token {
                Some(token) => builder.personal_token(token.expose().to_owned()),
                None => builder,
            };
            builder.build_with_reqwest(client.clone()).map_err(|error| http_error(&error))
        };
        let (api, anonymous) = (built(Some(token))?, built(None)?);
        drop(inside);
        let until = Instant::now().checked_add(time).unwrap_or_else(Instant::now);
        Ok(Self { runtime, api, anonymous, until })
    }
}

/// The HTTP client: our roots, our limits, no redirections, no repetition.
fn client(address: &Address) -> Result<reqwest::Client, SetUpError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(CONNECT)
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .tls_backend_preconfigured(tls()?);
    if address.is_loopback() {
        // The token would go to the proxy in the clear, and the proxy would take this machine for its own.
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| SetUpError::Http(causes(&error)))
}

/// The system's roots, as SSL_CERT_FILE and SSL_CERT_DIR may name them; Mozilla's where there are none, as in a bare container.
fn tls() -> Result<rustls::ClientConfig, SetUpError> {
    let mut roots = RootCertStore::empty();
    let (added, _unusable) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| SetUpError::Tls(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

impl Transport for Network {
    fn exchange(&mut self, request: &Request) -> Result<Response, Failure> {
        let limit = if request.most >= DOWNLOAD { self.left() } else { REQUEST.min(self.left()) };
        let crab = if request.authorised { &self.api } else { &self.anonymous };
        let answer = async { tokio::time::timeout(limit, exchange(crab, request)).await };
        self.runtime.block_on(answer).unwrap_or(Err(Failure::Silent))
    }

    fn wait(&mut self, time: Duration) {
        std::thread::sleep(time);
    }

    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    fn now(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}

async fn exchange(crab: &Octocrab, request: &Request) -> Result<Response, Failure> {
    let method = match request.method {
        Method::Get => http::Method::GET,
        Method::Post => http::Method::POST,
        Method::Patch => http::Method::PATCH,
        Method::Delete => http::Method::DELETE,
    };
    let unsendable = |error: &dyn std::error::Error| Failure::Unreachable(causes(error));
    let mut builder = http::Request::builder().method(method).uri(&request.url).header("accept", request.accept);
    if let Some(body) = &request.body {
        // octocrab's body does not know its length, and would go in chunks, which not every proxy takes.
        builder = builder.header("content-length", body.to_string().len());
    }
    let prepared: http::Request<OctoBody> =
        crab.build_request(builder, request.body.as_ref()).map_err(|error| unsendable(&error))?;
    let response = crab.execute(prepared).await.map_err(|error| failure(&error))?;
    let (parts, mut body) = response.into_parts();
    let mut content = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failure::Broken(causes(&error)))?;
        if let Some(data) = frame.data_ref() {
            if (content.len() + data.len()) as u64 > request.most {
                return Err(Failure::TooLarge);
            }
            content.extend_from_slice(data);
        }
    }
    let headers = parts
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    Ok(Response { status: parts.status.as_u16(), headers, body: content })
}

/// Whether the other side can have heard of the request.
fn failure(error: &octocrab::Error) -> Failure {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut connecting = false;
    while let Some(error) = cause {
        connecting |= error.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_connect);
        // octocrab wraps its own errors behind its buffer.
        cause = error.source();
    }
    if connecting { Failure::Unreachable(causes(error)) } else { Failure::Broken(causes(error)) }
}

/// An error's causes, the innermost ones, which say what happened; the outer ones say where in the libraries, and hold the address.
fn causes(error: &dyn std::error::Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    let inner = texts.len().saturating_sub(2);
    let mut shown = texts.split_off(inner);
    shown.dedup();
    shown.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_trimmed_checked_and_never_shown() {
        let token = Token::new(" ghs_abc\n").unwrap();
        assert_eq!((token.expose(), format!("{token:?}").as_str()), ("ghs_abc", "Token(***)"));
        assert!(matches!(Token::new(" \n"), Err(SetUpError::NoToken)));
        for bad in ["ghs\nabc", "a b", "é", "a\u{0}b", &"x".repeat(5000)] {
            let error = Token::new(bad).unwrap_err();
            assert!(matches!(error, SetUpError::BadToken) && !error.to_string().contains(bad), "{error}");
        }
    }
}
