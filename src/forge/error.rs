//! Why something could not be said to the forge, with the remedy. Holds neither token nor payload: of what a forge answers, only
//! its `message` is taken, bounded and without what could end a line.

use std::time::Duration;

use super::http::Failure;

/// Characters kept of what a forge says.
const MOST_WORDS: usize = 200;

/// What went wrong between this program and the forge.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForgeError {
    #[error("{what}: the forge answered {status}{}; {remedy}", said(.message))]
    Refused { what: String, status: u16, message: String, remedy: &'static str },
    #[error("{what}: {}", described(.failure))]
    NoAnswer { what: String, failure: Failure },
    #[error("{what}: the limit on requests is reached for another {} s, longer than --forge-deadline leaves", .wait.as_secs())]
    Limited { what: String, wait: Duration },
    #[error("{what}: no time left; raise --forge-deadline")]
    Deadline { what: String },
    #[error(
        "{what}: the answer is not what this API gives: {why}; is GITHUB_API_URL that of a GitHub, Gitea or Forgejo?"
    )]
    Malformed { what: String, why: String },
    #[error("{what}: redirected {why}")]
    Redirected { what: String, why: &'static str },
}

impl ForgeError {
    /// The status that the forge refused with.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the forge may have done what was asked, although it did not say so.
    #[must_use]
    pub fn is_uncertain(&self) -> bool {
        match self {
            Self::Refused { status, .. } => *status >= 500,
            Self::NoAnswer { failure, .. } => !matches!(failure, Failure::Unreachable(_)),
            Self::Malformed { .. } => true,
            Self::Limited { .. } | Self::Deadline { .. } | Self::Redirected { .. } => false,
        }
    }
}

fn said(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(" ({message})") }
}

fn described(failure: &Failure) -> String {
    match failure {
        Failure::Unreachable(why) => {
            format!("could not be reached: {why}; check GITHUB_API_URL, HTTPS_PROXY and NO_PROXY")
        }
        Failure::Broken(why) => format!("the connection broke: {why}"),
        Failure::Silent => "no answer in time".to_owned(),
        Failure::TooLarge => "the answer is larger than it can be".to_owned(),
    }
}

/// What to change when the forge refuses.
#[must_use]
pub fn remedy(status: u16) -> &'static str {
    match status {
        401 => "give a token that is valid",
        403 => {
            "give the job `pull-requests: write` (for --status also `statuses: write`); a pull request from a fork has no such token"
        }
        404 => "check the repository, and that the token may see it",
        409 | 422 => "the pull request may be closed or locked, or the commit unknown there",
        500.. => "it is the forge's trouble; run the job again",
        _ => "run the job again",
    }
}

/// A text of somebody else's for an error: one line, bounded, without control characters.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut words: String = text.chars().take(MOST_WORDS).flat_map(char::escape_debug).collect();
    if text.chars().nth(MOST_WORDS).is_some() {
        words.push('…');
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_forge_says_stays_in_its_line() {
        assert_eq!(quoted("no\n::error::x\u{1b}[0m"), "no\\n::error::x\\u{1b}[0m");
        assert_eq!(quoted(&"é".repeat(300)).chars().count(), MOST_WORDS + 1);
    }

    #[test]
    fn only_an_answer_that_never_came_or_a_fault_is_uncertain() {
        let refused =
            |status| ForgeError::Refused { what: "x".into(), status, message: String::new(), remedy: remedy(status) };
        assert!(refused(502).is_uncertain() && !refused(403).is_uncertain());
        let failed = |failure| ForgeError::NoAnswer { what: "x".into(), failure };
        assert!(failed(Failure::Silent).is_uncertain() && failed(Failure::Broken(String::new())).is_uncertain());
        assert!(!failed(Failure::Unreachable(String::new())).is_uncertain());
    }
}
