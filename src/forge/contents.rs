//! Files of a revision, as the forge gives them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::address::escaped_path;
use super::client::Client;
use super::context::Repository;
use super::error::ForgeError;
use super::http::{RAW, Transport};

/// Reads the text of a file at a commit; nothing where it is not there.
///
/// # Errors
/// When the forge does not give it, or it is no text of at most `most` bytes.
pub fn text<T: Transport>(
    client: &mut Client<T>,
    repository: &Repository,
    path: &str,
    commit: &str,
    most: u64,
) -> Result<Option<String>, ForgeError> {
    #[derive(Deserialize)]
    struct Raw {
        #[serde(rename = "type")]
        kind: String,
        encoding: Option<String>,
        content: Option<String>,
    }
    let what = format!("read `{}` at {commit}", path.escape_debug());
    let malformed = |why: &str| ForgeError::Malformed { what: what.clone(), why: why.to_owned() };
    let at = format!("{}/contents/{}?ref={commit}", repository.path(), escaped_path(path));
    let raw: Raw = match client.get(&what, &at) {
        Err(error) if error.status() == Some(404) => return Ok(None),
        other => other?,
    };
    if raw.kind != "file" {
        return Err(malformed("no file is there"));
    }
    let bytes = match (raw.encoding.as_deref(), raw.content) {
        (Some("base64"), Some(content)) => decoded(&content).ok_or_else(|| malformed("no base64"))?,
        // Beyond 1 MB, the file comes only as it is.
        _ => client.get_bytes(&what, &at, RAW, most)?,
    };
    if bytes.len() as u64 > most {
        return Err(malformed("a file that is larger than any"));
    }
    String::from_utf8(bytes).map(Some).map_err(|_| malformed("no text"))
}

/// Undoes base64 with line breaks.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let kept: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    STANDARD.decode(kept).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forge::address::Address;
    use crate::forge::testing::{Played, answer, refused};

    fn read(played: Played) -> Result<Option<String>, ForgeError> {
        let mut client = Client::new(played, Address::new("https://forge.example").unwrap(), String::new());
        text(&mut client, &Repository { owner: "o".into(), name: "r".into() }, "a b/t.yml", "abc", 100)
    }

    #[test]
    fn base64_is_undone() {
        for (coded, plain) in [
            ("", Some("")),
            ("Zg==", Some("f")),
            ("Zm8=", Some("fo")),
            ("Zm9v\nYmFy\n", Some("foobar")),
            ("/+8=", None),
        ] {
            assert_eq!(decoded(coded).and_then(|bytes| String::from_utf8(bytes).ok()).as_deref(), plain, "{coded}");
        }
        for bad in ["Z", "Zg=", "Zg!=", "====", "Zg==Zg=="] {
            assert_eq!(decoded(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_file_comes_in_either_form_or_not_at_all() {
        let json = r#"{"type": "file", "encoding": "base64", "content": "dmVyc2lvbjogMQo=\n"}"#;
        assert_eq!(read(Played::new([answer(json)])), Ok(Some("version: 1\n".to_owned())));
        let large = r#"{"type": "file", "encoding": "none", "content": ""}"#;
        assert_eq!(read(Played::new([answer(large), answer("raw")])), Ok(Some("raw".to_owned())));
        assert_eq!(read(Played::new([refused(404)])), Ok(None));
        for odd in [answer(r#"{"type": "symlink"}"#), answer("[]"), refused(403)] {
            assert!(read(Played::new([odd])).is_err());
        }
        assert!(read(Played::new([answer(large), answer(&"x".repeat(101))])).is_err());
    }
}
