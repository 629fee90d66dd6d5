//! Names of samples and backends, and the cell that they span with a stage and a metric.
//!
//! Ids are restricted to characters that need no escaping in a path, a YAML key, a Markdown table or a terminal, so
//! that nothing downstream has to think about hostile names.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::stage::{Metric, Stage};

/// Longest id accepted, in bytes: a report's table stays readable and a path component stays legal.
pub const MAX_ID_LEN: usize = 100;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    #[error("an id must not be empty")]
    Empty,
    #[error("an id has at most {MAX_ID_LEN} characters, this one has {0}")]
    TooLong(usize),
    #[error("an id starts with a letter or a digit, not with {0:?}")]
    Start(char),
    #[error("an id consists of ASCII letters, digits, `.`, `_`, `-`, `+` and `/`; it must not contain {0:?}")]
    Character(char),
    #[error("`..`, `//` and a trailing `/` have no place in an id")]
    Path,
}

fn check(text: &str) -> Result<(), IdError> {
    let Some(first) = text.chars().next() else {
        return Err(IdError::Empty);
    };
    if !first.is_ascii_alphanumeric() {
        return Err(IdError::Start(first));
    }
    if let Some(bad) = text.chars().find(|c| !c.is_ascii_alphanumeric() && !"._-+/".contains(*c)) {
        return Err(IdError::Character(bad));
    }
    if text.len() > MAX_ID_LEN {
        return Err(IdError::TooLong(text.len()));
    }
    if text.contains("..") || text.contains("//") || text.ends_with('/') {
        return Err(IdError::Path);
    }
    Ok(())
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Validates `text` as an id.
            ///
            /// # Errors
            /// When the text is empty, too long or holds a character outside the accepted set.
            pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
                let text = text.into();
                check(&text).map(|()| Self(text))
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

id! {
    /// Names a sample, unique in a configuration.
    SampleId
}
id! {
    /// Names a backend: a compiler of an engine with its options, unique in a configuration.
    BackendId
}

/// The unit that gets a verdict: sample × backend × stage × metric.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cell {
    pub sample: SampleId,
    pub backend: BackendId,
    pub stage: Stage,
    pub metric: Metric,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.sample, self.backend, self.stage, self.metric)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_need_no_escaping_anywhere() {
        for good in ["fibonacci", "a", "9", "pulldown-cmark/default", "c++_v1.2"] {
            assert!(SampleId::new(good).is_ok(), "{good}");
        }
        for bad in ["", " a", "a b", "a\nb", "a|b", "`a`", "a\"b", "-a", "/a", "a/", "a/../b", "a//b", "é", "<b>"] {
            assert!(SampleId::new(bad).is_err(), "{bad}");
        }
        assert_eq!(SampleId::new("x".repeat(101)), Err(IdError::TooLong(101)));
    }

    #[test]
    fn ids_are_validated_when_read_back() {
        assert!(serde_json::from_str::<SampleId>("\"a b\"").is_err());
        assert_eq!(serde_json::to_string(&SampleId::new("a").unwrap()).unwrap(), "\"a\"");
    }
}
