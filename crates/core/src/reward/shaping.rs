//! What a distance is worth: each reward of the public contract as a pure function of metres, and
//! the potential-based shaping term that keeps optimal policies (Ng, Harada and Russell 1999).

use crate::settings::{Reward, RewardKind};

/// `-d`: 0 at contact, lower further away.
pub fn dense(distance_m: f64) -> f64 {
    // Not `-distance_m`, which would write contact as negative zero.
    0.0 - distance_m
}

/// 0 at or below the threshold, -1 above it (Gymnasium-Robotics Fetch).
pub fn sparse(distance_m: f64, threshold_m: f64) -> f64 {
    if distance_m <= threshold_m { 0.0 } else { -1.0 }
}

/// `1 - tanh(k d)`: 1 at contact, towards 0 far away (robosuite).
pub fn tanh(distance_m: f64, k_per_m: f64) -> f64 {
    1.0 - (k_per_m * distance_m).tanh()
}

/// `exp(-d / sigma)`: 1 at contact, towards 0 far away.
pub fn exp(distance_m: f64, sigma_m: f64) -> f64 {
    (-distance_m / sigma_m).exp()
}

/// The share of the first distance that is covered, in [0, 1]. An episode that starts at contact
/// has all of it covered as long as the contact lasts, and none of it afterwards.
pub fn progress(distance_m: f64, first_distance_m: f64) -> f64 {
    if distance_m <= 0.0 {
        return 1.0;
    }
    (1.0 - distance_m / first_distance_m).clamp(0.0, 1.0)
}

/// Phi = -d, the potential of a state that is not terminal.
pub fn potential(distance_m: f64) -> f64 {
    dense(distance_m)
}

/// F = gamma Phi' - Phi: what the step from one potential to the next adds, before its weight.
pub fn shaping_term(gamma: f64, potential_before: f64, potential: f64) -> f64 {
    gamma * potential - potential_before
}

/// The configured reward without shaping: `reward.base` where the kind is `shaped`, else the kind
/// itself. `sparse_m` is the threshold of `sparse`, `first_distance_m` the episode's first valid distance.
pub fn base_reward(config: &Reward, sparse_m: f64, distance_m: f64, first_distance_m: f64) -> f64 {
    let kind = match config.kind {
        RewardKind::Shaped => config.base,
        kind => kind,
    };
    match kind {
        // `Config::validate` refuses `base: shaped`.
        RewardKind::Dense | RewardKind::Shaped => dense(distance_m),
        RewardKind::Sparse => sparse(distance_m, sparse_m),
        RewardKind::Tanh => tanh(distance_m, config.k_per_m),
        RewardKind::Exp => exp(distance_m, config.sigma_m),
        RewardKind::Progress => progress(distance_m, first_distance_m),
        // The task's machine says it, which looks at more than a distance.
        RewardKind::Task => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn each_reward_has_its_value_by_hand() {
        assert_eq!(dense(0.25), -0.25);
        assert!(dense(0.0).is_sign_positive(), "contact is 0, not -0");
        assert_eq!(sparse(0.05, 0.05), 0.0, "the threshold itself is inside");
        assert_eq!(sparse(0.050_001, 0.05), -1.0);
        assert!((tanh(0.1, 10.0) - (1.0 - 1f64.tanh())).abs() < 1e-15);
        assert!((exp(0.1, 0.1) - (-1f64).exp()).abs() < 1e-15);
        assert_eq!(progress(0.1, 0.4), 0.75);
        assert_eq!(progress(0.5, 0.4), 0.0, "further than at the start");
    }

    #[test]
    fn progress_from_contact_is_defined() {
        assert_eq!(progress(0.0, 0.0), 1.0);
        assert_eq!(progress(0.01, 0.0), 0.0);
    }

    #[test]
    fn every_reward_falls_with_distance_and_is_highest_at_contact() {
        let kinds = [
            RewardKind::Dense,
            RewardKind::Sparse,
            RewardKind::Tanh,
            RewardKind::Exp,
            RewardKind::Progress,
        ];
        let mut random = Random(1);
        for kind in kinds {
            let config = Reward {
                kind,
                ..Reward::default()
            };
            let value = |d: f64| base_reward(&config, 0.05, d, 0.4);
            for _ in 0..500 {
                let (a, b) = (random.unit(), random.unit());
                let (near, far) = (a.min(b), a.max(b));
                assert!(value(near) >= value(far), "{kind:?}: {near} against {far}");
                assert!(value(0.0) >= value(near), "{kind:?}");
            }
        }
    }

    #[test]
    fn shaped_is_built_on_its_base() {
        let config = Reward {
            kind: RewardKind::Shaped,
            base: RewardKind::Sparse,
            ..Reward::default()
        };
        assert_eq!(base_reward(&config, 0.05, 0.2, 0.4), -1.0);
    }
}
