//! The commit status: one word and one line beside the commit.
//!
//! Invariant: it stands at the head of the pull request, and its line is as short as the forges demand.

use serde::de::IgnoredAny;
use serde_json::json;

use super::client::Client;
use super::context::Repository;
use super::error::ForgeError;
use super::http::{Method, Transport};

/// Most characters of a description.
const MOST_CHARACTERS: usize = 140;

/// What a status says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Success,
    Failure,
    /// The tool has no verdict.
    Error,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Error => "error",
        }
    }
}

/// Sets the status. Forges answer with different fields, of which none is needed.
///
/// # Errors
/// When the forge refuses, for want of `statuses: write` above all.
pub fn set<T: Transport>(
    client: &mut Client<T>,
    repository: &Repository,
    commit: &str,
    (state, description): (State, &str),
    context: &str,
    page: Option<&str>,
) -> Result<(), ForgeError> {
    let mut body = json!({ "state": state.as_str(), "description": shortened(description), "context": context });
    if let Some(page) = page {
        body["target_url"] = page.into();
    }
    let path = format!("{}/statuses/{commit}", repository.path());
    match client.write::<IgnoredAny>("set the commit status", Method::Post, &path, body) {
        Ok(_) | Err(ForgeError::Malformed { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= MOST_CHARACTERS {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(MOST_CHARACTERS - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forge::address::Address;
    use crate::forge::testing::{Played, answer, refused};

    fn set_on(played: Played) -> (Result<(), ForgeError>, Client<Played>) {
        let mut client = Client::new(played, Address::new("https://forge.example").unwrap(), String::new());
        let repository = Repository { owner: "o".into(), name: "r".into() };
        let said = (State::Failure, "é".repeat(200));
        let done =
            set(&mut client, &repository, "abc", (said.0, &said.1), "tollgate", Some("https://forge.example/run"));
        (done, client)
    }

    #[test]
    fn a_status_is_short_and_any_answer_will_do() {
        for body in [r#"{"state": "failure"}"#, r#"{"status": "failure", "id": -1}"#, ""] {
            assert_eq!(set_on(Played::new([answer(body)])).0, Ok(()));
        }
        assert_eq!(set_on(Played::new([refused(403)])).0.unwrap_err().status(), Some(403));
        assert_eq!(shortened(&"é".repeat(200)).chars().count(), 140);
        assert_eq!(shortened("short"), "short");
    }
}
