//! Untrusted text made harmless for the two media. Every string of a view passes through here on its way out.
//!
//! Invariants: no control, bidirectional or invisible character survives as itself; terminal text holds no line break;
//! Markdown text holds no line break, no `<`, no `|` and nothing that Markdown, GitHub's links or its mentions react to.

/// Whether a character may do more than be seen: control characters, line separators, and what reorders or hides text.
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Text for a terminal: hostile characters become visible escapes such as `\u{1b}` and `\n`.
pub fn terminal(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        push_visible(&mut safe, c);
    }
    safe
}

fn push_visible(safe: &mut String, c: char) {
    if is_hostile(c) {
        safe.extend(c.escape_default());
    } else {
        safe.push(c);
    }
}

/// Text for the running text or a table cell of a Markdown comment.
///
/// Characters that mean something become character references. GitHub looks for mentions and issue numbers in the
/// rendered text, where references are undone; there a zero-width space after the `@` or `#` breaks the match.
pub fn markdown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len() + 16);
    let visible = terminal(text.trim());
    let chars: Vec<char> = visible.chars().collect();
    for (at, &c) in chars.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| chars[at]);
        let after = chars.get(at + 1).copied();
        if needs_reference(c, before, after) || opens_block(&chars, at) {
            push_reference(&mut safe, c);
        } else {
            safe.push(c);
        }
        if breaks_link(c, before, after) {
            safe.push('\u{200b}');
        }
    }
    safe
}

/// Text for a preformatted HTML block (`<pre>`), where Markdown is not read but HTML is.
pub fn preformatted(text: &str) -> String {
    let visible = terminal(text);
    let chars: Vec<char> = visible.chars().collect();
    let mut safe = String::with_capacity(visible.len() + 16);
    for (at, &c) in chars.iter().enumerate() {
        if "<>&|`".contains(c) {
            push_reference(&mut safe, c);
        } else {
            safe.push(c);
        }
        if breaks_link(c, at.checked_sub(1).map(|at| chars[at]), chars.get(at + 1).copied()) {
            safe.push('\u{200b}');
        }
    }
    safe
}

fn push_reference(safe: &mut String, c: char) {
    match c {
        '<' => safe.push_str("&lt;"),
        '>' => safe.push_str("&gt;"),
        '&' => safe.push_str("&amp;"),
        _ => safe.push_str(&format!("&#{};", u32::from(c))),
    }
}

fn is_word(c: Option<char>) -> bool {
    c.is_some_and(char::is_alphanumeric)
}

/// What Markdown reacts to anywhere in a line. An underscore inside a word is no emphasis; a colon matters before `//`,
/// and a dot after `www`, where bare addresses become links.
fn needs_reference(c: char, before: Option<char>, after: Option<char>) -> bool {
    match c {
        '<' | '>' | '&' | '|' | '\\' | '`' | '*' | '~' | '[' | ']' | '$' | '#' | '@' => true,
        '_' => !(is_word(before) && is_word(after)),
        ':' => after == Some('/'),
        '.' => matches!(before, Some('w' | 'W')),
        _ => false,
    }
}

/// What starts a list, a rule or a table at the beginning of a line: a dash, a plus sign, an equals sign, or the mark after a number.
fn opens_block(chars: &[char], at: usize) -> bool {
    match chars[at] {
        '-' | '+' | '=' | ':' => at == 0,
        '.' | ')' => {
            let ends = chars.get(at + 1).is_none_or(|c| *c == ' ');
            ends && at > 0 && chars[..at].iter().all(char::is_ascii_digit)
        }
        _ => false,
    }
}

/// Where a zero-width space keeps GitHub from making a mention or a reference of `@name`, `#123` and `GH-123`.
fn breaks_link(c: char, before: Option<char>, after: Option<char>) -> bool {
    match c {
        '@' => is_word(after),
        '#' => after.is_some_and(|c| c.is_ascii_digit()),
        '-' => matches!(before, Some('H' | 'h')) && after.is_some_and(|c| c.is_ascii_digit()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn terminal_text_shows_what_it_cannot_pass_on() {
        assert_eq!(
            terminal("a\u{1b}[31mred\r\n\tb\u{202e}c\u{200b}é"),
            "a\\u{1b}[31mred\\r\\n\\tb\\u{202e}c\\u{200b}é"
        );
    }

    #[test]
    fn markdown_is_neutralised() {
        for (raw, safe) in [
            ("<!-- x -->", "&lt;!-- x --&gt;"),
            ("</details>", "&lt;/details&gt;"),
            ("a|b", "a&#124;b"),
            ("`x`", "&#96;x&#96;"),
            ("**b** _i_ snake_case", "&#42;&#42;b&#42;&#42; &#95;i&#95; snake_case"),
            ("![x](y)", "!&#91;x&#93;(y)"),
            ("@user, a@b", "&#64;\u{200b}user, a&#64;\u{200b}b"),
            ("fixes #12 # GH-7", "fixes &#35;\u{200b}12 &#35; GH-\u{200b}7"),
            ("https://x.y www.z.a", "https&#58;//x.y www&#46;z.a"),
            ("- item", "&#45; item"),
            ("12. item", "12&#46; item"),
            ("a\nb\\", "a&#92;nb&#92;"),
            ("&lt;", "&amp;lt;"),
            ("1.5 %, 3-4", "1.5 %, 3-4"),
        ] {
            assert_eq!(markdown(raw), safe, "{raw:?}");
        }
    }

    #[test]
    fn preformatted_text_stays_readable_and_inert() {
        assert_eq!(
            preformatted("a_b </pre> @user `|` #1"),
            "a_b &lt;/pre&gt; @\u{200b}user &#96;&#124;&#96; #\u{200b}1"
        );
    }

    proptest! {
        #[test]
        fn nothing_hostile_passes(text in any::<String>()) {
            let shown = terminal(&text);
            prop_assert!(!shown.chars().any(is_hostile));
            for safe in [markdown(&text), preformatted(&text)] {
                prop_assert!(!safe.contains(['<', '>', '|', '`', '\n', '\r']));
                let unbroken = safe.replace('\u{200b}', "");
                prop_assert!(!unbroken.chars().any(is_hostile));
                for (at, _) in safe.match_indices('@') {
                    prop_assert!(!is_word(safe[at + 1..].chars().next()));
                }
            }
            prop_assert!(!markdown(&text).contains(['*', '[', ']', '\\', '@', '$', '~']));
        }
    }
}
