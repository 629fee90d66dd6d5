//! The report for a pull request or a step summary: GitHub-flavoured Markdown of bounded size.
//!
//! Invariants: every text of the view is escaped, so nothing that a worker or a configuration says becomes markup, a link
//! or a mention; the result never exceeds its budget; rows are left out whole, the least important ones first, and each
//! section says how many are missing. Does not know where the text goes; a sticky comment's marker is the forge's to add.

use super::escape;
use super::post::{Link, Post, Since};
use super::view::{
    Broken, COMPOSITES, CellRow, Fact, Row, Rows, Step, Summary, TIME_ALONE, TIMES, TRADEOFFS, Tone, View,
};

/// Size in bytes that a report stays below. GitHub takes 65,536 characters in a comment; the rest is left to whoever posts.
pub const BUDGET: usize = 60_000;

/// Room kept in each section for the line that says how much is left out.
const LEFT_OUT: usize = 120;

/// The report within [`BUDGET`].
#[must_use]
pub fn render(view: &View) -> String {
    render_within(view, BUDGET)
}

/// The report in at most `budget` bytes. Heading, counts, environment and commands are never cut: they take a few
/// thousand bytes, below which a budget makes no sense.
#[must_use]
pub fn render_within(view: &View, budget: usize) -> String {
    render_post(view, &Post::default(), budget)
}

/// The report in at most `budget` bytes, with what is to be said where it is posted.
#[must_use]
pub fn render_post(view: &View, post: &Post, budget: usize) -> String {
    let head = head(view, post);
    let foot = foot(&view.steps, &post.links);
    let mut sections = sections(view);
    let fixed = head.len() + foot.len() + sections.iter().map(Section::frame).sum::<usize>();
    let mut left = budget.saturating_sub(fixed);
    let mut order: Vec<usize> = (0..sections.len()).collect();
    order.sort_by_key(|at| sections[*at].rank);
    for at in order {
        sections[at].take(&mut left);
    }
    let mut text = head;
    // A budget too small for the frames of all sections gets as many sections as it has room for.
    for section in sections {
        let rendered = section.render();
        if text.len() + rendered.len() + foot.len() <= budget {
            text += &rendered;
        }
    }
    text + &foot
}

/// What a section is worth when not everything fits: lower ranks are served first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Broken,
    Loosened,
    Regressed,
    TimeAlone,
    Advisory,
    Inconclusive,
    Differences,
    Notes,
    TradeOffs,
    Summaries,
    Improved,
    Times,
    Composites,
    Method,
    Cells,
}

/// A part of the report that can be cut row by row.
struct Section {
    rank: Rank,
    open: String,
    rows: Vec<String>,
    close: &'static str,
    /// What a row is called when it is left out.
    noun: &'static str,
    taken: usize,
}

impl Section {
    fn frame(&self) -> usize {
        self.open.len() + self.close.len() + LEFT_OUT
    }

    /// Takes rows from the top while they fit, and pays for them.
    fn take(&mut self, left: &mut usize) {
        for row in &self.rows[self.taken..] {
            let Some(rest) = left.checked_sub(row.len()) else { break };
            *left = rest;
            self.taken += 1;
        }
    }

    fn render(&self) -> String {
        let mut text = self.open.clone();
        text.extend(self.rows[..self.taken].iter().map(String::as_str));
        let missing = self.rows.len() - self.taken;
        if missing > 0 {
            let plural = if missing == 1 { "" } else { "s" };
            text += &format!(
                "\n*{missing} more {}{plural} left out for length; results.json has all of them.*\n",
                self.noun
            );
        }
        text + self.close
    }
}

