//! The one comment on a pull request that is written over again and again: carries out what `comment` decides.
//!
//! Invariants: nothing is created without listing what is there just before, and again after; a creation whose answer was lost
//! is looked for before it is repeated; what the forge does not let us write to is left alone, and a new comment made.

use std::time::Duration;

use serde_json::json;

use super::client::Client;
use super::comment::{Authors, Comment, MOST_BODY, Mine, Plan, Settlement, User, is_same_body};
use super::context::{Repository, Run};
use super::error::ForgeError;
use super::http::{Method, Transport};
use super::marker::{Marker, Reds};

/// Times that a creation is tried whose answer is lost and that cannot be found.
const MOST_CREATIONS: u32 = 2;
/// How long a forge may take to list what it has accepted.
const SETTLE: Duration = Duration::from_secs(2);

/// Where the comment goes and which one it is.
#[derive(Debug, Clone)]
pub struct Place<'a> {
    pub repository: &'a Repository,
    pub number: u64,
    pub key: &'a str,
    pub run: Run,
    /// The commit that was measured.
    pub head: &'a str,
    /// What is red now, for the next run to compare with.
    pub red: Reds,
}

/// How it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Posted {
    Created {
        url: Option<String>,
    },
    Edited {
        url: Option<String>,
    },
    Unchanged {
        url: Option<String>,
    },
    /// A newer run has told already.
    Stale {
        newer: Run,
    },
}

impl Posted {
    /// Where the comment can be read.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        match self {
            Self::Created { url } | Self::Edited { url } | Self::Unchanged { url } => url.as_deref(),
            Self::Stale { .. } => None,
        }
    }
}

/// Gives the text of the comment: what was red before and at which head, if anything was, and how many bytes there is room for.
pub type Render<'a> = &'a dyn Fn(Option<&(String, Reds)>, usize) -> String;

/// Writes the comment.
///
/// # Errors
/// When it could not be written, or it is not known whether it was.
pub fn post<T: Transport>(
    client: &mut Client<T>,
    place: &Place<'_>,
    authors: Authors,
    render: Render<'_>,
) -> Result<Posted, ForgeError> {
    let mine = Mine { key: place.key.to_owned(), run: place.run, authors, refused: [].into() };
    let mut sticky = Sticky { client, place, mine, render };
    let all = sticky.list()?;
    sticky.know_ourselves(&all);
    match sticky.mine.plan(&all) {
        Plan::Leave { newer } => Ok(Posted::Stale { newer }),
        Plan::Create => sticky.create(None),
        Plan::Edit(found) => {
            sticky.delete(&found.surplus);
            sticky.edit(&found.comment, &found.marker)
        }
    }
}

struct Sticky<'a, T> {
    client: &'a mut Client<T>,
    place: &'a Place<'a>,
    mine: Mine,
    render: Render<'a>,
}

