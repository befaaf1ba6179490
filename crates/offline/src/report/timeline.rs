//! The steps on a time axis: seconds since the first frame, spans of one state, unbroken runs of a
//! value thinned to what a picture can show. Shared by the PNG and the HTML.

use spatial_reward_core::step::Step;
use spatial_reward_figures::style::State;

/// Consecutive steps of one episode in the same state, in seconds. A step reaches half-way to its
/// neighbours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Span<Of = State> {
    /// What the steps have in common.
    pub state: Of,
    /// Where the first begins.
    pub begin_s: f64,
    /// Where the last ends.
    pub end_s: f64,
}

/// A time in seconds and a value there.
pub(crate) type Point = (f64, f64);

/// Steps with their times.
pub(crate) struct Timeline<'a> {
    steps: &'a [Step],
    times_s: Vec<f64>,
    /// Half the usual time between two frames, in seconds.
    half_period_s: f64,
}

impl<'a> Timeline<'a> {
    /// Of steps in stream order; the earliest stamp is time 0.
    pub(crate) fn new(steps: &'a [Step]) -> Self {
        let first = steps
            .iter()
            .map(|step| step.timeline_nanos)
            .min()
            .unwrap_or(0);
        let times_s: Vec<f64> = steps
            .iter()
            .map(|step| (i128::from(step.timeline_nanos) - i128::from(first)) as f64 / 1e9)
            .collect();
        let periods: Vec<f64> = times_s
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .filter(|period| *period > 0.0)
            .collect();
        let half_period_s = spatial_reward_core::statistics::median(&periods).unwrap_or(1.0) / 2.0;
        Self {
            steps,
            times_s,
            half_period_s,
        }
    }

    /// Each step with its time in seconds.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (f64, &'a Step)> {
        self.times_s.iter().copied().zip(self.steps)
    }

    /// The time of the step with that `Step::index`, and the step.
    pub(crate) fn find(&self, index: u64) -> Option<(f64, &'a Step)> {
        let position = self
            .steps
            .binary_search_by_key(&index, |step| step.index)
            .ok()?;
        Some((*self.times_s.get(position)?, self.steps.get(position)?))
    }

    /// From the first step's begin to the last step's end; never empty.
    pub(crate) fn range_s(&self) -> (f64, f64) {
        let last = self.times_s.iter().copied().fold(0.0, f64::max);
        (-self.half_period_s, last + self.half_period_s)
    }

    /// Where an episode other than the first begins, in seconds, with its number.
    pub(crate) fn episode_begins(&self) -> Vec<(f64, u64)> {
        let pairs = self.steps.windows(2).zip(self.times_s.windows(2));
        pairs
            .filter(|(steps, _)| steps[0].episode != steps[1].episode)
            .map(|(steps, times)| ((times[0] + times[1]) / 2.0, steps[1].episode))
            .collect()
    }

    /// The whole recording as spans, in order.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.spans_of(State::of)
    }

    /// The same of what else steps may have in common.
    pub(crate) fn spans_of<Of: Copy + PartialEq>(&self, of: impl Fn(&Step) -> Of) -> Vec<Span<Of>> {
        let mut spans: Vec<(u64, Span<Of>)> = vec![];
        let mut before: Option<f64> = None;
        for (position, (time, step)) in self.iter().enumerate() {
            let after = self.times_s.get(position + 1).copied();
            let reach = |neighbour: Option<f64>| {
                let gap = neighbour.map_or(f64::MAX, |other| (time - other).abs());
                (gap / 2.0).min(self.half_period_s)
            };
            let (begin_s, end_s) = (time - reach(before), time + reach(after));
            let state = of(step);
            match spans.last_mut() {
                Some((episode, span)) if *episode == step.episode && span.state == state => {
                    span.end_s = end_s;
                }
                _ => spans.push((
                    step.episode,
                    Span {
                        state,
                        begin_s,
                        end_s,
                    },
                )),
            }
            before = Some(time);
        }
        spans.into_iter().map(|(_, span)| span).collect()
    }

    /// The finite values in unbroken runs: a step without one, or a new episode, ends a run.
    pub(crate) fn runs(&self, value: impl Fn(usize, &Step) -> f64) -> Vec<Vec<Point>> {
        let points: Vec<(Point, u64)> = self
            .iter()
            .enumerate()
            .map(|(position, (time, step))| ((time, value(position, step)), step.episode))
            .collect();
        points
            .chunk_by(|((_, a), episode_a), ((_, b), episode_b)| {
                a.is_finite() && b.is_finite() && episode_a == episode_b
            })
            .map(|run| run.iter().map(|(point, _)| *point).collect::<Vec<_>>())
            .filter(|run| run.iter().all(|(_, value)| value.is_finite()))
            .collect()
    }
}

