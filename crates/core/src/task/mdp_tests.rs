//! Shaping by a machine's potential changes no best policy: value iteration on small random Markov decision processes, whose
//! product with a random machine is walked by the machine itself.

use std::collections::BTreeMap;

use super::{Machine, Observed, Value};
use crate::estimator::Profile;
use crate::random::Random;
use crate::settings::{Config, Quantity, Settings};

const GAMMA: f64 = 0.9;
const STATES: usize = 5;
const ACTIONS: usize = 3;

/// A random task: two or three phases that lead to random ones beside the next, by the distances of two pairs.
fn random_settings(random: &mut Random, gamma: f64, kappa: f64) -> Settings {
    let count = 2 + random.below(2);
    let limit = |random: &mut Random| 0.1 + 0.08 * random.below(10) as f64;
    let pairs = ["fingertip-target", "target-fingertip"];
    let mut phases = String::new();
    for at in 0..count {
        let to = if at + 1 == count {
            "success".to_owned()
        } else {
            format!("p{}", at + 1)
        };
        let (of, other) = (
            pairs[random.below(2) as usize],
            pairs[random.below(2) as usize],
        );
        let back = if random.below(2) == 0 {
            "failure".to_owned()
        } else {
            format!("p{}", random.below(count))
        };
        phases += &format!(
            "  - {{name: p{at}, potential: {{distance: {of}, from: {}}}, next: [
               {{to: {to}, when: [{{distance: {of}, below: {}, hold_s: 0, hysteresis: 0}}]}},
               {{to: {back}, when: [{{distance: {other}, above: {}, hold_s: 0, hysteresis: 0}}]}}]}}\n",
            0.5 + limit(random),
            limit(random),
            limit(random),
        );
    }
    let failure = -0.1 * random.below(10) as f64;
    let text = format!(
        "reward: {{kind: task, gamma: {gamma}, kappa: {kappa}}}\ntask:\n  failure_reward: {failure}\n  phases:\n{}",
        phases
            .replace("\n  - ", "\n    - ")
            .replacen("  - ", "    - ", 1)
    );
    Settings::new(Config::from_yaml(&text).unwrap(), Profile::GEOMETRY).unwrap()
}

/// What a state of the world looks like: the quantities are functions of the state.
fn look(settings: &Settings, state: usize, world: &World) -> Observed {
    let quantities = settings.task.quantities().into_iter().enumerate();
    let known = quantities.map(|(at, quantity): (usize, &Quantity)| {
        let value = world.distances[state][at % 2];
        (
            quantity.clone(),
            Ok(Value {
                value,
                std: Some(0.0),
            }),
        )
    });
    Observed {
        quantities: known.collect(),
        pairs: Vec::new(),
    }
}

struct World {
    /// By state, two distances.
    distances: Vec<[f64; 2]>,
    /// By state and action, the probability of each next state.
    next: Vec<Vec<Vec<f64>>>,
    /// What the world itself pays, by state and action.
    paid: Vec<Vec<f64>>,
}

fn random_world(random: &mut Random) -> World {
    let unit = |random: &mut Random| random.below(1000) as f64 / 1000.0;
    let next = (0..STATES).map(|_| {
        (0..ACTIONS)
            .map(|_| {
                let weights: Vec<f64> = (0..STATES).map(|_| unit(random).powi(3) + 1e-3).collect();
                let sum: f64 = weights.iter().sum();
                weights.iter().map(|weight| weight / sum).collect()
            })
            .collect()
    });
    World {
        next: next.collect(),
        distances: (0..STATES).map(|_| [unit(random), unit(random)]).collect(),
        paid: (0..STATES)
            .map(|_| (0..ACTIONS).map(|_| 0.2 * unit(random)).collect())
            .collect(),
    }
}

/// A state of the product: the world's, and the machine's with the end that it may have reached.
type Node = (usize, i64);

/// The value of every action in every state of the product to who discounts by `GAMMA`, and each state's potential. Beside
/// the reward, each step is worth `bonus` times the potential of the state that it leads to.
fn values(
    settings: &Settings,
    world: &World,
    bonus: f64,
) -> (BTreeMap<Node, [f64; ACTIONS]>, BTreeMap<Node, f64>) {
    let mut machines: BTreeMap<Node, (Machine, f64, bool)> = BTreeMap::new();
    let mut due = Vec::new();
    for state in 0..STATES {
        let mut machine = Machine::new(settings);
        let outcome = machine.push(0, &look(settings, state, world));
        let node = (state, outcome.phase_index);
        machines.insert(
            node,
            (
                machine,
                outcome.potential,
                outcome.success || outcome.failure,
            ),
        );
        due.push(node);
    }
    let mut edges: BTreeMap<Node, Vec<(Node, f64)>> = BTreeMap::new();
    while let Some(node) = due.pop() {
        if edges.contains_key(&node) {
            continue;
        }
        let (machine, _, is_end) = machines[&node].clone();
        let mut out = Vec::new();
        // What a solved or failed task is followed by pays nothing.
        for state in (0..STATES).filter(|_| !is_end) {
            let mut machine = machine.clone();
            let outcome = machine.push(1, &look(settings, state, world));
            let to = (state, outcome.phase_index);
            out.push((to, outcome.reward + bonus * outcome.potential));
            machines.entry(to).or_insert((
                machine,
                outcome.potential,
                outcome.success || outcome.failure,
            ));
            due.push(to);
        }
        edges.insert(node, out);
    }
    let mut values: BTreeMap<Node, [f64; ACTIONS]> =
        edges.keys().map(|node| (*node, [0.0; ACTIONS])).collect();
    for _ in 0..400 {
        let best: BTreeMap<Node, f64> = (values.iter())
            .map(|(node, of)| (*node, of.iter().copied().fold(f64::NEG_INFINITY, f64::max)))
            .collect();
        for (node, of) in &mut values {
            let out = &edges[node];
            for (action, value) in of.iter_mut().enumerate() {
                let arrived = out.iter().zip(&world.next[node.0][action]);
                let arrived: f64 = arrived
                    .map(|((to, reward), share)| share * (reward + GAMMA * best[to]))
                    .sum();
                *value = if out.is_empty() {
                    0.0
                } else {
                    world.paid[node.0][action] + arrived
                };
            }
        }
    }
    let potentials = machines
        .iter()
        .map(|(node, (_, potential, _))| (*node, *potential));
    (values, potentials.collect())
}

