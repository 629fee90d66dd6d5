//! What to do about our comment on a pull request, given those that are there. Decisions only: `sticky` carries them out.
//!
//! Invariants: a comment is ours by its marker **and** its author, for anybody can write a marker; a newer run's comment is
//! left alone; of several of ours the oldest stays; nothing that a newer run wrote is deleted.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use super::address::Family;
use super::context::Run;
use super::marker::Marker;

/// Largest body of a comment, in bytes, hidden line included. GitHub refuses 65,536 characters.
pub const MOST_BODY: usize = 60_000;

/// Somebody who comments. Every part may be absent: a deleted account is `null` as a whole, and ids of Gitea's own are negative.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct User {
    pub id: Option<i64>,
    pub login: Option<String>,
}

/// A comment as the forge tells it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Comment {
    pub id: i64,
    pub body: Option<String>,
    pub user: Option<User>,
    pub html_url: Option<String>,
}

impl Comment {
    /// Reads those comments of a list that have the fields we need; one that has not is none of ours.
    #[must_use]
    pub fn all(list: Vec<Value>) -> Vec<Self> {
        list.into_iter().filter_map(|value| serde_json::from_value(value).ok()).collect()
    }
}

/// Whose comments may be ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Authors {
    logins: BTreeSet<String>,
    ids: BTreeSet<i64>,
}

impl Authors {
    /// The forge's own account for jobs, and the given logins.
    pub fn new(family: Family, given: &[String]) -> Self {
        let mut authors = Self::default();
        match family {
            // Nobody can sign up with brackets in the name.
            Family::GitHub => authors.add_login("github-actions[bot]"),
            // The account of Gitea's and Forgejo's jobs; by its name, somebody on another forge could call themselves so.
            Family::Gitea => _ = authors.ids.insert(-2),
        }
        given.iter().for_each(|login| authors.add_login(login));
        authors
    }

    fn add_login(&mut self, login: &str) {
        self.logins.insert(login.trim().to_ascii_lowercase());
    }

    /// Takes in somebody whom the forge says to be us.
    pub fn add(&mut self, user: &User) {
        match (user.id, &user.login) {
            (Some(id), _) => _ = self.ids.insert(id),
            (None, Some(login)) => self.add_login(login),
            (None, None) => {}
        }
    }

    fn has(&self, user: &User) -> bool {
        user.id.is_some_and(|id| self.ids.contains(&id))
            || user.login.as_ref().is_some_and(|login| self.logins.contains(&login.to_ascii_lowercase()))
    }
}

/// Who asks: which comment it is, and for which run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mine {
    pub key: String,
    pub run: Run,
    pub authors: Authors,
    /// Comments that the forge did not let us write to; as if they were somebody else's.
    pub refused: BTreeSet<i64>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// A newer run has told already.
    Leave {
        newer: Run,
    },
    Edit(Box<Found>),
    /// There is none of ours.
    Create,
}

/// Our comment, to be written over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub comment: Comment,
    /// What the newest of ours says.
    pub marker: Marker,
    /// Doubles, to be deleted.
    pub surplus: Vec<i64>,
}

/// What to do after ours was created, as others may have done the same in the meantime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// Ours stays; these older ones of other runs go.
    Keep { surplus: Vec<i64> },
    /// An older comment stays: ours goes, these too, and the older one is to say what ours did, unless it does or knows better.
    Yield { to: Comment, write: bool, surplus: Vec<i64> },
}

impl Mine {
    /// Our comments among all, the oldest first.
    fn ours<'c>(&self, all: &'c [Comment]) -> Vec<(&'c Comment, Marker)> {
        let mine = |comment: &'c Comment| {
            let marker = self.marked(comment)?;
            let author = comment.user.as_ref().is_some_and(|user| self.authors.has(user));
            (author && !self.refused.contains(&comment.id)).then_some((comment, marker))
        };
        let mut ours: Vec<_> = all.iter().filter_map(mine).collect();
        // Ids only ever grow; what a list is sorted by differs between forges.
        ours.sort_by_key(|(comment, _)| comment.id);
        ours.dedup_by_key(|(comment, _)| comment.id);
        ours
    }

    fn marked(&self, comment: &Comment) -> Option<Marker> {
        Marker::read(comment.body.as_deref()?).filter(|marker| marker.key == self.key)
    }

    /// Whether somebody whom we do not know has written our marker: us under another name, or somebody else.
    #[must_use]
    pub fn has_stranger(&self, all: &[Comment]) -> bool {
        let stranger = |comment: &Comment| {
            comment.user.as_ref().is_some_and(|user| !self.authors.has(user)) && self.marked(comment).is_some()
        };
        all.iter().any(stranger)
    }

    /// Decides before anything is written.
    #[must_use]
    pub fn plan(&self, all: &[Comment]) -> Plan {
        let mut ours = self.ours(all);
        if let Some(newer) = ours.iter().map(|(_, marker)| marker.run).filter(|run| *run > self.run).max() {
            return Plan::Leave { newer };
        }
        if ours.is_empty() {
            return Plan::Create;
        }
        // The newest of several knows best what was red.
        let newest =
            ours.iter().max_by_key(|(comment, marker)| (marker.run, comment.id)).map(|(_, marker)| marker.clone());
        let (oldest, marker) = ours.remove(0);
        let surplus = ours.iter().map(|(comment, _)| comment.id).collect();
        Plan::Edit(Box::new(Found { comment: oldest.clone(), marker: newest.unwrap_or(marker), surplus }))
    }

    /// Decides after a comment was created, on the comments that are there then.
    #[must_use]
    pub fn settle(&self, all: &[Comment], created: i64) -> Settlement {
        let ours = self.ours(all);
        let surplus = |kept: i64| -> Vec<i64> {
            let others = ours
                .iter()
                .filter(|(comment, marker)| comment.id != kept && comment.id != created && marker.run <= self.run);
            others.map(|(comment, _)| comment.id).collect()
        };
        match ours.first() {
            Some((oldest, _)) if oldest.id < created => {
                // A run that is newer than ours writes the oldest by itself, or has.
                let write = ours.iter().all(|(_, marker)| marker.run <= self.run);
                Settlement::Yield { to: (*oldest).clone(), write, surplus: surplus(oldest.id) }
            }
            _ => Settlement::Keep { surplus: surplus(created) },
        }
    }

    /// The comment that this very run has written, if it has: after a request whose answer was lost.
    #[must_use]
    pub fn written<'c>(&self, all: &'c [Comment]) -> Option<&'c Comment> {
        self.ours(all).into_iter().find(|(_, marker)| marker.run == self.run).map(|(comment, _)| comment)
    }
}

/// Whether two bodies show the same; forges change line ends and trim.
#[must_use]
pub fn is_same_body(a: &str, b: &str) -> bool {
    a.trim_end().lines().map(str::trim_end).eq(b.trim_end().lines().map(str::trim_end))
}

#[cfg(test)]
mod tests;
