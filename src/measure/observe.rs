//! How many observations of a stage are made, of what batch size, and when to stop.
//!
//! Invariants: at least one observation, whatever it costs; no further one once the time is used up; disturbed observations are kept
//! and taken again, never dropped. Knows neither stages nor clocks: both are handed in, which is how it is tested.

use crate::model::{Nanos, Observation};

use super::protocol::Measure;

/// Largest batch: operations of 10 ns fill a millisecond with it, and nothing an engine does is shorter.
pub const MAX_BATCH: u32 = 100_000;

/// Fastest growth of the batch while it is sought; a first operation may be far slower than the ones after it.
const GROWTH: f64 = 16.0;

/// Makes the observations of one request.
///
/// `run` makes one observation of the given batch; `clock` is any monotonic clock. Unless the stage was run before in this launch
/// (`warm`), the first operation is for warming up, and is not an observation; but if it alone takes all the time there is, it is the
/// only one: a second would cost a minute more and teach little.
///
/// # Errors
/// The first error of `run`.
pub fn observe<E>(
    request: &Measure,
    warm: bool,
    clock: impl Fn() -> Nanos,
    mut run: impl FnMut(u32) -> Result<Observation, E>,
) -> Result<Vec<Observation>, E> {
    let start = clock();
    let time_is_up = || clock().0.saturating_sub(start.0) >= request.time_cap.0;
    if !warm {
        let first = run(1)?;
        if first.wall >= request.time_cap {
            return Ok(vec![first]);
        }
    }
    let (batch, mut observations) = match request.batch {
        Some(batch) => (batch.clamp(1, MAX_BATCH), Vec::new()),
        None => find_batch(request.min_batch, &time_is_up, &mut run)?,
    };
    let wanted = request.max_observations.max(1) as usize;
    let quiet = |observations: &[Observation]| observations.iter().filter(|seen| !seen.is_disturbed()).count();
    while observations.is_empty() || (quiet(&observations) < wanted && observations.len() < 2 * wanted && !time_is_up())
    {
        observations.push(run(batch)?);
    }
    Ok(observations)
}

/// The batch that takes `shortest`, and the observation that found it if it was of that size.
fn find_batch<E>(
    shortest: Nanos,
    time_is_up: &impl Fn() -> bool,
    run: &mut impl FnMut(u32) -> Result<Observation, E>,
) -> Result<(u32, Vec<Observation>), E> {
    let mut batch = 1;
    loop {
        let seen = run(batch)?;
        let factor = shortest.as_f64() / seen.wall.as_f64().max(1.0);
        // From half the time on, the estimate is good enough to go the rest of the way at once.
        if factor <= 2.0 || batch == MAX_BATCH || time_is_up() {
            let found = scaled(batch, factor);
            let observations = if found == batch { vec![seen] } else { Vec::new() };
            return Ok((found, observations));
        }
        batch = scaled(batch, factor.min(GROWTH)).max(batch + 1).min(MAX_BATCH);
    }
}

