//! What a replay found, as a table for people and as JSON for programs. Computes nothing but shares in per cent.

use std::fmt::Write as _;

use serde::Serialize;

use super::{Options, Planted, Replayed, Row, Share, Tally};

/// Version of the JSON; it changes when a field changes its meaning or goes away.
const VERSION: u32 = 1;

const GAP: &str = "   ";

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    seed: u64,
    runs: u32,
    cells: u32,
    launches: usize,
    most_pairs: u32,
    history: bool,
    swap: bool,
    recordings: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    file: &'a str,
    replayed: &'a Replayed,
}

/// One object: the options, and for each recording its file, what is recorded (`[planted, pairs]`), its cells, and the rules.
/// Shares are given as what they were counted from; `pairs` is the sum over the cells that `red` is `of`.
///
/// # Errors
/// None that data of this kind could cause.
pub fn json(recordings: &[(String, Replayed)], options: &Options) -> serde_json::Result<String> {
    serde_json::to_string_pretty(&Document {
        version: VERSION,
        seed: options.seed,
        runs: options.runs,
        cells: options.cells,
        launches: options.launches,
        most_pairs: options.most_pairs,
        history: options.history,
        swap: options.swap,
        recordings: recordings.iter().map(|(file, replayed)| Entry { file, replayed }).collect(),
    })
}

/// A paragraph and a table for each recording; with `verbose`, each cell below its rule, and where the rules come from.
#[must_use]
pub fn text(recordings: &[(String, Replayed)], options: &Options, verbose: bool) -> String {
    let mut out = String::new();
    for (file, replayed) in recordings {
        let recorded = replayed.recorded.iter().map(|(planted, pairs)| format!("{pairs} {}", with(*planted)));
        let recorded = recorded.collect::<Vec<_>>().join(", ");
        _ = writeln!(
            out,
            "{}: pairs of launches: {recorded}; cells: {}",
            file.escape_debug(),
            replayed.cells.join(" ")
        );
        out.push('\n');
        for line in aligned(&lines(replayed, verbose)) {
            _ = writeln!(out, "{line}");
        }
        out.push('\n');
    }
    _ = writeln!(
        out,
        "{} runs of {} null cells, and as many draws of each cell with a planted change; seed {}.\n\
         Undecided and pairs are of null cells / of each planted change. The field's rules get {} launches a side, ours up to {}.",
        options.runs, options.cells, options.seed, options.launches, options.most_pairs
    );
    if options.swap {
        out.push_str("Each null pair counts a second time with its sides swapped.\n");
    }
    if let Some((_, replayed)) = recordings.first().filter(|_| verbose) {
        out.push_str("\nWhere the rules come from:\n");
        for row in &replayed.rows {
            _ = writeln!(out, "  {}\n      {}", row.rule, row.source);
        }
    }
    out
}

fn with(planted: f64) -> String {
    if planted == 0.0 { "null".to_owned() } else { format!("with {}", change(planted)) }
}

/// A planted change, as it was written: to the hundredth of a per cent.
fn change(planted: f64) -> String {
    format!("+{} %", (planted * 1e4).round() / 1e2)
}

/// Headings and rows; the first column is flush left.
fn lines(replayed: &Replayed, verbose: bool) -> Vec<Vec<String>> {
    let found = replayed.recorded.iter().filter(|(planted, _)| *planted != 0.0);
    let mut headings = ["rule", "false red, cell", "false red, run"].map(str::to_owned).to_vec();
    headings.extend(found.map(|(planted, _)| format!("finds {}", change(*planted))));
    headings.extend(["undecided", "pairs"].map(str::to_owned));
    let mut lines = vec![headings];
    for row in &replayed.rows {
        lines.push(line(row.rule.clone(), row, |planted| Some(&planted.all), row.red_runs));
        for cell in replayed.cells.iter().filter(|_| verbose) {
            lines.push(line(format!("    {cell}"), row, |planted| planted.cells.get(cell), None));
        }
    }
    lines
}

fn line<'a>(
    name: String,
    row: &'a Row,
    tally: impl Fn(&'a Planted) -> Option<&'a Tally>,
    red_runs: Option<Share>,
) -> Vec<String> {
    let red = |planted: &'a Planted| tally(planted).map_or_else(|| "-".to_owned(), |tally| percent(tally.red));
    let null = row.planted.iter().find(|planted| planted.planted == 0.0);
    let mut line = vec![name, null.map_or_else(|| "-".to_owned(), red), red_runs.map_or_else(String::new, percent)];
    line.extend(row.planted.iter().filter(|planted| planted.planted != 0.0).map(red));
    let each = |shown: &dyn Fn(&Tally) -> String| {
        let shown = row.planted.iter().map(|planted| tally(planted).map_or_else(|| "-".to_owned(), shown));
        shown.collect::<Vec<_>>().join(" / ")
    };
    line.push(each(&|tally| percent(tally.undecided)));
    line.push(each(&|tally| {
        let pairs = tally.mean_pairs();
        if pairs.fract() == 0.0 { format!("{pairs}") } else { format!("{pairs:.1}") }
    }));
    line
}

/// In per cent: two digits below one, whole where it is exact, and never rounded to nothing or to all.
fn percent(share: Share) -> String {
    if share.count == 0 {
        return "0".to_owned();
    }
    if share.count == share.of {
        return "100 %".to_owned();
    }
    let percent = share.value() * 100.0;
    if percent < 1.0 {
        let digits = (1.0 - percent.log10().floor()).clamp(1.0, 12.0) as usize;
        format!("{percent:.digits$} %")
    } else {
        format!("{:.1} %", percent.min(99.9))
    }
}

fn aligned(lines: &[Vec<String>]) -> Vec<String> {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |at: usize| lines.iter().filter_map(|line| line.get(at)).map(|text| text.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|at| width(at).unwrap_or(0)).collect();
    let one = |line: &Vec<String>| {
        let cells = line.iter().zip(&widths).enumerate();
        let padded =
            cells.map(|(at, (text, width))| if at == 0 { format!("{text:width$}") } else { format!("{text:>width$}") });
        padded.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
    };
    lines.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_never_rounded_to_none_or_all() {
        let shown = |count, of| percent(Share { count, of });
        assert_eq!(shown(0, 5), "0");
        assert_eq!(shown(0, 0), "0");
        assert_eq!(shown(5, 5), "100 %");
        assert_eq!(shown(99_999, 100_000), "99.9 %");
        assert_eq!(shown(1, 3), "33.3 %");
        assert_eq!(shown(1, 1000), "0.10 %");
        assert_eq!(shown(13, 400_000), "0.0032 %");
        assert_eq!(shown(9_999, 1_000_000), "1.00 %");
    }

    #[test]
    fn columns_line_up_and_lines_end_where_they_end() {
        let lines = [vec!["a".to_owned(), "10 %".to_owned(), String::new()], vec!["long".to_owned(), "0".to_owned()]];
        assert_eq!(aligned(&lines), ["a      10 %", "long      0"]);
    }
}
