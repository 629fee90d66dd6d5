//! The report for a terminal: aligned columns, colour only where asked for, the same anatomy as in Markdown.
//!
//! Every text of the view is escaped on its way out, so that no worker's output can move the cursor. Does not know
//! whether there is a terminal; the caller does.

use console::Style as Ansi;

use super::escape;
use super::table::{Column, Table, wrap};
use super::view::{
    BY_BASE, Broken, COMPOSITES, CellRow, Composite, Count, Fact, Headline, Row, Rows, Step, Summary, TIME_ALONE,
    TIMES, TRADEOFFS, Tone, TradeOffRow, View,
};

/// How to render for a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    pub colour: bool,
    /// Columns of the terminal.
    pub width: usize,
    /// Show every cell and every row.
    pub verbose: bool,
}

impl Default for Style {
    /// No colour, 100 columns, changed rows only.
    fn default() -> Self {
        Self { colour: false, width: 100, verbose: false }
    }
}

/// Narrowest layout; a narrower terminal wraps by itself.
const LEAST_WIDTH: usize = 60;
/// Rows of a section that a person reads; `--verbose` shows all.
const MOST_ROWS: usize = 40;
/// Stands beside what was compared with the base, where other rows were not: two that took turns.
const MARK: &str = "⇄";
/// Times of two runs that are only shown.
const MOST_TIMES: usize = 20;
/// Rows of good news.
const MOST_IMPROVED: usize = 10;

/// The whole report, ending in a line break.
#[must_use]
pub fn render(view: &View, style: &Style) -> String {
    let mut page = Page { text: String::new(), style: Style { width: style.width.max(LEAST_WIDTH), ..*style } };
    page.headline(&view.headline);
    page.counts(&view.counts);
    page.warnings(&view.warnings);
    page.facts(&view.environment);
    page.list("A and B differ", &view.differences);
    page.broken(&view.broken);
    if let Some(loosened) = &view.loosened {
        page.list(&loosened.title, &loosened.lines);
    }
    let sides = view.sides;
    let mut rows = |tone, title, rows, most| page.rows(tone, title, rows, most, sides);
    rows(Tone::Bad, "Regressed", &view.regressed, MOST_ROWS);
    rows(Tone::Caution, TIME_ALONE, &view.time_alone, MOST_ROWS);
    rows(Tone::Caution, "Advisory: beyond the tolerance, but does not fail the run", &view.advisory, MOST_ROWS);
    rows(Tone::Caution, "Inconclusive", &view.inconclusive, MOST_ROWS);
    rows(Tone::Good, "Improved", &view.improved, MOST_IMPROVED);
    page.times(&view.times, sides);
    for summary in &view.summaries {
        page.summary(summary);
    }
    page.composites(&view.composites);
    page.tradeoffs(&view.tradeoffs);
    if page.style.verbose {
        page.cells(&view.cells, sides);
    }
    page.list("Notes", &view.notes);
    page.steps(&view.steps);
    page.text
}

/// What has been written so far.
struct Page {
    text: String,
    style: Style,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    fn paint(&self, tone: Tone, text: &str) -> String {
        let ansi = match tone {
            Tone::Good => Ansi::new().green(),
            Tone::Bad => Ansi::new().red(),
            Tone::Caution => Ansi::new().yellow(),
            Tone::Quiet => Ansi::new().dim(),
            Tone::Plain => return text.to_owned(),
        };
        ansi.force_styling(self.style.colour).apply_to(text).to_string()
    }

    fn bold(&self, text: &str) -> String {
        Ansi::new().bold().force_styling(self.style.colour).apply_to(text).to_string()
    }

    /// A text that is escaped, wrapped and indented; further lines are indented by `hang` more.
    fn wrapped(&mut self, tone: Tone, indent: usize, hang: usize, first: &str, text: &str) {
        let lines = wrap(&escape::terminal(text), self.style.width.saturating_sub(indent + hang));
        for (at, line) in lines.iter().enumerate() {
            let lead = if at == 0 { format!("{first:hang$}") } else { " ".repeat(hang) };
            let line = format!("{}{}{}", " ".repeat(indent), self.paint(Tone::Quiet, &lead), self.paint(tone, line));
            self.line(&line);
        }
    }

