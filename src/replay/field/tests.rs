//! Each rule of the field on launches made up so that it is known what it should say.

use super::*;
use crate::replay::recording::Recording;

/// Pairs whose base and head launches have these medians, each with a scatter of 0.1 % within.
fn pairs(launches: &[(f64, f64)]) -> Vec<Figures> {
    let observation = |side: &str, centre: f64| {
        let values: Vec<f64> = (0..25).map(|at| centre * (1.0 + 0.001 * f64::from(at % 5 - 2))).collect();
        format!("[\"{side}\", {values:?}]")
    };
    let block = |first: &str, second: &str, pair: &(f64, f64)| {
        let of = |side: &str| observation(side, if side == "A" { pair.0 } else { pair.1 });
        format!("{{\"exec\": [{}, {}, {}, {}]}}", of(first), of(second), of(second), of(first))
    };
    let line = |pair: &(f64, f64)| {
        let (even, odd) = (block("A", "B", pair), block("B", "A", pair));
        format!("{{\"planted\": 0, \"blocks\": [{even}, {odd}]}}\n")
    };
    let text: String = launches.iter().map(line).collect();
    let recording = Recording::read(text.as_bytes()).unwrap();
    recording.pairs.iter().flat_map(|pair| Figures::of(pair).unwrap()).collect()
}

/// What each rule says of all launches in the order in which they are, by the first word of its name.
fn reds(launches: &[(f64, f64)]) -> Vec<String> {
    let recorded = pairs(launches);
    let all: Vec<usize> = (0..recorded.len()).collect();
    let draw = Draw { recorded: &recorded, group: 0, pairs: &all, heads: &all };
    let mut rules = FieldRule::all(recorded.len(), 1);
    let red = rules.iter_mut().filter_map(|rule| rule.is_red(&draw).unwrap().then(|| rule.name()));
    red.map(|name| name.split([':', ',']).next().unwrap_or_default().to_owned()).collect()
}

/// Ten pairs, whose bases scatter by 0.5 %, with heads that differ by `change` and a scatter of `own`.
fn ten(change: f64, own: f64) -> Vec<(f64, f64)> {
    let noise = [0.3, -0.9, 0.1, 1.2, -0.4, -0.2, 0.8, -1.1, 0.5, -0.3];
    let one = |at: usize| {
        let base = 10_000.0 * (1.0 + 0.005 * noise[at]);
        (base, base * (1.0 + change) * (1.0 + own * noise[(at * 3 + 1) % 10]))
    };
    (0..10).map(one).collect()
}

#[test]
fn each_rule_sees_what_it_can() {
    assert_eq!(reds(&ten(0.0, 0.001)), [""; 0]);
    assert_eq!(reds(&ten(-0.3, 0.001)), [""; 0]);
    // 0.3 % is below tango's 0.5 %; pooled iterations are so many that Welch calls it, and it is right for once.
    assert_eq!(reds(&ten(0.003, 0.001)), ["Sightglass"]);
    assert_eq!(reds(&ten(0.009, 0.001)), ["benchstat", "Sightglass", "tango"]);
    assert_eq!(reds(&ten(0.03, 0.001)), ["criterion", "benchstat", "Sightglass", "tango"]);
    assert_eq!(
        reds(&ten(0.12, 0.001)),
        ["ratio of 1.1", "ratio of 1.1", "criterion", "benchstat", "Sightglass", "tango"]
    );
    assert_eq!(reds(&ten(1.1, 0.001)).len(), 7);
}

#[test]
fn rules_on_one_launch_see_one_launch() {
    let mut launches = ten(0.0, 0.001);
    launches[0].1 *= 1.5;
    let red = reds(&launches);
    assert!(red.contains(&"ratio of 1.1".to_owned()) && red.contains(&"criterion".to_owned()), "{red:?}");
    // The mean of ten moves by 5 %, the ranks hardly.
    assert_eq!(red.iter().filter(|name| *name == "ratio of 1.1").count(), 1);
    assert!(!red.contains(&"benchstat".to_owned()), "{red:?}");
}

#[test]
fn welch_holds_its_level_by_the_tables() {
    // Two-sided 0.01: t of 18 degrees of freedom is 2.878.
    let side = |mean: f64| Moments::of((0..10).map(|at| mean + f64::from(at) - 4.5));
    let error = (2.0 * side(0.0).variance() / 10.0).sqrt();
    assert!(!welch(&side(100.0), &side(100.0 + 2.87 * error)));
    assert!(welch(&side(100.0), &side(100.0 + 2.89 * error)));
    assert!(!welch(&side(100.0), &side(100.0 - 2.89 * error)));
    let constant = Moments::of([1.0; 10]);
    assert!(!welch(&constant, &Moments::of([2.0; 10])));
    assert!(!welch(&Moments::of([1.0]), &Moments::of([2.0])));
}

#[test]
fn tango_asks_for_all_three() {
    let differences = |mean: f64| Moments::of([mean - 1.0, mean + 1.0, mean - 1.0, mean + 1.0]);
    let base = Moments::of([400.0]);
    // The standard error is 1/√3 = 0.577; 2.6 of them are 1.501, and 0.5 % are 2.
    assert!(!tango(&differences(1.9), &base));
    assert!(tango(&differences(2.1), &base));
    assert!(!tango(&differences(-2.1), &base));
    let base = Moments::of([100.0]);
    assert!(!tango(&differences(1.45), &base) && tango(&differences(1.55), &base));
    let small = Moments::of([0.89, 0.91]);
    assert!(!tango(&small, &base), "below the timer's precision");
}

#[test]
fn without_launches_nothing_is_red() {
    let draw = Draw { recorded: &[], group: 0, pairs: &[], heads: &[] };
    assert!(FieldRule::all(10, 1).iter_mut().all(|rule| !rule.is_red(&draw).unwrap()));
}
