//! A YAML file as a tree in which every key and value knows its place: the mirror of the file, before any meaning.
//!
//! Invariants: scalars keep the text that was written (`007` stays `007`); duplicate keys, several documents, unknown tags
//! and alias bombs never get past here; nesting is bounded. It knows no key of ours: meaning is given by the readers.
//! A tree and not derived structures, because serde stops at the first error and a user wants all of them.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::{MessageFormatter, Spanned};

use super::problem::{Place, escaped};

/// Longest configuration or sample file, in bytes. The largest sensible one is a few hundred lines.
pub(super) const MAX_FILE: u64 = 1 << 20;

/// Deepest nesting. What is understood has five levels; the library's own limit of 64 overflows a thread's 2 MiB of stack
/// in an unoptimised build, for it recurses.
const MAX_DEPTH: usize = 16;

/// A value with its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub place: Place,
    pub value: Value,
}

/// What YAML has.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Nothing,
    /// The text as written, without quotes.
    Scalar(String),
    List(Vec<Node>),
    /// In the order of the file; keys are unique.
    Mapping(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub key: String,
    pub place: Place,
    pub node: Node,
}

impl Node {
    /// What the value is, for messages.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Nothing => "nothing",
            Value::Scalar(_) => "a text or number",
            Value::List(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }
}

/// Reads one document.
///
/// # Errors
/// The place and message of the first thing that is not YAML, or that is YAML and asks for trouble.
pub(super) fn parse(text: &str, file: &Arc<str>) -> Result<Node, (Place, String)> {
    let options = serde_yaml::options! {
        budget: serde_yaml::budget! { max_depth: MAX_DEPTH },
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
        non_finite_float_policy: serde_yaml::NonFiniteFloatPolicy::PassThrough,
    };
    match serde_yaml::from_str_with_options::<Spanned<Loose>>(text, options) {
        Ok(root) => Ok(place_node(root, text, file)),
        Err(error) => {
            let at = error.location().map_or_else(|| Place::whole(file), |location| place(location, file));
            Err((at, explain(&error)))
        }
    }
}

fn place(location: serde_yaml::Location, file: &Arc<str>) -> Place {
    let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    Place { file: Arc::clone(file), line: number(location.line()), column: number(location.column()) }
}

/// The library's message, in our words where it speaks to programmers.
fn explain(error: &serde_yaml::Error) -> String {
    use serde_yaml::Error as E;
    match error.without_snippet() {
        E::MultipleDocuments { .. } => "a second YAML document begins here; keep one document in a file".to_owned(),
        E::DuplicateMappingKey { key: Some(key), .. } => {
            format!("the key `{}` is here for the second time; keep one", escaped(key))
        }
        E::DuplicateMappingKey { key: None, .. } => "a key is here for the second time; keep one".to_owned(),
        E::AliasError { error, .. } => explain(error),
        E::Budget { .. } | E::AliasReplayLimitExceeded { .. } | E::AliasExpansionLimitExceeded { .. } => {
            "too large or too deeply nested, counting what aliases stand for; simplify the file".to_owned()
        }
        E::UnsupportedTag { tag, .. } => format!("the tag `{}` means nothing here; remove it", escaped(tag)),
        E::UnsupportedIncludeForm { .. } => "the tag `!include` means nothing here; remove it".to_owned(),
        _ => format!("not valid YAML: {}", library_text(error)),
    }
}

fn library_text(error: &serde_yaml::Error) -> String {
    escaped(&serde_yaml::UserMessageFormatter.format_message(error.without_snippet()))
}

/// A value as the library resolves it; the text of a plain scalar is taken from the source afterwards.
enum Loose {
    Nothing,
    /// Resolved as a boolean or number.
    Typed,
    Text(String),
    List(Vec<Spanned<Loose>>),
    Mapping(Vec<(Spanned<String>, Spanned<Loose>)>),
}

/// Gives every part its place, and typed scalars the text that stands in the source.
fn place_node(node: Spanned<Loose>, source: &str, file: &Arc<str>) -> Node {
    let value = match node.value {
        Loose::Nothing => Value::Nothing,
        Loose::Text(text) => Value::Scalar(text),
        Loose::Typed => Value::Scalar(written(&node.defined, source)),
        Loose::List(items) => Value::List(items.into_iter().map(|item| place_node(item, source, file)).collect()),
        Loose::Mapping(entries) => Value::Mapping(
            entries
                .into_iter()
                .map(|(key, value)| Entry {
                    place: place(key.referenced, file),
                    key: key.value,
                    node: place_node(value, source, file),
                })
                .collect(),
        ),
    };
    Node { place: place(node.referenced, file), value }
}

/// The source text of a scalar; empty, and refused as such later, should the library not know where it stood.
fn written(location: &serde_yaml::Location, source: &str) -> String {
    let span = location.span();
    let range = span.byte_offset().zip(span.byte_len()).map(|(from, len)| {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        from..from.saturating_add(usize::try_from(len).unwrap_or(usize::MAX))
    });
    range.and_then(|range| source.get(range)).unwrap_or_default().trim().to_owned()
}

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LooseVisitor)
    }
}

struct LooseVisitor;

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Loose;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number, a list or a mapping")
    }

    fn visit_unit<E>(self) -> Result<Loose, E> {
        Ok(Loose::Nothing)
    }

    fn visit_none<E>(self) -> Result<Loose, E> {
        Ok(Loose::Nothing)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Loose, E> {
        Ok(Loose::Typed)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Loose, E> {
        Ok(Loose::Typed)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Loose, E> {
        Ok(Loose::Typed)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Loose, E> {
        Ok(Loose::Typed)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Loose, E> {
        Ok(Loose::Typed)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Loose, E> {
        Ok(Loose::Typed)
    }

    fn visit_str<E>(self, text: &str) -> Result<Loose, E> {
        Ok(Loose::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Loose, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Loose::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Loose, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Loose::Mapping(entries))
    }
}
