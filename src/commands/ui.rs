//! Talking to the person: data to standard output, everything else to standard error, colour only on a terminal.

use std::io::{self, IsTerminal, Write};

use crate::cli::{Colour, Format, Show};
use crate::judge::compare::SideBySide;
use crate::model::{Findings, Results};
use crate::report::{self, terminal::Style, view::View};

/// The two streams and what they can show.
#[derive(Debug, Clone, Copy)]
pub struct Ui {
    stdout_colour: bool,
    stderr_colour: bool,
}

impl Ui {
    /// Decides on colour once for both streams.
    #[must_use]
    pub fn new(colour: Colour) -> Self {
        let decide = |terminal: bool| match colour {
            Colour::Always => true,
            Colour::Never => false,
            // https://no-color.org: set and not empty means no colour.
            Colour::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        };
        Self { stdout_colour: decide(io::stdout().is_terminal()), stderr_colour: decide(io::stderr().is_terminal()) }
    }

    /// Whether standard output takes colour.
    #[must_use]
    pub fn colour(&self) -> bool {
        self.stdout_colour
    }

    /// Writes data to standard output. A reader that has gone away is no error: it has what it wanted.
    ///
    /// # Errors
    /// When the stream cannot be written for another reason, such as a full disk behind a redirection.
    pub fn data(&self, text: &str) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        let written = out
            .write_all(text.as_bytes())
            .and_then(|()| if text.is_empty() || text.ends_with('\n') { Ok(()) } else { out.write_all(b"\n") });
        match written.and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(anyhow::Error::new(error).context("failed to write to standard output"))
            }
            _ => Ok(()),
        }
    }

    /// Renders the findings in the format asked for. Where they are `accepted` anyway, the advice to do so is left out.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn findings(&self, results: &Results, findings: &Findings, show: &Show, accepted: bool) -> anyhow::Result<()> {
        let view = || {
            let mut view = View::new(results, findings);
            view.steps
                .retain(|step| !accepted || !step.commands.iter().any(|line| line.contains("--update-baselines")));
            view
        };
        self.report(view, || report::json::render(results, findings), show)
    }

    /// Renders two runs side by side in the format asked for.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn side_by_side(&self, side: &SideBySide, show: &Show) -> anyhow::Result<()> {
        let SideBySide { compared, results, findings } = side;
        let json = || report::json::render_side_by_side(results, findings, compared);
        self.report(|| View::side_by_side(results, findings, compared), json, show)
    }

    fn report(&self, view: impl Fn() -> View, json: impl Fn() -> String, show: &Show) -> anyhow::Result<()> {
        let text = match show.format {
            Format::Json => json(),
            Format::Markdown => report::markdown::render(&view()),
            Format::Text => self.text(&view(), show.verbose),
        };
        self.data(&text)
    }

    /// The report as text that suits standard output.
    pub fn text(&self, view: &View, verbose: bool) -> String {
        let width = console::Term::stdout().size_checked().map_or(100, |(_, columns)| usize::from(columns));
        report::terminal::render(view, &Style { colour: self.stdout_colour, width, verbose })
    }

    /// One line on what is going on.
    pub fn info(&self, text: &str) {
        self.line(text);
    }

    /// A unified diff, coloured as people know it.
    pub fn diff(&self, text: &str) {
        for line in text.lines() {
            let colour = match line.as_bytes().first() {
                Some(b'+') => console::Color::Green,
                Some(b'-') => console::Color::Red,
                Some(b'@') => console::Color::Cyan,
                _ => {
                    self.line(line);
                    continue;
                }
            };
            let style = console::Style::new().fg(colour).force_styling(self.stderr_colour);
            self.line(&style.apply_to(line).to_string());
        }
    }

    /// Something that the person should know, though the work goes on.
    pub fn warn(&self, text: &str) {
        self.line(&format!("{}: {text}", self.paint("warning", console::Color::Yellow)));
    }

    /// Why the work ended, with all that led to it.
    pub fn error(&self, error: &anyhow::Error) {
        let mut chain = error.chain().map(ToString::to_string);
        let mut text = format!("{}: {}", self.paint("error", console::Color::Red), chain.next().unwrap_or_default());
        for cause in chain {
            let cause = cause.replace('\n', "\n  ");
            // Errors that tell their cause within a sentence of their own have told it already.
            if !text.contains(&cause) {
                text.push_str("\n  caused by: ");
                text.push_str(&cause);
            }
        }
        self.line(&text);
    }

    fn line(&self, text: &str) {
        // There is nowhere left to complain to when standard error is gone.
        _ = writeln!(io::stderr().lock(), "{text}");
    }

    fn paint(&self, text: &str, colour: console::Color) -> String {
        console::Style::new().fg(colour).bold().force_styling(self.stderr_colour).apply_to(text).to_string()
    }
}

/// A number with what it counts.
#[must_use]
pub fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