/// The runs as a picture whose columns are `column_s` wide shows them: gaps narrower than a column are
/// closed, and of each column only the first, lowest, highest and last point is kept. The number of
/// points is bounded by the columns, however many steps there are.
pub(crate) fn thinned(runs: &[Vec<Point>], column_s: f64) -> Vec<Vec<Point>> {
    let mut closed: Vec<Vec<Point>> = vec![];
    for run in runs {
        let gap = |last: &Vec<Point>| Some(run.first()?.0 - last.last()?.0);
        match closed.last_mut() {
            Some(last) if gap(last).is_some_and(|gap| (0.0..column_s).contains(&gap)) => {
                last.extend(run);
            }
            _ => closed.push(run.clone()),
        }
    }
    closed
        .iter()
        .map(|run| thinned_run(run, column_s))
        .collect()
}

fn thinned_run(run: &[Point], column_s: f64) -> Vec<Point> {
    let column = |point: &Point| (point.0 / column_s).floor();
    let mut kept = Vec::with_capacity(run.len());
    for column in run.chunk_by(|a, b| column(a) == column(b)) {
        let by_value = |a: &&Point, b: &&Point| a.1.total_cmp(&b.1);
        let extremes = [
            column.first(),
            column.iter().min_by(by_value),
            column.iter().max_by(by_value),
            column.last(),
        ];
        let mut of_column: Vec<Point> = extremes.into_iter().flatten().copied().collect();
        of_column.sort_by(|a, b| a.0.total_cmp(&b.0));
        of_column.dedup();
        kept.extend(of_column);
    }
    kept
}

/// Spans narrower than `width_s` apart from their like are joined, so that a flicker of thousands of
/// steps stays a bounded number of shapes. Order and extent are kept to that width.
pub(crate) fn joined<Of: Copy + PartialEq>(
    spans: &[Span<Of>],
    state: Of,
    width_s: f64,
) -> Vec<Span<Of>> {
    let mut joined: Vec<Span<Of>> = vec![];
    for span in spans.iter().filter(|span| span.state == state) {
        match joined.last_mut() {
            Some(last) if span.begin_s - last.end_s < width_s => {
                last.end_s = last.end_s.max(span.end_s);
            }
            _ => joined.push(*span),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use spatial_reward_core::frame::Reason;

    use super::*;
    use crate::report::fixtures::{approach, invalid, split_episode};

    #[test]
    fn spans_meet_half_way_and_break_at_episodes() {
        let mut steps = approach(6);
        steps[2] = invalid(2, Reason::StaleBox);
        split_episode(&mut steps, 4);
        let spans = Timeline::new(&steps).spans();
        let described: Vec<_> = spans
            .iter()
            .map(|span| (span.state, span.begin_s, span.end_s))
            .collect();
        let expected = [
            (State::Valid, -0.05, 0.15),
            (State::Invalid(Reason::StaleBox), 0.15, 0.25),
            (State::Valid, 0.25, 0.35),
            (State::Valid, 0.35, 0.55),
        ];
        assert_eq!(described.len(), expected.len());
        for (got, want) in described.iter().zip(expected) {
            assert_eq!(got.0, want.0);
            assert!((got.1 - want.1).abs() < 1e-9 && (got.2 - want.2).abs() < 1e-9);
        }
    }

    #[test]
    fn a_pause_of_the_camera_is_not_filled() {
        let mut steps = approach(4);
        for step in &mut steps[2..] {
            step.timeline_nanos += 60_000_000_000;
        }
        steps[1].reason = Some(Reason::NoDepth);
        let span = Timeline::new(&steps).spans()[1];
        assert!(span.end_s < 0.2, "{span:?}");
    }

    #[test]
    fn runs_break_at_gaps_and_episodes() {
        let mut steps = approach(6);
        steps[1] = invalid(1, Reason::NoDepth);
        split_episode(&mut steps, 4);
        let runs = Timeline::new(&steps).runs(|_, step| step.distance_m);
        let lengths: Vec<_> = runs.iter().map(Vec::len).collect();
        assert_eq!(lengths, [1, 2, 2]);
    }

    #[test]
    fn thinning_keeps_the_extremes() {
        let run: Vec<Point> = (0..10_000)
            .map(|i| (f64::from(i) * 1e-3, f64::from(i % 97)))
            .collect();
        let thin = thinned_run(&run, 1.0);
        assert!(thin.len() <= 40, "{}", thin.len());
        assert!(thin.iter().any(|point| point.1 == 96.0));
        assert_eq!((thin[0], thin[thin.len() - 1]), (run[0], run[9999]));
        assert!(thin.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    }

    #[test]
    fn gaps_too_narrow_to_see_are_closed() {
        let runs = [
            vec![(0.0, 1.0), (0.1, 1.0)],
            vec![(0.3, 2.0)],
            vec![(5.0, 3.0)],
        ];
        let expected = [vec![(0.0, 1.0), (0.3, 2.0)], vec![(5.0, 3.0)]];
        assert_eq!(thinned(&runs, 1.0), expected);
    }

    #[test]
    fn no_or_one_step_still_has_a_range() {
        for count in [0, 1] {
            let steps = approach(count);
            let (begin, end) = Timeline::new(&steps).range_s();
            assert!(begin < end);
        }
    }
}