    fn headline(&mut self, headline: &Headline) {
        let word = self.bold(&self.paint(headline.tone, headline.word));
        let hang = headline.word.len() + 2;
        let lines = wrap(&escape::terminal(&headline.sentence), self.style.width.saturating_sub(hang));
        for (at, line) in lines.iter().enumerate() {
            let lead = if at == 0 { format!("{word}  ") } else { " ".repeat(hang) };
            self.line(&format!("{lead}{}", self.bold(line)));
        }
        self.facts(&headline.compared);
    }

    /// As many to a line as there is room for.
    fn counts(&mut self, counts: &[Count]) {
        let mut lines: Vec<(String, usize)> = Vec::new();
        for count in counts {
            let text = format!("{} {}", count.number, count.name);
            let width = text.len() + 3;
            let shown = self.paint(count.tone, &text);
            match lines.last_mut().filter(|(_, filled)| filled + width + 2 <= self.style.width) {
                Some((line, filled)) => {
                    *line += &format!(" · {shown}");
                    *filled += width;
                }
                None => lines.push((shown, text.len())),
            }
        }
        if !lines.is_empty() {
            self.line("");
        }
        lines.iter().for_each(|(line, _)| self.line(&format!("  {line}")));
    }

    fn warnings(&mut self, warnings: &[String]) {
        for warning in warnings {
            self.line("");
            let lines = wrap(&escape::terminal(warning), self.style.width.saturating_sub(4));
            for (at, line) in lines.iter().enumerate() {
                let lead = if at == 0 { "  ! " } else { "    " };
                let text = self.bold(&self.paint(Tone::Caution, &format!("{lead}{line}")));
                self.line(&text);
            }
        }
    }

    fn title(&mut self, tone: Tone, title: &str) {
        self.line("");
        let title = self.bold(&self.paint(tone, &escape::terminal(title)));
        self.line(&title);
    }

    fn facts(&mut self, facts: &[Fact]) {
        if facts.is_empty() {
            return;
        }
        self.line("");
        let hang = facts.iter().map(|fact| fact.label.len()).max().unwrap_or(0) + 2;
        for fact in facts {
            self.wrapped(Tone::Plain, 2, hang, fact.label, &fact.text);
        }
    }

    fn broken(&mut self, broken: &[Broken]) {
        if broken.is_empty() {
            return;
        }
        self.title(Tone::Bad, "Broken");
        let shown = if self.style.verbose { broken.len() } else { broken.len().min(MOST_ROWS) };
        for row in &broken[..shown] {
            let stage = row.stage.as_ref().map(|stage| format!(" · {stage}")).unwrap_or_default();
            self.wrapped(Tone::Plain, 2, 0, "", &format!("{}{stage}: {}", row.subject, row.what));
            for line in &row.detail {
                self.wrapped(Tone::Plain, 6, 2, "│", line);
            }
        }
        self.more(broken.len() - shown, "failure");
    }

    fn more(&mut self, number: usize, what: &str) {
        if number > 0 {
            let text = format!("  and {number} more {what}{}; --verbose shows all", if number == 1 { "" } else { "s" });
            let text = self.paint(Tone::Quiet, &text);
            self.line(&text);
        }
    }