/// Verdict and sentence, counts, what takes weight from them, and the line on the surroundings.
fn head(view: &View, post: &Post) -> String {
    let headline = &view.headline;
    let sign = match headline.tone {
        Tone::Good => "✅",
        Tone::Bad => "❌",
        Tone::Caution | Tone::Plain | Tone::Quiet => "⚠️",
    };
    let mut text = format!("## {sign} {}: {}\n\n", headline.word, escape::markdown(&headline.sentence));
    match &post.since {
        Some(Since::Resolved(what)) => text += &format!("> ✅ **Resolved**: {}\n\n", escape::markdown(what)),
        Some(Since::Open(what)) => text += &format!("> ⚠️ {}\n\n", escape::markdown(what)),
        None => {}
    }
    let counts: Vec<_> = view.counts.iter().map(|count| format!("**{}** {}", count.number, count.name)).collect();
    if !counts.is_empty() {
        text += &counts.join(" · ");
        text += "\n\n";
    }
    for remark in &post.remarks {
        text += &format!("> ℹ️ {}\n\n", escape::markdown(remark));
    }
    for warning in &view.warnings {
        text += &format!("> ⚠️ **{}**\n\n", escape::markdown(warning));
    }
    if !headline.compared.is_empty() {
        text += &facts(&headline.compared);
        text += "\n";
    }
    if is_side_by_side(view) {
        return text + &facts(&view.environment);
    }
    let surroundings: Vec<_> = view.environment.iter().filter(|fact| is_surrounding(fact)).map(labelled).collect();
    text + &surroundings.join(" · ") + "\n"
}

/// Two saved runs are nothing but what is known of them: it is all told at once.
fn is_side_by_side(view: &View) -> bool {
    view.sides != ["base", "head"]
}

/// Facts that a reader weighs every figure by; the others are told with the method.
fn is_surrounding(fact: &Fact) -> bool {
    matches!(fact.label, "runner" | "times" | "null controls" | "limits" | "shards")
}

fn labelled(fact: &Fact) -> String {
    format!("*{}*: {}", fact.label, escape::markdown(&fact.text))
}

fn facts(facts: &[Fact]) -> String {
    facts.iter().map(fact).collect()
}

fn fact(fact: &Fact) -> String {
    format!("- {}: {}\n", fact.label, escape::markdown(&fact.text))
}

/// What to type next, and where to read on.
fn foot(steps: &[Step], links: &[Link]) -> String {
    let mut text = String::new();
    for step in steps {
        text += &format!("\n**{}**\n\n```sh\n{}\n```\n", step.purpose, step.commands.join("\n"));
        if step.more > 0 {
            text += &format!("\nand {} more\n", step.more);
        }
    }
    let links: Vec<_> =
        links.iter().filter(|link| link.is_safe()).map(|Link { label, url }| format!("[{label}]({url})")).collect();
    if !links.is_empty() {
        text += &format!("\n{}\n", links.join(" · "));
    }
    text
}

fn sections(view: &View) -> Vec<Section> {
    let mut sections = Vec::new();
    sections.extend(list(Rank::Differences, "### A and B differ\n\n", &view.differences, "difference"));
    sections.extend(broken(&view.broken));
    if let Some(loosened) = &view.loosened {
        let title = format!("### {}\n\n", escape::markdown(&loosened.title));
        sections.extend(list(Rank::Loosened, &title, &loosened.lines, "line"));
    }
    let rows = |rank, open: &str, close, cells| rows(rank, open, close, cells, view.sides);
    sections.extend(rows(Rank::Regressed, "### Regressed\n\n", "", &view.regressed));
    sections.extend(rows(Rank::TimeAlone, &format!("### {TIME_ALONE}\n\n"), "", &view.time_alone));
    let advisory = "### Advisory: beyond the tolerance, but does not fail the run\n\n";
    sections.extend(rows(Rank::Advisory, advisory, "", &view.advisory));
    sections.extend(rows(Rank::Inconclusive, "### Inconclusive\n\n", "", &view.inconclusive));
    let improved = folded(&format!("Improved ({})", view.improved.rows.len()));
    sections.extend(rows(Rank::Improved, &improved, UNFOLD, &view.improved));
    let times = Rows { common: Vec::new(), rows: view.times.clone() };
    sections.extend(rows(Rank::Times, &folded(&format!("{TIMES} ({})", times.rows.len())), UNFOLD, &times));
    sections.extend(view.summaries.iter().map(summary));
    sections.extend(tradeoffs(view));
    sections.extend(composites(view));
    sections.extend(cells(&view.cells, view.sides));
    sections.extend(list(Rank::Notes, "### Notes\n\n", &view.notes, "note"));
    sections.extend(method(view));
    sections
}

