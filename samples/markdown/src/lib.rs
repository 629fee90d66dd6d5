//! CommonMark to HTML with pulldown-cmark: a hand-written parser over text.
//!
//! Scanning bytes, matching delimiters, looking names up in tables and writing strings: branches that depend on the text
//! and are hard to predict. Web front ends and documentation tools run exactly this in WebAssembly. The document uses every
//! construct that the parser has, so that its code is run and not only compiled.

use pulldown_cmark::{Options, Parser, html};

const DOCUMENT: &str = include_str!("../document.md");

fn render(markdown: &str) -> String {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_SMART_PUNCTUATION
        | Options::ENABLE_HEADING_ATTRIBUTES;
    let mut page = String::with_capacity(markdown.len() * 2);
    html::push_html(&mut page, Parser::new_ext(markdown, options));
    page
}

/// FNV-1a of the page that `copies` copies of the document make.
#[unsafe(no_mangle)]
pub extern "C" fn run(copies: u32) -> u64 {
    render(&DOCUMENT.repeat(copies as usize))
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::{DOCUMENT, render};

    #[test]
    fn the_document_uses_every_construct() {
        let page = render(DOCUMENT);
        for tag in [
            "<h1",
            "<h2",
            "<p>",
            "<em>",
            "<strong>",
            "<del>",
            "<code>",
            "<pre>",
            "<blockquote>",
            "<ul>",
            "<ol",
            "<table>",
            "<hr",
            "<a href",
            "<img",
            "<sup",
            "<input",
            "<br",
            "<kbd>",
            "&amp;",
        ] {
            assert!(page.contains(tag), "{tag} is missing");
        }
    }
}