    fn rows(&mut self, tone: Tone, title: &str, rows: &Rows, most: usize, sides: [&str; 2]) {
        if rows.rows.is_empty() {
            return;
        }
        self.title(tone, title);
        for text in &rows.common {
            self.wrapped(Tone::Quiet, 2, 0, "", text);
        }
        if rows.rows.iter().any(|row| row.against == BY_BASE) {
            let legend =
                format!("{MARK} against the base, measured in this run; the others against the committed baseline");
            self.wrapped(Tone::Quiet, 2, 0, "", &legend);
        }
        let shown = if self.style.verbose { rows.rows.len() } else { rows.rows.len().min(most) };
        let table = row_table(&rows.rows[..shown], sides);
        if table.width() + 2 <= self.style.width {
            let lines = table.lines(self.style.width, |tone, text| self.paint(tone, text));
            let mut lines = lines.iter();
            if let Some(headings) = lines.next() {
                self.line(&format!("  {headings}"));
            }
            for (line, row) in lines.zip(&rows.rows) {
                self.line(&format!("  {line}"));
                self.evidence(row);
            }
        } else {
            rows.rows[..shown].iter().for_each(|row| self.stacked(row));
        }
        self.more(rows.rows.len() - shown, "cell");
    }

    /// Times of two runs, a line each whatever their length: names are cut, figures are what one compares.
    fn times(&mut self, rows: &[Row], sides: [&str; 2]) {
        if rows.is_empty() {
            return;
        }
        self.title(Tone::Plain, TIMES);
        let shown = if self.style.verbose { rows.len() } else { rows.len().min(MOST_TIMES) };
        let mut table = Table::new(&[
            (Column::Name, "sample"),
            (Column::Name, "backend"),
            (Column::Name, "stage"),
            (Column::Figure, sides[0]),
            (Column::Figure, sides[1]),
            (Column::Figure, "change"),
            (Column::Text, ""),
        ]);
        for row in &rows[..shown] {
            let interval = row.interval.as_deref().unwrap_or_default();
            let texts = [&row.sample, &row.backend, &row.what, &row.base, &row.head, &row.change, interval];
            table.push(texts.map(|text| (escape::terminal(text), row.tone)).into());
        }
        self.table(&table);
        self.more(rows.len() - shown, "cell");
    }

    /// A row over several lines, where one would not fit.
    fn stacked(&mut self, row: &Row) {
        let name = format!("{} · {} · {} {}", row.backend, row.sample, row.what, mark(row));
        self.wrapped(Tone::Plain, 2, 0, "", name.trim_end());
        let interval = row.interval.as_ref().map(|interval| format!(" {interval}")).unwrap_or_default();
        let used = if row.used.is_empty() { String::new() } else { format!(", {} used", row.used) };
        let limit = format!("{} → {} · limit {}{used}", row.base, row.head, row.tolerance);
        let change = self.paint(row.tone, &escape::terminal(&row.change));
        self.line(&format!("      {change}{} · {}", escape::terminal(&interval), escape::terminal(&limit)));
        self.evidence(row);
    }

    fn evidence(&mut self, row: &Row) {
        for text in &row.evidence {
            self.wrapped(Tone::Quiet, 6, 0, "", text);
        }
    }

    fn summary(&mut self, summary: &Summary) {
        self.title(summary.tone, &summary.title);
        for line in &summary.lines {
            self.wrapped(Tone::Plain, 2, 2, "-", line);
        }
        if summary.more > 0 {
            self.line(&format!("  and {} more groups", summary.more));
        }
    }

    fn table(&mut self, table: &Table) {
        for line in table.lines(self.style.width - 2, |tone, text| self.paint(tone, text)) {
            self.line(&format!("  {line}"));
        }
    }

    fn composites(&mut self, composites: &[Composite]) {
        if composites.is_empty() {
            return;
        }
        self.title(Tone::Plain, "Composites");
        let full = composite_table(composites, true);
        let fits = full.width() + 2 <= self.style.width;
        self.table(&if fits { full } else { composite_table(composites, false) });
    }

    fn tradeoffs(&mut self, rows: &[TradeOffRow]) {
        let Some(samples) = rows.iter().map(|row| row.samples).max() else {
            return;
        };
        let plural = if samples == 1 { "" } else { "s" };
        self.title(
            Tone::Plain,
            &format!("Trade-off of the backends: multiples of the best, over {samples} sample{plural}"),
        );
        let mut columns = vec![(Column::Name, "backend")];
        columns.extend(TRADEOFFS.iter().map(|name| (Column::Figure, *name)));
        let mut table = Table::new(&columns);
        for row in rows {
            let mut cells = vec![(escape::terminal(&row.backend), Tone::Plain)];
            cells.extend(
                row.figures
                    .iter()
                    .map(|(text, best)| (escape::terminal(text), if *best { Tone::Good } else { Tone::Plain })),
            );
            table.push(cells);
        }
        self.table(&table);
    }

