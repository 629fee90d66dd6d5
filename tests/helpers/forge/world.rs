//! What the forge knows and what changes: comments, statuses, requests counted, faults used up.
//!
//! Invariants: everything is behind one lock, so two clients see what two clients of a forge would; ids only grow. What is
//! said about the state goes to one file, replaced before the answer that changed it is sent.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::responses::Places;
use crate::scenario::{Fault, Personality, Scenario};

/// A comment as it is kept.
#[derive(Debug, Clone)]
pub struct Comment {
    pub issue: i64,
    pub id: i64,
    /// `None` for a deleted account.
    pub user: Option<String>,
    pub body: String,
    /// Points in time, as counted.
    pub created: i64,
    pub updated: i64,
}

#[derive(Debug)]
pub struct World {
    pub scenario: Scenario,
    pub at: Places,
    /// Oldest first, as they are listed.
    pub comments: Vec<Comment>,
    /// What was asked for, with the revision.
    pub statuses: Vec<Value>,
    /// Archives by the artifact's id.
    pub archives: BTreeMap<i64, Vec<u8>>,
    pub requests: u64,
    /// How many requests each fault saw, and how many stand at its rendezvous.
    seen: Vec<usize>,
    pub met: Vec<usize>,
    log: Option<fs::File>,
    lines: Vec<Value>,
    state: Option<PathBuf>,
    clock: i64,
}

impl World {
    pub fn new(scenario: Scenario, at: Places, log: Option<fs::File>, state: Option<PathBuf>) -> std::io::Result<Self> {
        let mut comments = Vec::new();
        let filler = scenario.filler.as_ref();
        for n in 1..=filler.map_or(0, |filler| filler.count) {
            let issue = filler.map_or(0, |filler| filler.issue);
            let body = format!("Comment number {n} of somebody else.");
            // Below all ids that scenarios give, so that the oldest come first.
            comments.push(Comment { issue, id: n, user: Some("visitor".into()), body, created: n, updated: n });
        }
        for one in &scenario.comments {
            let (issue, id, user, body) = (one.issue, one.id, one.user.clone(), one.body.clone());
            comments.push(Comment { issue, id, user, body, created: 1000 + id % 1000, updated: 1000 + id % 1000 });
        }
        comments.sort_by_key(|comment| comment.id);
        let mut archives = BTreeMap::new();
        for artifact in scenario.runs.iter().flat_map(|run| &run.artifacts) {
            archives.insert(artifact.id, crate::archive::bytes(artifact)?);
        }
        let faults = scenario.faults.len();
        let (statuses, lines) = (Vec::new(), Vec::new());
        let world = Self {
            scenario,
            at,
            comments,
            statuses,
            archives,
            requests: 0,
            seen: vec![0; faults],
            met: vec![0; faults],
            log,
            lines,
            state,
            clock: 3000,
        };
        world.save()?;
        Ok(world)
    }

    pub fn gitea(&self) -> bool {
        self.scenario.personality == Personality::Gitea
    }

    /// The next point in time.
    pub fn tick(&mut self) -> i64 {
        self.clock += 1;
        self.clock
    }

    /// Adds a comment by the token's owner.
    pub fn create(&mut self, issue: i64, body: &str) -> Comment {
        let id = self.comments.iter().map(|comment| comment.id).max().unwrap_or(0).max(5000) + 1;
        let now = self.tick();
        let user = Some(self.scenario.login().to_owned());
        let comment = Comment { issue, id, user, body: body.to_owned(), created: now, updated: now };
        self.comments.push(comment.clone());
        comment
    }

    /// The fault that this request of an operation meets, if any. Counts the request for every fault of the operation.
    pub fn fault(&mut self, operation: &str) -> Option<(usize, Fault)> {
        let mut found = None;
        for (index, fault) in self.scenario.faults.iter().enumerate() {
            if fault.operation != operation && fault.operation != "*" {
                continue;
            }
            let seen = self.seen[index];
            self.seen[index] += 1;
            let due = seen >= fault.skip && fault.times.is_none_or(|times| seen < fault.skip + times);
            if due && found.is_none() {
                found = Some((index, fault.clone()));
            }
        }
        found
    }

    /// The state as tests read it.
    pub fn shown(&self) -> Value {
        let comments = self
            .comments
            .iter()
            .map(|one| json!({ "id": one.id, "issue": one.issue, "user": one.user, "body": one.body }));
        json!({ "comments": comments.collect::<Vec<_>>(), "statuses": self.statuses, "requests": self.requests })
    }

    pub fn lines(&self) -> &[Value] {
        &self.lines
    }

    /// Writes what a request came to, before its answer goes out.
    pub fn record(&mut self, line: Value) -> std::io::Result<()> {
        if let Some(log) = &mut self.log {
            writeln!(log, "{line}")?;
            log.flush()?;
        }
        self.lines.push(line);
        self.save()
    }

    fn save(&self) -> std::io::Result<()> {
        let Some(path) = &self.state else { return Ok(()) };
        let beside = path.with_extension("new");
        fs::write(&beside, self.shown().to_string())?;
        fs::rename(beside, path)
    }
}
