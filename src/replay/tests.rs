//! The replay as a whole, on recordings made up so that it is known what is in them.

use super::*;

/// Pairs with `planted` and a scatter made from the pair's number; `val` scatters more than `exec`.
fn recording(sizes: &[(f64, usize)]) -> Recording {
    let mut text = String::new();
    let mut random = ChaCha8Rng::seed_from_u64(11);
    for (planted, pairs) in sizes {
        for _ in 0..*pairs {
            let mut cell = |scatter: f64| {
                let launch = 1e6 * (1.0 + 0.02 * (random.random::<f64>() - 0.5));
                let mut one = |side: &str| {
                    let change = if side == "B" { 1.0 + planted } else { 1.0 };
                    format!("[\"{side}\",[{}]]", launch * change * (1.0 + scatter * (random.random::<f64>() - 0.5)))
                };
                format!("[{},{},{},{}]", one("A"), one("B"), one("B"), one("A"))
            };
            let block = format!("{{\"exec\":{},\"val\":{}}}", cell(0.004), cell(0.02));
            let other = format!("{{\"exec\":{},\"val\":{}}}", cell(0.004), cell(0.02));
            text += &format!("{{\"planted\":{planted},\"blocks\":[{block},{other}]}}\n");
        }
    }
    Recording::read(text.as_bytes()).unwrap()
}

fn options() -> Options {
    Options {
        runs: 40,
        cells: 20,
        seed: 7,
        launches: 10,
        most_pairs: 20,
        tolerances: vec![0.01],
        history: false,
        swap: false,
    }
}

fn of<'a>(replayed: &'a Replayed, rule: &str) -> &'a Row {
    replayed.rows.iter().find(|row| row.rule.starts_with(rule)).unwrap()
}

#[test]
fn what_is_planted_is_found_and_counted_by_cell() {
    let recording = recording(&[(0.0, 12), (0.1, 6), (1.5, 4)]);
    let replayed = replay(&recording, &options(), &mut || {}).unwrap();
    assert_eq!(replayed.recorded, [(0.0, 12), (0.1, 6), (1.5, 4)]);
    assert_eq!(replayed.cells, ["val", "exec"]);
    assert_eq!(replayed.rows.len(), 8);
    for row in &replayed.rows {
        let [null, tenth, much] = &row.planted[..] else { panic!("{row:?}") };
        assert_eq!((null.all.red.of, row.red_runs.unwrap().of), (800, 40));
        assert_eq!((tenth.all.red.of, tenth.cells["exec"].red.of), (80, 40));
        let sum: u64 = null.cells.values().map(|cell| cell.red.of).sum();
        assert_eq!(sum, 800);
        // Ours wants two parts of launches that agree, and four recorded pairs leave draws in which they do not.
        assert!(much.all.red.of == 80 && much.all.red.count >= 72, "{}: {:?}", row.rule, much.all.red);
    }
    let ours = of(&replayed, "tollgate: tolerance 1 %");
    assert_eq!((ours.red_runs.unwrap().count, ours.planted[0].all.red.count), (0, 0));
    assert!(ours.planted[1].all.red.of == 80 && ours.planted[1].all.red.count >= 72, "{:?}", ours.planted[1].all);
    let ratio = of(&replayed, "ratio of 2");
    assert_eq!((ratio.planted[1].all.red.count, ratio.planted[1].all.pairs), (0, 80));
    assert_eq!(of(&replayed, "benchstat").planted[1].all.mean_pairs(), 10.0);
}

#[test]
fn a_seed_gives_the_same_again_and_another_does_not() {
    let recording = recording(&[(0.0, 12), (0.01, 6)]);
    let mut steps_taken = 0;
    let one = replay(&recording, &options(), &mut || steps_taken += 1).unwrap();
    assert_eq!(steps_taken, steps(&recording, &options()));
    assert_eq!(replay(&recording, &options(), &mut || {}).unwrap(), one);
    let other = Options { seed: 8, ..options() };
    assert_ne!(replay(&recording, &other, &mut || {}).unwrap(), one);
}

#[test]
fn without_null_launches_there_are_no_false_reds_to_tell() {
    let replayed = replay(&recording(&[(0.02, 5)]), &options(), &mut || {}).unwrap();
    assert!(replayed.rows.iter().all(|row| row.red_runs.is_none() && row.planted.len() == 1));
    let shown = table::text(&[("a\nb".to_owned(), replayed)], &options(), true);
    assert!(shown.starts_with("a\\nb: pairs of launches: 5 with +2 %; cells: val exec\n"), "{shown}");
    assert!(shown.contains("Where the rules come from"), "{shown}");
}

#[test]
fn history_changes_what_our_rule_shrinks_towards() {
    let recording = recording(&[(0.0, 12), (0.02, 6)]);
    let with = Options { history: true, tolerances: vec![0.0, 0.01], ..options() };
    let without = Options { history: false, ..with.clone() };
    let (with, without) = [with, without].map(|options| replay(&recording, &options, &mut || {}).unwrap()).into();
    assert!(with.rows[0].rule.ends_with("with history"));
    assert_ne!(with.rows[1].planted, without.rows[1].planted);
    // The field's rules know no history.
    assert_eq!(with.rows[2..], without.rows[2..]);
}

#[test]
fn swapped_sides_leave_no_slower_one() {
    // Null launches whose heads are all slower by 3 %, as if the recording were biased.
    let mut recording = recording(&[(0.03, 12)]);
    recording.pairs.iter_mut().for_each(|pair| pair.planted = 0.0);
    let red = |swap: bool| {
        let replayed = replay(&recording, &Options { swap, ..options() }, &mut || {}).unwrap();
        of(&replayed, "tango").planted[0].all.red.value()
    };
    // Ten pairs of 3 % more or less, four observations each: z is 2.6 where seven or more are slower, with probability 0.172.
    assert_eq!(red(false), 1.0);
    assert!((0.12..0.23).contains(&red(true)), "{}", red(true));
}

#[test]
fn one_launch_is_enough_to_say_nothing() {
    let recording = recording(&[(0.0, 1)]);
    let options = Options { runs: 3, cells: 2, launches: 1, most_pairs: 1, ..options() };
    let replayed = replay(&recording, &options, &mut || {}).unwrap();
    let ours = &replayed.rows[0].planted[0].all;
    assert_eq!((ours.red.count, ours.undecided.count, ours.pairs), (0, 6, 6));
}