    fn cells(&mut self, cells: &[CellRow], sides: [&str; 2]) {
        if cells.is_empty() {
            return;
        }
        self.title(Tone::Plain, "All cells");
        let mut table = Table::new(&[
            (Column::Name, "sample"),
            (Column::Name, "backend"),
            (Column::Name, "stage"),
            (Column::Text, "against"),
            (Column::Figure, sides[0]),
            (Column::Figure, sides[1]),
            (Column::Figure, "change"),
            (Column::Text, "verdict"),
        ]);
        for row in cells {
            let texts = [&row.sample, &row.backend, &row.what, row.against, &row.base, &row.head, &row.change];
            let mut line: Vec<_> = texts.map(|text| (escape::terminal(text), Tone::Plain)).into();
            line.push((escape::terminal(&row.verdict), row.tone));
            table.push(line);
        }
        table.drop_empty_columns();
        self.table(&table);
    }

    fn list(&mut self, title: &str, lines: &[String]) {
        if lines.is_empty() {
            return;
        }
        self.title(Tone::Plain, title);
        for line in lines {
            self.wrapped(Tone::Plain, 2, 2, "-", line);
        }
    }

    fn steps(&mut self, steps: &[Step]) {
        for step in steps {
            self.title(Tone::Plain, step.purpose);
            for command in &step.commands {
                self.line(&format!("  {}", escape::terminal(command)));
            }
            if step.more > 0 {
                self.line(&format!("  and {} more", step.more));
            }
        }
    }
}

/// Composites in one line each, with their changes where there is room for them.
fn composite_table(composites: &[Composite], changes: bool) -> Table {
    let mut columns = vec![(Column::Name, "sample"), (Column::Name, "backend")];
    columns.extend(COMPOSITES.iter().flat_map(|name| [(Column::Figure, *name), (Column::Figure, "")]));
    let mut table = Table::new(&columns);
    let mut last = "";
    for row in composites {
        // A sample is named once, above its backends.
        let sample = if row.sample == last { String::new() } else { escape::terminal(&row.sample) };
        last = &row.sample;
        let mut cells = vec![(sample, Tone::Plain), (escape::terminal(&row.backend), Tone::Plain)];
        for figure in &row.figures {
            let change = figure.change.as_deref().filter(|_| changes).unwrap_or_default();
            cells.push((escape::terminal(&figure.head), Tone::Plain));
            cells.push((escape::terminal(change), Tone::Quiet));
        }
        table.push(cells);
    }
    table.drop_empty_columns();
    table
}

/// Tells a row that was compared with the base from others in its section.
fn mark(row: &Row) -> &'static str {
    if row.against == BY_BASE { MARK } else { "" }
}

/// Cells in one line each.
fn row_table(rows: &[Row], sides: [&str; 2]) -> Table {
    let mut table = Table::new(&[
        (Column::Text, "backend"),
        (Column::Text, "sample"),
        (Column::Text, "stage"),
        (Column::Text, ""),
        (Column::Figure, sides[0]),
        (Column::Figure, sides[1]),
        (Column::Figure, "change"),
        (Column::Text, ""),
        (Column::Figure, "limit"),
        (Column::Figure, "used"),
    ]);
    for row in rows {
        let plain = |text: &str| (escape::terminal(text), Tone::Plain);
        table.push(vec![
            plain(&row.backend),
            plain(&row.sample),
            plain(&row.what),
            plain(mark(row)),
            plain(&row.base),
            plain(&row.head),
            (escape::terminal(&row.change), row.tone),
            plain(row.interval.as_deref().unwrap_or_default()),
            plain(&row.tolerance),
            plain(&row.used),
        ]);
    }
    table.drop_empty_columns();
    table
}
