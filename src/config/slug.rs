//! From any text to a valid sample id.

use crate::model::SampleId;
use crate::model::ids::MAX_ID_LEN;

/// What a text without a single usable character becomes.
const FALLBACK: &str = "module";

/// A valid id that resembles `text`: runs of other characters become one `-`; `/` does too.
#[must_use]
pub fn slugify(text: &str) -> SampleId {
    let mut slug = String::new();
    for c in text.chars() {
        let kept = if c.is_ascii_alphanumeric() || "._+".contains(c) { c } else { '-' };
        let doubled = matches!(kept, '-' | '.') && slug.ends_with(kept);
        let begins = kept.is_ascii_alphanumeric() || !slug.is_empty();
        if begins && !doubled && slug.len() < MAX_ID_LEN {
            slug.push(kept);
        }
    }
    let slug = slug.trim_end_matches(['-', '.']);
    SampleId::new(slug).unwrap_or_else(|_| fallback())
}

fn fallback() -> SampleId {
    match SampleId::new(FALLBACK) {
        Ok(id) => id,
        Err(_) => unreachable!("the fallback is a valid id"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn slugs_resemble_their_text() {
        for (text, slug) in [
            ("my filter", "my-filter"),
            ("a/b", "a-b"),
            ("  <b>x</b>\n", "b-x-b"),
            ("..", "module"),
            ("", "module"),
            ("Ünïcode..v2", "n-code.v2"),
            ("c++", "c++"),
        ] {
            assert_eq!(slugify(text).as_str(), slug, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_a_valid_id(text in any::<String>()) {
            let slug = slugify(&text);
            prop_assert_eq!(SampleId::new(slug.as_str()), Ok(slug));
        }

        #[test]
        fn a_valid_id_without_slashes_stays_as_it_is(text in "[a-zA-Z0-9]([a-z0-9_+]|-[a-z0-9]|\\.[a-z0-9]){0,30}") {
            let slug = slugify(&text);
            prop_assert_eq!(slug.as_str(), text.as_str());
        }

        #[test]
        fn long_texts_are_cut(text in "[a-z]{101,300}") {
            prop_assert_eq!(slugify(&text).as_str().len(), MAX_ID_LEN);
        }
    }
}
