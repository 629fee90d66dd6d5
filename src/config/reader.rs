//! Reading a tree of nodes by the keys it should have: every wrong shape and every unknown key becomes a problem with its
//! place, and reading goes on. It knows shapes only; what a value means is its caller's business.

use std::fmt::Display;

use super::problem::{Place, Problems, did_you_mean, escaped};
use super::raw::{Entry, Node, Value};

/// A mapping that is being read; keys that nobody took by [`Keys::finish`] are problems.
#[derive(Debug)]
pub(super) struct Keys {
    /// Where the mapping begins.
    pub place: Place,
    /// What the mapping is, for messages, e.g. `` `limits` ``.
    what: String,
    known: &'static [&'static str],
    entries: Vec<Entry>,
}

impl Keys {
    /// Takes a node that must be a mapping with some of the `known` keys.
    pub fn new(
        node: Node,
        what: impl Into<String>,
        known: &'static [&'static str],
        problems: &mut Problems,
    ) -> Option<Self> {
        let what = what.into();
        match node.value {
            Value::Mapping(entries) => Some(Self { place: node.place, what, known, entries }),
            _ => {
                let message =
                    format!("{what} must be a mapping with keys out of {}, not {}", known.join(", "), node.kind());
                problems.error(&node.place, message);
                None
            }
        }
    }

    /// As [`Keys::new`], but nothing at all is an empty mapping too.
    pub fn or_empty(
        node: Node,
        what: impl Into<String>,
        known: &'static [&'static str],
        problems: &mut Problems,
    ) -> Option<Self> {
        let value = if matches!(node.value, Value::Nothing) { Value::Mapping(Vec::new()) } else { node.value };
        Self::new(Node { place: node.place, value }, what, known, problems)
    }

    /// Whether a key is there and not taken yet.
    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    /// The value of a key, with the key's place.
    pub fn take(&mut self, key: &'static str) -> Option<(Place, Node)> {
        debug_assert!(self.known.contains(&key), "{key} is missing from the known keys");
        let index = self.entries.iter().position(|entry| entry.key == key)?;
        let entry = self.entries.remove(index);
        Some((entry.place, entry.node))
    }

    /// A text or number, as written.
    pub fn text(&mut self, key: &'static str, problems: &mut Problems) -> Option<(Place, String)> {
        let (_, node) = self.take(key)?;
        let place = node.place.clone();
        text(node, key, problems).map(|text| (place, text))
    }

    /// A text or number that `parse` understands.
    pub fn parsed<T, E: Display>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
        problems: &mut Problems,
    ) -> Option<(Place, T)> {
        let (place, text) = self.text(key, problems)?;
        let value = problems.check(&place, parse(&text))?;
        Some((place, value))
    }

    /// A list of texts or numbers; absent: empty.
    pub fn texts(&mut self, key: &'static str, problems: &mut Problems) -> Vec<(Place, String)> {
        let Some((_, node)) = self.take(key) else {
            return Vec::new();
        };
        texts(node, key, problems)
    }

    /// Records the keys that are left as unknown.
    pub fn finish(self, problems: &mut Problems) {
        for entry in &self.entries {
            let suggestion = did_you_mean(&entry.key, self.known);
            let known = self.known.join(", ");
            let message =
                format!("unknown key `{}` in {}{suggestion} known here: {known}", escaped(&entry.key), self.what);
            problems.error(&entry.place, message);
        }
    }
}

/// A text or number, as written.
pub(super) fn text(node: Node, what: &str, problems: &mut Problems) -> Option<String> {
    match node.value {
        Value::Scalar(text) => Some(text),
        _ => {
            problems.error(&node.place, format!("`{what}` must be a text or number, not {}", node.kind()));
            None
        }
    }
}

/// A list of texts or numbers, each with its place.
pub(super) fn texts(node: Node, what: &str, problems: &mut Problems) -> Vec<(Place, String)> {
    let Value::List(items) = node.value else {
        problems.error(&node.place, format!("`{what}` must be a list such as [one, two], not {}", node.kind()));
        return Vec::new();
    };
    let mut out = Vec::new();
    for item in items {
        let place = item.place.clone();
        if let Value::Scalar(text) = item.value {
            out.push((place, text));
        } else {
            let message =
                format!("an entry of `{what}` must be a text or number, not {}; quote it if it is one", item.kind());
            problems.error(&place, message);
        }
    }
    out
}

/// A word out of a closed vocabulary.
pub(super) fn word<T: Copy>(text: &str, what: &str, words: &[(&str, T)]) -> Result<T, String> {
    words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        format!("unknown {what} `{}`{} known: {}", escaped(text), did_you_mean(text, &known), known.join(", "))
    })
}

/// `true` or `false`.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| format!("`{}` is neither true nor false; write one of them", escaped(text)))
}