#[test]
fn the_best_policy_is_the_same_with_and_without_the_shaping() {
    for seed in 0..60 {
        // Given a random world and a random task in it
        let world = random_world(&mut Random(seed + 1));
        let shaped = random_settings(&mut Random(1000 + seed), GAMMA, 1.0 + seed as f64 % 3.0);
        let plain = random_settings(&mut Random(1000 + seed), GAMMA, 1e-300);
        // When the value of every action is iterated with the shaping and without
        let (shaped_values, potentials) = values(&shaped, &world, 0.0);
        let (plain_values, _) = values(&plain, &world, 0.0);
        // Then they differ by the state's potential alone, whatever the action, so that the same ones are best
        assert_differ_by_potential(
            &shaped_values,
            &plain_values,
            &potentials,
            shaped.reward.kappa,
        );
    }
}

#[test]
fn shaping_without_discount_is_worth_a_part_of_progress_in_each_step_to_who_discounts() {
    for seed in 0..60 {
        // Given a random world and a random task in it, whose shaping is not discounted
        let world = random_world(&mut Random(seed + 1));
        let shaped = random_settings(&mut Random(1000 + seed), 1.0, 1.0 + seed as f64 % 3.0);
        let plain = random_settings(&mut Random(1000 + seed), 1.0, 1e-300);
        let kappa = shaped.reward.kappa;
        // When a learner values it that does discount, and one without shaping that is paid for progress in each step
        let (shaped_values, potentials) = values(&shaped, &world, 0.0);
        let (paid_values, _) = values(&plain, &world, kappa * (1.0 - GAMMA));
        // Then they differ by the state's potential alone
        assert_differ_by_potential(&shaped_values, &paid_values, &potentials, kappa);
    }
}

fn assert_differ_by_potential(
    shaped: &BTreeMap<Node, [f64; ACTIONS]>,
    plain: &BTreeMap<Node, [f64; ACTIONS]>,
    potentials: &BTreeMap<Node, f64>,
    kappa: f64,
) {
    assert_eq!(shaped.len(), plain.len());
    for (node, of) in shaped {
        for (own, other) in of.iter().zip(&plain[node]) {
            let expected = other - kappa * potentials[node];
            assert!(
                (own - expected).abs() < 1e-9,
                "{node:?}: {own} and {expected}"
            );
        }
    }
}

#[test]
fn a_potential_that_was_not_nought_at_an_end_would_be_noticed() {
    // Given the same, with a potential that stays where it was at the end of a task
    let world = random_world(&mut Random(5));
    let settings = random_settings(&mut Random(1004), GAMMA, 1.0);
    let (values, potentials) = values(&settings, &world, 0.0);
    // Then ends are among the states, and they have none
    let ends: Vec<Node> = potentials
        .keys()
        .copied()
        .filter(|node| values[node] == [0.0; ACTIONS])
        .collect();
    assert!(!ends.is_empty());
    assert!(
        ends.iter().all(|node| potentials[node] == 0.0),
        "{potentials:?}"
    );
}

#[test]
fn what_shaping_adds_telescopes_over_an_episode_that_ends_and_over_one_that_is_cut() {
    for seed in 0..40 {
        // Given a walk through a random task
        let mut random = Random(seed + 77);
        let world = random_world(&mut random);
        let settings = random_settings(&mut Random(500 + seed), GAMMA, 1.0);
        let mut machine = Machine::new(&settings);
        let (mut sum, mut discount, mut first, mut last, mut ends) =
            (0.0, 1.0, f64::NAN, f64::NAN, 0.0);
        // When each step's shaping is added up, discounted, until the task ends or the walk is cut
        for step in 0..30 {
            let state = random.below(STATES as u64) as usize;
            let outcome = machine.push(step, &look(&settings, state, &world));
            last = outcome.potential;
            if step == 0 {
                first = outcome.potential;
            } else {
                sum += discount * outcome.reward;
                discount *= GAMMA;
            }
            if outcome.entered_end {
                let worth = if outcome.success {
                    settings.task.success_reward
                } else {
                    settings.task.failure_reward
                };
                // The last step's worth was paid with it.
                ends = if step == 0 {
                    0.0
                } else {
                    worth * discount / GAMMA
                };
                break;
            }
        }
        // Then it is the potential of the last state, 0 at a true end, less that of the first
        let expected = discount * last - first;
        assert!(
            (sum - ends - expected).abs() < 1e-9,
            "seed {seed}: {} and {expected}",
            sum - ends
        );
    }
}