/// How a cell is judged, in the words of docs/method.md.
const METHOD: &str = "A launch, one process that measures one sample on one backend, is one observation. A time is red only where \
    the lower bound of its change lies above the limit, and the limit is what the configuration tolerates and what relinking or \
    another day may do. Sizes, memory and instructions repeat, and are held to their limit as they are. What is neither surely \
    within nor surely beyond is inconclusive.\n\n";

/// How the run was made and judged.
fn method(view: &View) -> Option<Section> {
    if is_side_by_side(view) {
        return None;
    }
    let rows = view.environment.iter().filter(|fact| !is_surrounding(fact)).map(fact);
    section(Rank::Method, &(folded("Method and run") + METHOD), rows, UNFOLD, "line")
}

const UNFOLD: &str = "\n</details>\n";

/// Opens a folded part; the summary must be of our own making.
fn folded(summary: &str) -> String {
    format!("<details><summary>{summary}</summary>\n\n")
}

/// The head of a table: each column with whether it is flush right.
fn table_head(columns: &[(&str, bool)]) -> String {
    let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
    let rule: String = columns.iter().map(|(_, right)| if *right { " ---: |" } else { " --- |" }).collect();
    format!("| {} |\n|{rule}\n", names.join(" | "))
}

/// A line of a table; the cells are escaped already.
fn table_row(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// A figure, kept in one line. The view makes figures of digits, signs and units, which mean nothing to Markdown in a cell.
fn figure(text: &str) -> String {
    text.replace(' ', "\u{a0}")
}

fn broken(broken: &[Broken]) -> Option<Section> {
    let rows = broken.iter().map(|row| {
        let stage = row.stage.as_ref().map(|stage| format!(" · {}", escape::markdown(stage))).unwrap_or_default();
        let subject = escape::markdown(&row.subject);
        let mut text = format!("**{subject}{stage}**: {}\n\n", escape::markdown(&row.what));
        if !row.detail.is_empty() {
            let lines: Vec<_> = row.detail.iter().map(|line| escape::preformatted(line)).collect();
            text += &format!("<pre>{}</pre>\n\n", lines.join("\n"));
        }
        text
    });
    section(Rank::Broken, "### Broken\n\n", rows, "", "failure")
}

/// A section that begins on a line of its own, unless it is empty.
fn section(
    rank: Rank,
    open: &str,
    rows: impl Iterator<Item = String>,
    close: &'static str,
    noun: &'static str,
) -> Option<Section> {
    let rows: Vec<_> = rows.collect();
    (!rows.is_empty()).then(|| Section { rank, open: format!("\n{open}"), rows, close, noun, taken: 0 })
}

fn rows(rank: Rank, open: &str, close: &'static str, rows: &Rows, sides: [&str; 2]) -> Option<Section> {
    let mut open = open.to_owned();
    for text in &rows.common {
        open += &format!("{}\n\n", escape::markdown(text));
    }
    let explained = rows.rows.iter().any(|row| !row.evidence.is_empty());
    let limited = rows.rows.iter().any(|row| !row.used.is_empty());
    let marked = rows.rows.iter().any(|row| !row.against.is_empty());
    let figures = sides.join(" → ");
    let mut columns = vec![("cell", false)];
    columns.extend(marked.then_some(("against", false)));
    columns.extend([(figures.as_str(), true), ("change", true)]);
    columns.extend(limited.then_some(("limit used", true)));
    columns.extend(explained.then_some(("evidence", false)));
    open += &table_head(&columns);
    section(rank, &open, rows.rows.iter().map(|row| judged(row, marked, limited, explained)), close, "cell")
}

/// A judged cell. Few and wide columns, so that the evidence has room beside the figures.
fn judged(row: &Row, marked: bool, limited: bool, explained: bool) -> String {
    let interval = row.interval.as_ref().map(|interval| format!(" {}", figure(interval))).unwrap_or_default();
    let names = [&row.backend, &row.sample, &row.what].map(|name| escape::markdown(name).replace(' ', "\u{a0}"));
    let mut cells = vec![names.join("\u{a0}· ")];
    cells.extend(marked.then(|| row.against.to_owned()));
    cells.push(figure(&format!("{} → {}", row.base, row.head)));
    cells.push(format!("**{}**{interval}", figure(&row.change)));
    if limited {
        cells.push(figure(&format!("{} of {}", row.used, row.tolerance)));
    }
    if explained {
        let evidence: Vec<_> = row.evidence.iter().map(|text| escape::markdown(text)).collect();
        cells.push(evidence.join("<br>"));
    }
    table_row(&cells)
}

fn summary(summary: &Summary) -> Section {
    let rows = summary.lines.iter().map(|line| format!("- {}\n", escape::markdown(line)));
    let open = folded(&escape::markdown(&summary.title));
    let more = match summary.more {
        0 => String::new(),
        more => format!("\nand {more} more groups\n"),
    };
    Section {
        rank: Rank::Summaries,
        open: format!("\n{open}"),
        rows: rows.chain((!more.is_empty()).then_some(more)).collect(),
        close: UNFOLD,
        noun: "group",
        taken: 0,
    }
}

fn tradeoffs(view: &View) -> Option<Section> {
    let samples = view.tradeoffs.iter().map(|row| row.samples).max()?;
    let plural = if samples == 1 { "" } else { "s" };
    let mut columns = vec![("backend", false)];
    columns.extend(TRADEOFFS.map(|name| (name, true)));
    let title = format!("### Trade-off of the backends\n\nMultiples of the best, over {samples} sample{plural}.\n\n");
    let rows = view.tradeoffs.iter().map(|row| {
        let mut cells = vec![escape::markdown(&row.backend)];
        cells.extend(row.figures.iter().map(|(text, best)| match best {
            true => format!("**{}**", figure(text)),
            false => figure(text),
        }));
        table_row(&cells)
    });
    section(Rank::TradeOffs, &(title + &table_head(&columns)), rows, "", "backend")
}

fn composites(view: &View) -> Option<Section> {
    let mut columns = vec![("sample", false), ("backend", false)];
    columns.extend(COMPOSITES.map(|name| (name, true)));
    let open = folded("Composites: what a user waits for") + &table_head(&columns);
    let rows = view.composites.iter().map(|row| {
        let mut cells = vec![escape::markdown(&row.sample), escape::markdown(&row.backend)];
        cells.extend(row.figures.iter().map(|shown| match &shown.change {
            Some(change) => format!("{} ({})", figure(&shown.head), figure(change)),
            None => figure(&shown.head),
        }));
        table_row(&cells)
    });
    section(Rank::Composites, &open, rows, UNFOLD, "row")
}

fn cells(cells: &[CellRow], sides: [&str; 2]) -> Option<Section> {
    let marked = cells.iter().any(|row| !row.against.is_empty());
    let mut columns: Vec<_> = ["sample", "backend", "stage", "verdict"].map(|name| (name, false)).into();
    columns.extend(marked.then_some(("against", false)));
    columns.extend([sides[0], sides[1], "change"].map(|name| (name, true)));
    let open = folded(&format!("All cells ({})", cells.len())) + &table_head(&columns);
    let rows = cells.iter().map(|row| {
        let mut texts: Vec<_> =
            [&row.sample, &row.backend, &row.what, &row.verdict].map(|text| escape::markdown(text)).into();
        texts.extend(marked.then(|| row.against.to_owned()));
        texts.extend([&row.base, &row.head, &row.change].map(|text| figure(text)));
        table_row(&texts)
    });
    section(Rank::Cells, &open, rows, UNFOLD, "cell")
}

fn list(rank: Rank, open: &str, lines: &[String], noun: &'static str) -> Option<Section> {
    section(rank, open, lines.iter().map(|line| format!("- {}\n", escape::markdown(line))), "", noun)
}
