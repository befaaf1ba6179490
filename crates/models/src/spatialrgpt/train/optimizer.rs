//! AdamW (Loshchilov and Hutter 2019) on one vector of parameters, the gradient's clipping by its norm,
//! and the learning rate's course: a linear rise, then a cosine down to a tenth.

use std::f64::consts::PI;

use tch::{Kind, Tensor};

use crate::nn::torch::TchResult;

const BETA_1: f64 = 0.9;
/// Lower than Adam's 0.999: short runs see few gradients, and those of the first steps are soon stale.
const BETA_2: f64 = 0.98;
const EPSILON: f64 = 1e-8;
/// What is left of the learning rate at the end, as a share of its peak.
const LAST_SHARE: f64 = 0.05;

/// How fast it learns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Schedule {
    /// The highest learning rate.
    pub peak: f64,
    /// Steps of the rise.
    pub warmup_steps: u64,
    /// All steps.
    pub steps: u64,
}

impl Schedule {
    /// The learning rate of a step, counted from 0.
    pub(super) fn at(&self, step: u64) -> f64 {
        if step < self.warmup_steps {
            return self.peak * (step + 1) as f64 / self.warmup_steps as f64;
        }
        let course = (self.steps - self.warmup_steps.min(self.steps)).max(1) as f64;
        let done = ((step - self.warmup_steps) as f64 / course).min(1.0);
        let cosine = (1.0 + (PI * done).cos()) / 2.0;
        self.peak * (LAST_SHARE + (1.0 - LAST_SHARE) * cosine)
    }
}

/// The running means of the gradient and of its square.
pub(super) struct AdamW {
    /// Of the gradient.
    pub mean: Tensor,
    /// Of its square.
    pub square: Tensor,
    /// By how much values shrink, as a share of the learning rate.
    pub weight_decay: f64,
}

impl AdamW {
    /// Begins, with means of zero.
    ///
    /// # Errors
    /// libtorch's, of which memory is the one to expect.
    pub(super) fn new(values: &Tensor, weight_decay: f64) -> TchResult<Self> {
        Ok(Self {
            mean: values.f_zeros_like()?,
            square: values.f_zeros_like()?,
            weight_decay,
        })
    }

    /// Moves `values` by one step, counted from 0. The first `decayed` of them also shrink.
    pub(super) fn step(
        &mut self,
        values: &mut Tensor,
        gradient: &Tensor,
        decayed: i64,
        rate: f64,
        step: u64,
    ) -> TchResult<()> {
        tch::no_grad(|| {
            let count = (step + 1) as f64;
            let _ = self.mean.f_mul_scalar_(BETA_1)?;
            let _ = self.mean.f_add_(&gradient.f_mul_scalar(1.0 - BETA_1)?)?;
            let _ = self.square.f_mul_scalar_(BETA_2)?;
            let _ = self
                .square
                .f_addcmul_(&gradient.f_mul_scalar(1.0 - BETA_2)?, gradient)?;
            let _ = values
                .f_narrow(0, 0, decayed)?
                .f_mul_scalar_(1.0 - rate * self.weight_decay)?;
            // Both means begin at zero, which these make up for.
            let (bias_1, bias_2) = (1.0 - BETA_1.powf(count), 1.0 - BETA_2.powf(count));
            let root = self
                .square
                .f_div_scalar(bias_2)?
                .f_sqrt()?
                .f_add_scalar(EPSILON)?;
            let direction = self.mean.f_div(&root)?;
            let _ = values.f_add_(&direction.f_mul_scalar(-rate / bias_1)?)?;
            Ok(())
        })
    }
}

/// Shortens a gradient to a length of at most `limit`; gives the length it had, which is NaN or infinite
/// where one of its numbers is.
pub(super) fn clip(gradient: &mut Tensor, limit: f64) -> TchResult<f64> {
    tch::no_grad(|| {
        let norm = f64::try_from(gradient.f_square()?.f_sum(Kind::Double)?.f_sqrt()?)?;
        if norm > limit {
            let _ = gradient.f_mul_scalar_(limit / norm)?;
        }
        Ok(norm)
    })
}

#[cfg(test)]
mod tests {
    use tch::{Kind, Tensor};

    use super::{AdamW, Schedule, clip};

    #[test]
    fn the_rate_rises_and_falls() {
        let schedule = Schedule {
            peak: 1.0,
            warmup_steps: 10,
            steps: 110,
        };
        assert!((schedule.at(0) - 0.1).abs() < 1e-12);
        assert!((schedule.at(9) - 1.0).abs() < 1e-12);
        assert!((schedule.at(60) - 0.525).abs() < 1e-12);
        assert!((schedule.at(110) - 0.05).abs() < 1e-12);
        assert!((schedule.at(1000) - 0.05).abs() < 1e-12);
    }

    #[test]
    fn it_finds_the_bottom_of_a_bowl() {
        let target = Tensor::from_slice(&[1.0_f32, -2.0, 3.0]);
        let mut values = Tensor::zeros(3, (Kind::Float, tch::Device::Cpu));
        let mut optimizer = AdamW::new(&values, 0.0).unwrap();
        for step in 0..400 {
            let gradient = (&values - &target) * 2.0;
            let rate = if step < 200 { 0.05 } else { 0.005 };
            optimizer
                .step(&mut values, &gradient, 0, rate, step)
                .unwrap();
        }
        let off = f64::try_from((&values - &target).abs().max()).unwrap();
        assert!(off < 0.01, "off by {off}");
    }

    #[test]
    fn only_the_decayed_shrink() {
        let mut values = Tensor::from_slice(&[1.0_f32, 1.0]);
        let mut optimizer = AdamW::new(&values, 0.5).unwrap();
        let still = Tensor::zeros(2, (Kind::Float, tch::Device::Cpu));
        optimizer.step(&mut values, &still, 1, 0.1, 0).unwrap();
        assert_eq!(Vec::<f32>::try_from(&values).unwrap(), [0.95, 1.0]);
    }

    #[test]
    fn a_long_gradient_is_shortened() {
        let mut gradient = Tensor::from_slice(&[3.0_f32, 4.0]);
        assert_eq!(clip(&mut gradient, 1.0).unwrap(), 5.0);
        let length = f64::try_from(gradient.norm()).unwrap();
        assert!((length - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_gradient_that_is_no_number_says_so() {
        let mut gradient = Tensor::from_slice(&[f32::NAN, 4.0]);
        assert!(clip(&mut gradient, 1.0).unwrap().is_nan());
    }
}