impl<T: Transport> Sticky<'_, T> {
    fn issue(&self) -> String {
        format!("{}/issues/{}/comments", self.place.repository.path(), self.place.number)
    }

    fn one(&self, id: i64) -> String {
        format!("{}/issues/comments/{id}", self.place.repository.path())
    }

    fn list(&mut self) -> Result<Vec<Comment>, ForgeError> {
        let path = self.issue() + "?per_page=100";
        self.client.list("list the comments of the pull request", &path).map(Comment::all)
    }

    /// Asks who the token belongs to, where somebody whom we do not know wrote our marker. A job's token may not ask, and is
    /// known without.
    fn know_ourselves(&mut self, all: &[Comment]) {
        if self.mine.has_stranger(all)
            && let Ok(user) = self.client.get::<User>("ask who the token belongs to", "/user")
        {
            self.mine.authors.add(&user);
        }
    }

    /// The body with its hidden line, after a comment that said `before`.
    fn body(&self, before: Option<&Marker>) -> String {
        let before = before.and_then(Marker::before);
        let marker = Marker {
            key: self.place.key.to_owned(),
            head: self.place.head.to_owned(),
            run: self.place.run,
            red: self.place.red.clone(),
            before: before.clone(),
        };
        let line = marker.line();
        let text = (self.render)(before.as_ref(), MOST_BODY - line.len() - 1);
        format!("{line}\n{text}")
    }

    fn edit(&mut self, comment: &Comment, marker: &Marker) -> Result<Posted, ForgeError> {
        // The same run once more keeps what it said of the time before it.
        let repeated = marker.run == self.place.run && marker.head == self.place.head;
        let kept = Marker { red: Reds::default(), ..marker.clone() };
        let before = if repeated { &kept } else { marker };
        let body = self.body(Some(before));
        let url = comment.html_url.clone();
        if comment.body.as_deref().is_some_and(|old| is_same_body(old, &body)) {
            return Ok(Posted::Unchanged { url });
        }
        match self.write(comment.id, &body) {
            Ok(()) => {}
            // It was deleted since, or is not ours to write to.
            Err(error) if matches!(error.status(), Some(403 | 404 | 410)) => {
                self.mine.refused.insert(comment.id);
                return self.create(Some(before));
            }
            Err(error) => return Err(error),
        }
        self.check(comment.id, &body);
        Ok(Posted::Edited { url })
    }

    fn write(&mut self, id: i64, body: &str) -> Result<(), ForgeError> {
        let path = self.one(id);
        let written: Result<Comment, _> =
            self.client.write("edit the comment", Method::Patch, &path, json!({ "body": body }));
        match written {
            // What a forge answers to an edit is of no use, as long as it is no refusal.
            Ok(_) | Err(ForgeError::Malformed { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// An older run that listed before us may have written after us.
    fn check(&mut self, id: i64, body: &str) {
        let path = self.one(id);
        let Ok(now) = self.client.get::<Comment>("read the comment again", &path) else { return };
        let overwritten = now.body.as_deref().and_then(Marker::read).is_some_and(|marker| marker.run < self.place.run);
        if overwritten {
            // Written it was; should this fail, the next run puts it right.
            _ = self.write(id, body);
        }
    }

    fn create(&mut self, before: Option<&Marker>) -> Result<Posted, ForgeError> {
        let body = self.body(before);
        let path = self.issue();
        let mut attempt = 0;
        loop {
            attempt += 1;
            let created: Result<Comment, _> =
                self.client.write("write the comment", Method::Post, &path, json!({ "body": body }));
            match created {
                Ok(comment) => return self.settle(&comment, &body),
                Err(error) if error.is_uncertain() => {
                    self.client.pause(SETTLE);
                    let all = self.list()?;
                    if let Some(comment) = self.mine.written(&all).cloned() {
                        return self.settle(&comment, &body);
                    }
                    if attempt == MOST_CREATIONS {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Sees whether somebody else created one at the same time, and leaves one.
    fn settle(&mut self, created: &Comment, body: &str) -> Result<Posted, ForgeError> {
        if let Some(user) = &created.user {
            self.mine.authors.add(user);
        }
        let done = Posted::Created { url: created.html_url.clone() };
        // It is written; that others cannot be seen now is for the next run to mend.
        let Ok(all) = self.list() else { return Ok(done) };
        match self.mine.settle(&all, created.id) {
            Settlement::Keep { surplus } => {
                self.delete(&surplus);
                Ok(done)
            }
            Settlement::Yield { to, write, surplus } => {
                if write && self.write(to.id, body).is_err() {
                    // Ours is the one that can be written to, so it stays.
                    return Ok(done);
                }
                self.delete(&surplus);
                self.delete(&[created.id]);
                Ok(Posted::Edited { url: to.html_url })
            }
        }
    }

    /// What cannot be deleted now, the next run tries again.
    fn delete(&mut self, surplus: &[i64]) {
        for id in surplus {
            let path = self.one(*id);
            _ = self.client.delete("delete a double of the comment", &path);
        }
    }
}

#[cfg(test)]
mod tests;