fn scaled(batch: u32, factor: f64) -> u32 {
    // The cast saturates, and the clamp is far below that.
    ((f64::from(batch) * factor).ceil() as u32).clamp(1, MAX_BATCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Stage;
    use std::cell::{Cell, RefCell};

    fn request(batch: Option<u32>, max_observations: u32, time_cap: u64) -> Measure {
        Measure {
            stage: Stage::Compile,
            batch,
            min_batch: Nanos(1_000_000),
            max_observations,
            time_cap: Nanos(time_cap),
        }
    }

    fn seen(batch: u32, wall: u64) -> Observation {
        Observation {
            batch,
            wall: Nanos(wall),
            cpu: Nanos(wall),
            voluntary: 0,
            involuntary: 0,
            minor_faults: 0,
            major_faults: 0,
            lap: None,
        }
    }

    /// A stage whose first operation takes `cold` and every other one `warm` nanoseconds, on a clock that only it moves.
    fn play(request: &Measure, cold: u64, each: u64) -> (Vec<Observation>, Vec<u32>) {
        let (now, batches) = (Cell::new(0_u64), RefCell::new(Vec::new()));
        let observations = observe(
            request,
            false,
            || Nanos(now.get()),
            |batch| {
                let wall = if batches.borrow().is_empty() { cold } else { each * u64::from(batch) };
                batches.borrow_mut().push(batch);
                now.set(now.get() + wall);
                Ok::<_, ()>(seen(batch, wall))
            },
        );
        (observations.unwrap(), batches.into_inner())
    }

    #[test]
    fn short_operations_are_batched_to_the_shortest_batch() {
        let (observations, batches) = play(&request(None, 5, u64::MAX), 50_000, 3_000);
        assert_eq!(observations.len(), 5);
        assert!(observations.iter().all(|seen| seen.batch == 334), "{batches:?}");
    }

    #[test]
    fn long_operations_stay_alone_and_finding_out_costs_nothing() {
        let (observations, batches) = play(&request(None, 3, u64::MAX), 30_000_000, 20_000_000);
        assert_eq!((observations.len(), batches), (3, vec![1, 1, 1, 1]));
    }

    #[test]
    fn a_first_operation_that_takes_all_the_time_is_the_observation() {
        let (observations, batches) = play(&request(None, 3, 1_000), 2_000, 2_000);
        assert_eq!((observations, batches), (vec![seen(1, 2_000)], vec![1]));
    }

    #[test]
    fn time_stops_further_observations_but_not_the_first() {
        let (observations, _) = play(&request(Some(2), 100, 10_000_000), 9_999_999, 4_000_000);
        assert_eq!(observations.len(), 1);
        let (observations, _) = play(&request(Some(1), 100, 10_000_000), 1_000_000, 4_000_000);
        assert_eq!(observations.len(), 3);
    }

    #[test]
    fn batches_have_a_limit() {
        let (observations, batches) = play(&request(None, 1, u64::MAX), 10, 0);
        assert_eq!(observations[0].batch, MAX_BATCH, "{batches:?}");
    }

    #[test]
    fn disturbed_observations_are_taken_again_within_bounds_and_kept() {
        let mut count = 0;
        let clock = || Nanos(0);
        let observations = observe(&request(Some(1), 4, u64::MAX), true, clock, |batch| {
            count += 1;
            let involuntary = u32::from(count <= 2);
            let cpu = Nanos(if count <= 2 { 500 } else { 1_000 });
            Ok::<_, ()>(Observation { involuntary, cpu, ..seen(batch, 1_000) })
        })
        .unwrap();
        assert_eq!(observations.len(), 6);
        assert_eq!(observations.iter().filter(|seen| seen.is_disturbed()).count(), 2);
        let always = observe(&request(Some(1), 4, u64::MAX), true, clock, |batch| {
            Ok::<_, ()>(Observation { involuntary: 1, cpu: Nanos(1), ..seen(batch, 1_000) })
        });
        assert_eq!(always.unwrap().len(), 8);
    }

    #[test]
    fn a_warm_stage_is_not_warmed_again() {
        let mut batches = Vec::new();
        observe(
            &request(Some(7), 2, u64::MAX),
            true,
            || Nanos(0),
            |batch| {
                batches.push(batch);
                Ok::<_, ()>(seen(batch, 10))
            },
        )
        .unwrap();
        assert_eq!(batches, [7, 7]);
    }

    #[test]
    fn without_time_there_is_exactly_one_observation_however_disturbed() {
        let request = Measure::once(Stage::Compile, 5);
        let disturbed = |batch| Ok::<_, ()>(Observation { involuntary: 1, cpu: Nanos(1), ..seen(batch, 1_000) });
        let observations = observe(&request, true, || Nanos(0), disturbed).unwrap();
        assert_eq!(observations.iter().map(|seen| seen.batch).collect::<Vec<_>>(), [5]);
        assert!(observations[0].is_disturbed());
    }

    #[test]
    fn an_error_ends_it() {
        assert_eq!(observe(&request(None, 2, 10), false, || Nanos(0), |_| Err("broken")), Err("broken"));
    }
}
