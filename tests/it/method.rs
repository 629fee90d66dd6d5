//! Holds the figures of docs/method.md to the constants of the code.
//!
//! Each figure stands in the page between `<!-- NAME -->` and `<!-- / -->`. With `TOLLGATE_WRITE_DOCS=1` the page is written anew
//! instead of compared.

use std::collections::BTreeMap;
use std::path::Path;

use tollgate::config::Config;
use tollgate::judge::paired::{self, Rule};
use tollgate::judge::{against_base, controls, kernels, time};
use tollgate::measure::meters::LAPS;
use tollgate::model::observation::DISTURBED_SHARE;
use tollgate::model::settings::Effort;
use tollgate::model::{Metric, Nanos, Stage, Verdict};

const PAGE: &str = "docs/method.md";
const CLOSE: &str = "<!-- / -->";

/// What stands in the page, by name.
fn figures() -> BTreeMap<&'static str, String> {
    let config = Config::without_file(Path::new("."));
    let tolerance = |stage| {
        let of = |rule: &&tollgate::model::settings::ThresholdRule| {
            rule.metric == Some(Metric::Time) && rule.stage.is_none_or(|one| one == stage)
        };
        config.thresholds.iter().rfind(of).unwrap().tolerance.relative
    };
    let layout = |stage| percent(config.layout_allowances[&stage]);
    let effort = Effort::default();
    let prior = |stage| paired::prior(stage, None);
    [
        ("LONG_TOLERANCE", percent(tolerance(Stage::Compile))),
        ("OTHER_TOLERANCE", percent(tolerance(Stage::Serialize))),
        ("WIDENING", format!("{} points", number(100.0 * time::widening(None)))),
        ("MIN_BATCH", milliseconds(effort.min_batch)),
        ("LAPS", LAPS.to_string()),
        ("CELLS_FREEDOM", number(paired::CELLS_FREEDOM)),
        ("MAX_BLOCKS", effort.max_blocks.to_string()),
        ("BLOCK_TIME", milliseconds(effort.block_time_cap)),
        ("DISTURBED_SHARE", percent(DISTURBED_SHARE)),
        ("WINSOR", number(kernels::WINSOR_DEVIATIONS)),
        ("PRIOR_EXECUTE", percent(prior(Stage::Execute).value)),
        ("PRIOR_LONG", percent(prior(Stage::Compile).value)),
        ("PRIOR_OTHER", percent(prior(Stage::Serialize).value)),
        ("PRIOR_FREEDOM", number(prior(Stage::Compile).freedom)),
        ("DEVIATION_FLOOR", percent(time::DEVIATION_FLOOR)),
        ("SHOWN_LEVEL", percent(1.0 - 2.0 * time::BOUND_LEVEL)),
        ("BOUND_LEVEL", percent(1.0 - time::BOUND_LEVEL)),
        ("RUN_LEVEL", one_in(time::RUN_LEVEL)),
        ("FIRST_PAIRS", paired::FIRST_PAIRS.to_string()),
        ("MAX_PAIRS", paired::MAX_PAIRS.to_string()),
        ("LEAST_RED", least_red().to_string()),
        ("SUPPORT_SHARE", percent(against_base::SUPPORT_SHARE)),
        ("LAYOUT_INSTANTIATE", layout(Stage::Instantiate)),
        ("LAYOUT_OTHER", layout(Stage::Compile)),
        ("HARMLESS", percent(controls::HARMLESS)),
        ("SPREAD_FACTOR", number(time::SPREAD_FACTOR)),
        ("SPREAD_PRIOR", percent(time::SPREAD_PRIOR)),
    ]
    .into()
}

/// Pairs of launches below which nothing is red, however large the change.
fn least_red() -> u32 {
    let rule = Rule { tolerance: 0.0, allowance: 0.0 };
    let wobble = [0.0, 0.001, -0.001];
    let red = |count: &u32| {
        let pairs: Vec<(u32, f64)> = (0..*count).map(|at| (at, 2.0 + wobble[at as usize % 3])).collect();
        paired::decide(&pairs, paired::prior(Stage::Execute, None), &rule, 1).verdict == Verdict::Regressed
    };
    (1..=paired::MAX_PAIRS).find(red).unwrap()
}

/// Without the noise of binary fractions, and without zeros behind the point.
fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn percent(fraction: f64) -> String {
    number(100.0 * fraction) + " %"
}

fn milliseconds(nanos: Nanos) -> String {
    number(nanos.as_f64() / 1e6) + " ms"
}

/// `1 in 1,000`.
fn one_in(probability: f64) -> String {
    let digits = format!("{:.0}", 1.0 / probability);
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap()).collect();
    format!("1 in {}", groups.join(","))
}

/// The page with every figure replaced by what `of` gives for its name.
///
/// # Errors
/// A name that `of` does not know, or a figure without an end.
fn filled(page: &str, of: &mut dyn FnMut(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once("<!-- ") {
        let (name, after) = after.split_once(" -->").ok_or("a comment has no end")?;
        out += &format!("{before}<!-- {name} -->");
        rest = after;
        if !name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_') {
            continue;
        }
        let (_, after) = after.split_once(CLOSE).ok_or_else(|| format!("{name} has no {CLOSE}"))?;
        out += &of(name).ok_or_else(|| format!("no constant is called {name}"))?;
        out += CLOSE;
        rest = after;
    }
    Ok(out + rest)
}

#[test]
fn the_page_on_the_method_has_the_figures_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = std::fs::read_to_string(&path).unwrap();
    let figures = figures();
    let mut unused = figures.clone();
    let expected = filled(&page, &mut |name| {
        unused.remove(name);
        figures.get(name).cloned()
    });
    let expected = expected.unwrap();
    if std::env::var_os("TOLLGATE_WRITE_DOCS").is_some() {
        std::fs::write(&path, &expected).unwrap();
    } else {
        for (had, should) in page.lines().zip(expected.lines()) {
            assert_eq!(had, should, "{PAGE} differs from the code; write it anew with TOLLGATE_WRITE_DOCS=1");
        }
    }
    assert!(unused.is_empty(), "{PAGE} does not mention {:?}", unused.keys());
}

#[test]
fn a_figure_that_is_not_the_codes_is_noticed() {
    let of = &mut |name: &str| (name == "A").then(|| "5 %".to_owned());
    assert_eq!(filled("<!-- A -->2 %<!-- / --> of", of).unwrap(), "<!-- A -->5 %<!-- / --> of");
    assert_eq!(filled("<!-- Said of it. --> x", of).unwrap(), "<!-- Said of it. --> x");
    assert!(filled("<!-- B -->2 %<!-- / -->", of).is_err());
    assert!(filled("<!-- A -->2 %", of).is_err());
    assert_eq!((one_in(1e-3), one_in(0.5), percent(0.035)), ("1 in 1,000".into(), "1 in 2".into(), "3.5 %".into()));
}
