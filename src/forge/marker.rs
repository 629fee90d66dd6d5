//! The hidden first line of our comment: whose it is, which run wrote it, and what was red then.
//!
//! Invariants: it stands in the first line, which a cut body keeps; what is read back is somebody's text, so each part is checked
//! to be what we write; nothing in it can end the hidden line.

use super::context::{Run, is_commit};

/// Most names kept in the line.
pub const MOST_NAMES: usize = 20;
/// Longest name, in bytes: two ids, a stage and a metric.
const LONGEST_NAME: usize = 240;
/// Longest line that is read, in bytes.
const LONGEST_LINE: usize = 16 << 10;

const OPEN: &str = "<!-- tollgate ";
const CLOSE: &str = " -->";

/// How many cells were red, and the names of the first ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reds {
    pub count: u32,
    pub names: Vec<String>,
}

impl Reds {
    /// Of cells by their names; those that have no place in the line are counted only.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        let all: Vec<String> = names.into_iter().collect();
        let count = u32::try_from(all.len()).unwrap_or(u32::MAX);
        Self { count, names: all.into_iter().filter(|name| is_name(name)).take(MOST_NAMES).collect() }
    }

    fn parse(text: &str) -> Option<Self> {
        let (count, names) = text.split_once(':')?;
        let names: Vec<String> = names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let fits = names.len() <= MOST_NAMES && names.iter().all(|name| is_name(name));
        let reds = Self { count: count.parse().ok()?, names };
        (fits && reds.names.len() <= reds.count as usize).then_some(reds)
    }

    fn written(&self) -> String {
        format!("{}:{}", self.count, self.names.join(","))
    }
}

fn is_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-+/".contains(&byte))
}

/// What the hidden line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    pub key: String,
    /// The head commit that was measured.
    pub head: String,
    pub run: Run,
    /// What was red in that run.
    pub red: Reds,
    /// What was red the last time that anything was, and at which head; kept while nothing is.
    pub before: Option<(String, Reds)>,
}

impl Marker {
    /// The line, without its end.
    #[must_use]
    pub fn line(&self) -> String {
        let Self { key, head, run, red, before } = self;
        let before = before.as_ref().map(|(head, reds)| format!(" before={head} was={}", reds.written()));
        format!(
            "{OPEN}key={key} head={head} run={} attempt={} red={}{}{CLOSE}",
            run.id,
            run.attempt,
            red.written(),
            before.unwrap_or_default()
        )
    }

    /// Reads the first line of a comment's body; nothing where it is not a line of ours.
    #[must_use]
    pub fn read(body: &str) -> Option<Self> {
        let line = body.lines().next()?.trim_end();
        let inner = line.strip_prefix(OPEN)?.strip_suffix(CLOSE).filter(|_| line.len() <= LONGEST_LINE)?;
        let part = |name: &str| {
            inner
                .split(' ')
                .find_map(|part| part.split_once('=').filter(|(key, _)| *key == name))
                .map(|(_, value)| value)
        };
        let commit = |name: &str| part(name).filter(|text| is_commit(text)).map(str::to_owned);
        let before = commit("before").and_then(|head| Some((head, Reds::parse(part("was")?)?)));
        Some(Self {
            key: part("key")?.to_owned(),
            head: commit("head")?,
            run: Run { id: part("run")?.parse().ok()?, attempt: part("attempt")?.parse().ok()? },
            red: part("red").and_then(Reds::parse)?,
            before,
        })
    }

    /// What was red before this comment is written anew for a run in which `red` is.
    #[must_use]
    pub fn before(&self) -> Option<(String, Reds)> {
        if self.red.count > 0 { Some((self.head.clone(), self.red.clone())) } else { self.before.clone() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: &str = "ec26c3e57ca3a959ca5aad62de7213c562f8c821";
    const OLD: &str = "f95f852bd8fca8fcc58a9a2d6c842781e32a215e";

    fn marker(red: &[&str], before: Option<&[&str]>) -> Marker {
        let reds = |names: &[&str]| Reds::new(names.iter().map(|name| (*name).to_owned()));
        Marker {
            key: "arm-64".into(),
            head: HEAD.into(),
            run: Run { id: 12, attempt: 3 },
            red: reds(red),
            before: before.map(|names| (OLD.to_owned(), reds(names))),
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for marker in [
            marker(&[], None),
            marker(&["fib/cranelift/compile/time", "a--b/x"], None),
            marker(&[], Some(&["fib/cranelift/compile/time"])),
        ] {
            let body = format!("{}\n## anything\n", marker.line());
            assert_eq!(Marker::read(&body), Some(marker.clone()));
            assert_eq!(Marker::read(&body.replace('\n', "\r\n")), Some(marker));
        }
        let line = marker(&["a/b"], Some(&["c/d"])).line();
        let expected =
            format!("<!-- tollgate key=arm-64 head={HEAD} run=12 attempt=3 red=1:a/b before={OLD} was=1:c/d -->");
        assert_eq!(line, expected);
    }

    #[test]
    fn only_the_first_line_counts_and_only_as_we_write_it() {
        let line = marker(&["a/b"], None).line();
        for body in [
            format!("\n{line}"),
            format!("> {line}"),
            format!(" {line}"),
            line.replace("run=12", "run=x"),
            line.replace("run=12 ", ""),
            line.replace(HEAD, "main"),
            line.replace("1:a/b", "1:a<b"),
            line.replace("1:a/b", "0:a/b"),
            line.replace("red=1:a/b", ""),
            line.replace(" -->", ""),
            String::new(),
        ] {
            assert_eq!(Marker::read(&body), None, "{body}");
        }
    }

    #[test]
    fn a_long_list_is_cut_and_counted() {
        let many = Reds::new((0..500).map(|number| format!("{}{number}/llvm/compile/time", "x".repeat(150))));
        assert_eq!((many.count, many.names.len()), (500, MOST_NAMES));
        let marker = Marker { red: many.clone(), before: Some((OLD.to_owned(), many)), ..marker(&[], None) };
        assert!(marker.line().len() < 12_000, "the text of the comment needs the room");
        assert_eq!(Marker::read(&marker.line()), Some(marker));
        assert_eq!(Reds::new(["a b".to_owned(), "-->".to_owned()]), Reds { count: 2, names: vec![] });
    }

    #[test]
    fn what_was_red_last_is_kept_while_nothing_is() {
        let red = marker(&["a/b"], Some(&["old/one"]));
        assert_eq!(red.before(), Some((HEAD.to_owned(), red.red.clone())));
        let green = marker(&[], Some(&["a/b"]));
        assert_eq!(green.before(), green.before.clone());
        assert_eq!(marker(&[], None).before(), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_harm(text in "(<!-- tollgate )?[ -~]{0,80}( -->)?") {
            if let Some(marker) = Marker::read(&text) {
                prop_assert!(!marker.line().trim_end_matches(CLOSE).contains("-->"));
            }
        }
    }
}
