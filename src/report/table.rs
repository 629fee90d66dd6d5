//! Aligned columns and wrapped lines for a terminal. Works on escaped text without colour codes; colour is put on after
//! padding, so that it never counts as width.

use console::measure_text_width;

use super::view::Tone;

/// Narrowest that a column is made to fit a terminal: enough for both ends of an id.
const LEAST_COLUMN: usize = 9;
const GAP: &str = "  ";

/// How a column is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// Flush left, and cut in the middle where the terminal is too narrow.
    Name,
    /// Flush left.
    Text,
    /// Flush right.
    Figure,
}

/// Rows of cells, each cell with its tone; every row has as many cells as there are columns.
#[derive(Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<(String, Tone)>>,
}

impl Table {
    /// A table that begins with a row of headings.
    pub fn new(columns: &[(Column, &str)]) -> Self {
        let headings = columns.iter().map(|(_, heading)| ((*heading).to_owned(), Tone::Quiet)).collect();
        Self { columns: columns.iter().map(|(column, _)| *column).collect(), rows: vec![headings] }
    }

    /// Adds a row of escaped texts.
    pub fn push(&mut self, row: Vec<(String, Tone)>) {
        self.rows.push(row);
    }

    /// Removes columns that hold nothing below their heading.
    pub fn drop_empty_columns(&mut self) {
        let kept: Vec<bool> =
            (0..self.columns.len()).map(|at| self.rows[1..].iter().any(|row| !row[at].0.is_empty())).collect();
        let mut keep = kept.iter();
        self.columns.retain(|_| keep.next().copied().unwrap_or(true));
        for row in &mut self.rows {
            let mut keep = kept.iter();
            row.retain(|_| keep.next().copied().unwrap_or(true));
        }
    }

    fn widths(&self) -> Vec<usize> {
        (0..self.columns.len())
            .map(|at| self.rows.iter().map(|row| measure_text_width(&row[at].0)).max().unwrap_or(0))
            .collect()
    }

    /// Width of the widest line.
    pub fn width(&self) -> usize {
        self.widths().iter().sum::<usize>() + GAP.len() * self.columns.len().saturating_sub(1)
    }

    /// The lines, the headings first. Names are cut until the lines fit `width`, as far as that goes.
    pub fn lines(&self, width: usize, paint: impl Fn(Tone, &str) -> String) -> Vec<String> {
        let mut widths = self.widths();
        let mut excess = self.width().saturating_sub(width);
        while excess > 0 {
            let names = (0..widths.len()).filter(|at| self.columns[*at] == Column::Name && widths[*at] > LEAST_COLUMN);
            let Some(widest) = names.max_by_key(|at| widths[*at]) else { break };
            widths[widest] -= 1;
            excess -= 1;
        }
        self.rows.iter().map(|row| self.line(row, &widths, &paint)).collect()
    }

    fn line(&self, row: &[(String, Tone)], widths: &[usize], paint: impl Fn(Tone, &str) -> String) -> String {
        let mut line = String::new();
        // Blanks are held back until something follows, so that no line ends in them.
        let mut blanks = 0;
        for ((text, tone), (column, width)) in row.iter().zip(self.columns.iter().zip(widths)) {
            let text = elide(text, *width);
            let padding = width - measure_text_width(&text).min(*width);
            let (before, after) = if *column == Column::Figure { (padding, 0) } else { (0, padding) };
            blanks += before;
            if !text.is_empty() {
                line.extend(std::iter::repeat_n(' ', blanks));
                line += &paint(*tone, &text);
                blanks = 0;
            }
            blanks += after + GAP.len();
        }
        line
    }
}

/// The text, or both of its ends around a mark where it is wider than `width`.
pub fn elide(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if measure_text_width(text) <= width || width == 0 {
        return text.to_owned();
    }
    let kept = width - 1;
    let start: String = text.chars().take(kept.div_ceil(2)).collect();
    let end: String = text.chars().skip(length - kept / 2).collect();
    format!("{start}…{end}")
}

/// Lines of at most `width` columns, broken at blanks; a word that is wider by itself is broken within. Indentation is kept.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let words = text.trim_start_matches(' ');
    let mut line = " ".repeat((text.len() - words.len()).min(width / 2));
    let mut filled = line.len();
    let mut lines = Vec::new();
    for (at, word) in words.split(' ').enumerate() {
        if at > 0 && filled + 1 + measure_text_width(word) > width {
            lines.push(std::mem::take(&mut line));
            filled = 0;
        } else if at > 0 {
            line.push(' ');
            filled += 1;
        }
        for c in word.chars() {
            let wide = measure_text_width(c.encode_utf8(&mut [0; 4]));
            if filled + wide > width {
                lines.push(std::mem::take(&mut line));
                filled = 0;
            }
            line.push(c);
            filled += wide;
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(_: Tone, text: &str) -> String {
        text.to_owned()
    }

    fn table(rows: &[[&str; 3]]) -> Table {
        let mut table = Table::new(&[(Column::Name, "name"), (Column::Figure, "figure"), (Column::Text, "note")]);
        for row in rows {
            table.push(row.iter().map(|text| ((*text).to_owned(), Tone::Plain)).collect());
        }
        table
    }

    #[test]
    fn columns_line_up_and_lines_end_in_no_blank() {
        let lines = table(&[["a", "180 ms", ""], ["longer", "4 µs", "x"]]).lines(80, plain);
        assert_eq!(lines, ["name    figure  note", "a       180 ms", "longer    4 µs  x"]);
    }

    #[test]
    fn names_are_cut_in_the_middle_to_fit() {
        let lines = table(&[["pulldown-cmark/default", "180 ms", "x"]]).lines(30, plain);
        assert_eq!(lines[1], "pulldown…default  180 ms  x");
        assert_eq!(elide("abcdef", 4), "ab…f");
        assert_eq!(elide("abcdef", 6), "abcdef");
    }

    #[test]
    fn empty_columns_go_with_their_heading() {
        let mut table = table(&[["a", "", "x"]]);
        table.drop_empty_columns();
        assert_eq!(table.lines(80, plain), ["name  note", "a     x"]);
    }

    #[test]
    fn words_wrap_and_long_ones_break() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("", 4), [""]);
        assert_eq!(wrap("  a b", 4), ["  a", "b"]);
        assert_eq!(wrap("a  b", 9), ["a  b"]);
    }

    proptest! {
        #[test]
        fn wrapping_loses_nothing_and_fits(text in "[a-z ]{0,80}", width in 1_usize..20) {
            let lines = wrap(&text, width);
            prop_assert!(lines.iter().all(|line| line.len() <= width));
            prop_assert_eq!(lines.concat().replace(' ', ""), text.replace(' ', ""));
        }
    }
}
