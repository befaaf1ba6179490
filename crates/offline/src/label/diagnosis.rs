//! From what a bag's messages looked like to why its steps could not be measured: each reason has causes of its own, and
//! those are named that this bag has evidence of.

use std::collections::BTreeMap;

use super::advice::{Advice, Cause};
use super::delay::BoxDelay;
use super::evidence::Stream;
use super::intake::{Intake, Unreadable};
use super::roles::Roles;
use crate::role::Role;
use spatial_reward_core::following::Elapsed;
use spatial_reward_core::frame::{BoundingBox, Reason};
use spatial_reward_core::pipeline::measure::{Broken, fitted_to};
use spatial_reward_core::registration::Registration;
use spatial_reward_core::settings::Settings;
use spatial_reward_core::stamp::seconds_between;
use spatial_reward_core::statistics::median;
use spatial_reward_core::step::Step;

/// Fewer invalid steps than this share are nothing to speak of.
const WORTH_A_WORD: f64 = 0.1;
/// A figure holds for a stream if it does for this share of it.
const MOST: f64 = 0.8;
/// 16 bits of millimetres end here, in metres, and so does every camera that a hand reaches before.
const BEYOND_ANY_CAMERA_M: f64 = 65.5;
const MILLIMETRES_PER_METRE: f64 = 1000.0;
/// Depth images that come as many times more seldom than images leave some without.
const MOST_SELDOM: f64 = 1.5;
/// Where fewer pixels of a depth picture have a measurement, it is full of holes.
const FEW_PIXELS: f64 = 0.2;

/// What is known of a bag once it is read.
pub(super) struct Case<'a> {
    /// Its steps.
    pub steps: &'a [Step],
    /// What its messages said.
    pub intake: &'a Intake<'a>,
    /// Its topics.
    pub roles: &'a Roles,
    /// Pictures that could not be used.
    pub broken: &'a BTreeMap<&'static str, Unreadable>,
    /// What the depth was registered with, for all of the bag.
    pub registration: Option<&'a Registration>,
    /// The settings in force.
    pub settings: &'a Settings,
}

impl Case<'_> {
    /// `None` where too few steps are invalid to speak of.
    pub(super) fn advice(&self) -> Option<Advice> {
        let mut counts: BTreeMap<Reason, u64> = BTreeMap::new();
        for reason in self.steps.iter().filter_map(|step| step.reason) {
            *counts.entry(reason).or_default() += 1;
        }
        let (invalid, steps) = (counts.values().sum::<u64>(), self.steps.len() as u64);
        if (invalid as f64) < WORTH_A_WORD * steps as f64 {
            return None;
        }
        // Of equals the first of the list.
        let (reason, count) = counts.into_iter().rev().max_by_key(|(_, count)| *count)?;
        let mut causes = self.causes(reason);
        if causes.is_empty() {
            causes.push(Cause::Unexplained);
        }
        Some(Advice {
            reason,
            count,
            invalid,
            steps,
            causes,
        })
    }

    fn causes(&self, reason: Reason) -> Vec<Cause> {
        let boxes = [Role::Fingertip, Role::Target];
        let missing = |roles: [Role; 2]| {
            let each = roles.into_iter().map(|role| self.missing_boxes(role));
            each.flatten().collect()
        };
        match reason {
            Reason::NoFingertipBox | Reason::StaleBox => missing(boxes),
            Reason::NoTargetBox => missing([Role::Target, Role::Fingertip]),
            Reason::BoxOutsideImage => boxes
                .into_iter()
                .flat_map(|role| match self.normalized(role) {
                    Some(normalized) => vec![normalized],
                    None => [self.not_finite(role), self.outside(role)]
                        .into_iter()
                        .flatten()
                        .collect(),
                })
                .collect(),
            Reason::NoDepth => self.missing_depth(),
            Reason::DepthInvalid => {
                let of_frames = self.settings.regions.have_frames();
                let of_frames = of_frames.then_some(Cause::FrameElsewhere);
                of_frames.into_iter().chain(self.bad_depth()).collect()
            }
            Reason::ImplausibleDistance => {
                let too_far = Cause::TooFar {
                    max_distance_m: self.settings.estimator.max_distance_m,
                };
                self.depth_values().into_iter().chain([too_far]).collect()
            }
            Reason::UnparsedAnswer => self.answer().into_iter().collect(),
            Reason::NoImage => (Broken::COLORS.into_iter())
                .filter_map(|what| self.broken_pictures(what))
                .collect(),
            Reason::Late => vec![Cause::OutOfOrder],
            Reason::WildStamp => vec![Cause::WildStamps],
            Reason::Uncertain => self.too_uncertain().into_iter().collect(),
            Reason::NoTransform => self.broken_pictures("transform").into_iter().collect(),
            Reason::Occluded => vec![Cause::FrameElsewhere],
            Reason::LostBox => self.lost().into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// The longest stretch of steps in which a drawn region is lost.
    fn lost(&self) -> Option<Cause> {
        let stretches = self.steps.chunk_by(|step, next| step.reason == next.reason);
        let lost = stretches.filter(|stretch| stretch[0].reason == Some(Reason::LostBox));
        let longest = lost.rev().max_by_key(|stretch| stretch.len())?;
        let begin = longest.first()?;
        let mut elapsed = Elapsed::default();
        let times = self
            .steps
            .iter()
            .take_while(|step| step.index <= begin.index);
        let since = times
            .map(|step| elapsed.until(step.timeline_nanos))
            .last()?;
        let role = match begin.target_source {
            None if self.settings.regions.target.is_followed() => Role::Target,
            _ => Role::Fingertip,
        };
        Some(Cause::LostRegion {
            role,
            since_s: seconds_between(0, since),
            steps: longest.len() as u64,
        })
    }

    /// Where the boxes of a role come from: one topic for both is the fingertip's.
    fn source(&self, role: Role) -> Role {
        match role {
            Role::Target if self.roles.shares_boxes() => Role::Fingertip,
            role => role,
        }
    }

    fn boxes(&self, role: Role) -> Option<&Stream> {
        self.intake.evidence().stream(self.source(role))
    }

    fn missing_boxes(&self, role: Role) -> Vec<Cause> {
        let regions = &self.settings.regions;
        let region = match role {
            Role::Target => &regions.target,
            _ => &regions.fingertip,
        };
        if let Some(sought) = region.sought() {
            return vec![Cause::Unfound { role, sought }];
        }
        let Some(stream) = self.boxes(role) else {
            // One that was drawn may not have begun.
            let silent = region.is_detected().then(|| self.silent(role));
            return silent.into_iter().collect();
        };
        let causes = [
            self.unreadable(role, stream),
            self.other_classes(role),
            self.low_scores(role, stream),
            self.apart(role),
            self.left_out(role).or_else(|| self.empty(role, stream)),
            self.seldom(role),
        ];
        causes.into_iter().flatten().collect()
    }

    fn silent(&self, role: Role) -> Cause {
        match self.intake.unreadable().get(&self.source(role)) {
            Some(Unreadable { count, first }) => Cause::UnreadableMessages {
                role,
                count: *count,
                why: first.clone(),
            },
            None => Cause::NoMessages { role },
        }
    }

    fn unreadable(&self, role: Role, stream: &Stream) -> Option<Cause> {
        let unreadable = self.intake.unreadable().get(&self.source(role))?;
        (unreadable.count > stream.messages).then(|| self.silent(role))
    }

    fn left_out(&self, role: Role) -> Option<Cause> {
        let Unreadable { count, first } = self.intake.left_out().get(&self.source(role))?;
        Some(Cause::ObjectsLeftOut {
            role,
            count: *count,
            why: first.clone(),
        })
    }

    fn other_classes(&self, role: Role) -> Option<Cause> {
        let seen: Vec<String> = (self.intake.classes(self.source(role)))
            .map(str::to_owned)
            .collect();
        let topics = &self.settings.topics;
        let (typed, shared) = match role {
            Role::Target => (&topics.target_class, "target"),
            _ => (&topics.fingertip_class, "fingertip"),
        };
        let wanted = match (typed.is_empty(), self.roles.shares_boxes()) {
            (false, _) => typed.clone(),
            (true, true) => vec![shared.to_owned()],
            (true, false) => return None,
        };
        let none_counts = !seen.is_empty() && !seen.iter().any(|class| wanted.contains(class));
        none_counts.then_some(Cause::OtherClasses { role, wanted, seen })
    }

    fn low_scores(&self, role: Role, stream: &Stream) -> Option<Cause> {
        let min_score = self.settings.matching.min_score;
        let share = share(&stream.scores, |score| *score < min_score)?;
        (share >= MOST).then(|| Cause::LowScores {
            role,
            share,
            best_score: stream.scores.iter().copied().fold(f64::MIN, f64::max),
            min_score,
        })
    }

    fn empty(&self, role: Role, stream: &Stream) -> Option<Cause> {
        let Stream {
            empty, messages, ..
        } = *stream;
        // Of a few, others stand in.
        let many = (WORTH_A_WORD * messages as f64).ceil() as u64;
        (empty >= many.max(1)).then_some(Cause::EmptyMessages {
            role,
            empty,
            messages,
        })
    }

    fn apart(&self, role: Role) -> Option<Cause> {
        let evidence = self.intake.evidence();
        let offset = evidence.offset(self.source(role))?;
        let tolerance_s = self.settings.matching.tolerance_s;
        if offset.median_s.abs().max(offset.spread_s) <= tolerance_s {
            return None;
        }
        let of_boxes = Some(self.source(role)).filter(|role| *role != Role::Depth);
        let delay =
            of_boxes.and_then(|role| BoxDelay::of(evidence, role, self.roles, self.settings));
        Some(delay.map_or(
            Cause::Apart {
                role,
                median_s: offset.median_s,
                spread_s: offset.spread_s,
                tolerance_s,
            },
            Cause::Delayed,
        ))
    }

    fn seldom(&self, role: Role) -> Option<Cause> {
        let period_s = self.intake.evidence().period_s(self.source(role))?;
        let box_max_age_s = self.settings.matching.box_max_age_s;
        (period_s > box_max_age_s + self.settings.matching.tolerance_s).then_some(Cause::Seldom {
            role,
            period_s,
            box_max_age_s,
        })
    }

    fn missing_depth(&self) -> Vec<Cause> {
        match self.intake.evidence().stream(Role::Depth) {
            None => vec![self.silent(Role::Depth)],
            Some(stream) => {
                let causes = [
                    self.unreadable(Role::Depth, stream),
                    self.apart(Role::Depth),
                    self.fewer_depth_images(),
                ];
                causes.into_iter().flatten().collect()
            }
        }
    }

    fn fewer_depth_images(&self) -> Option<Cause> {
        let evidence = self.intake.evidence();
        let depth_period_s = evidence.period_s(Role::Depth)?;
        let image_period_s = evidence.period_s(Role::Image)?;
        (depth_period_s > MOST_SELDOM * image_period_s).then_some(Cause::SeldomDepth {
            depth_period_s,
            image_period_s,
        })
    }

    fn bad_depth(&self) -> Vec<Cause> {
        let boxes = [Role::Fingertip, Role::Target];
        let normalized = boxes.into_iter().filter_map(|role| self.normalized(role));
        let broken = ["depth image", "camera info"].into_iter();
        let broken = broken.filter_map(|what| self.broken_pictures(what));
        let found: Vec<Cause> = normalized
            .chain(broken)
            .chain(self.depth_values())
            .chain(self.depth_elsewhere())
            .collect();
        match found.is_empty() {
            true => self.thin_regions().into_iter().collect(),
            false => found,
        }
    }

    /// What the depth pictures themselves show to be wrong.
    fn depth_values(&self) -> Option<Cause> {
        let values = self.intake.evidence().depth()?;
        let range_m = values.range_m;
        let [_, median_m, _] = range_m;
        let geometry = &self.settings.geometry;
        let measurable = geometry.min_depth_m..=geometry.max_depth_m;
        let is_millimetres = measurable.contains(&(median_m / MILLIMETRES_PER_METRE));
        if values.measured < FEW_PIXELS {
            Some(Cause::DepthHoles {
                measured: values.measured,
            })
        } else if median_m > BEYOND_ANY_CAMERA_M && is_millimetres {
            Some(Cause::DepthUnit { range_m })
        } else if !measurable.contains(&median_m) {
            Some(Cause::DepthRange {
                range_m,
                min_depth_m: geometry.min_depth_m,
                max_depth_m: geometry.max_depth_m,
            })
        } else {
            None
        }
    }

    /// Depth of another place than the image's.
    fn depth_elsewhere(&self) -> Option<Cause> {
        let camera = &self.registration?.camera;
        let first = self.intake.first_messages();
        let [picture, _, _] = first.sizes();
        let color = fitted_to(first.intrinsics_seen()?, picture?)?;
        let depths_m = self.intake.evidence().depth()?.range_m;
        (!camera.shares_view(&color, &depths_m)).then(|| Cause::DepthElsewhere {
            aside_m: camera.color_from_depth().translation.vector.into(),
        })
    }

    fn thin_regions(&self) -> Option<Cause> {
        // As they were measured, of whatever source they are.
        let without_depth = || {
            let steps = self.steps.iter();
            steps.filter(|step| step.reason == Some(Reason::DepthInvalid))
        };
        let side_px = |boxes: Vec<BoundingBox>| {
            let sides = boxes.iter().map(|bbox| bbox.width().min(bbox.height()));
            median(&sides.collect::<Vec<_>>())
        };
        let fingertips = without_depth().filter_map(|step| step.fingertip);
        let targets = without_depth().filter_map(|step| step.target);
        let sides = [fingertips.collect(), targets.collect()]
            .into_iter()
            .filter_map(side_px);
        let side_px = sides.min_by(f64::total_cmp)?;
        let min_pixels = self.settings.geometry.min_pixels;
        (side_px * side_px < 2.0 * f64::from(min_pixels)).then_some(Cause::ThinRegions {
            side_px,
            min_pixels,
        })
    }

    fn normalized(&self, role: Role) -> Option<Cause> {
        let within = |bbox: &BoundingBox| {
            let corners = [bbox.x_min, bbox.y_min, bbox.x_max, bbox.y_max];
            corners.iter().all(|corner| (-0.5..=1.5).contains(corner))
        };
        let share = share(&self.boxes(role)?.boxes, within)?;
        (share >= MOST).then_some(Cause::Normalized { role, share })
    }

    /// Of objects in space, a box that is no numbers is one that the camera does not see: see `outside`.
    fn not_finite(&self, role: Role) -> Option<Cause> {
        if self.intake.sight().is_some() {
            return None;
        }
        let share = share(&self.boxes(role)?.boxes, |bbox| !is_finite(bbox))?;
        (share > 0.0).then_some(Cause::NotFinite { role, share })
    }

    fn outside(&self, role: Role) -> Option<Cause> {
        let [picture, _, _] = self.intake.first_messages().sizes();
        let (width, height) = picture?;
        let boxes = &self.boxes(role)?.boxes;
        let is_in_space = self.intake.sight().is_some();
        let share = share(boxes, |bbox| {
            (is_in_space || is_finite(bbox)) && bbox.clipped(width, height).is_none()
        })?;
        if is_in_space {
            return (share > 0.0).then_some(Cause::Unseen { role, share });
        }
        let reach = |far: fn(&BoundingBox) -> f64| {
            let far = boxes.iter().map(far).filter(|far| far.is_finite());
            far.fold(0.0, f64::max)
        };
        (share > 0.0).then(|| Cause::Outside {
            role,
            share,
            reach_px: [reach(|bbox| bbox.x_max), reach(|bbox| bbox.y_max)],
            picture_px: [width, height],
        })
    }

    fn broken_pictures(&self, what: &'static str) -> Option<Cause> {
        let Unreadable { count, first } = self.broken.get(what)?;
        Some(Cause::BrokenPictures {
            what,
            count: *count,
            why: first.clone(),
        })
    }

    fn too_uncertain(&self) -> Option<Cause> {
        let uncertain = self.steps.iter();
        let uncertain = uncertain.filter(|step| step.reason == Some(Reason::Uncertain));
        let stds_m: Vec<f64> = uncertain.map(|step| step.distance_std_m).collect();
        Some(Cause::TooUncertain {
            median_std_m: median(&stds_m)?,
            max_std_m: self.settings.reward.max_std_m?,
        })
    }

    fn answer(&self) -> Option<Cause> {
        let unparsed = |step: &&Step| step.reason == Some(Reason::UnparsedAnswer);
        let step = self.steps.iter().find(unparsed)?;
        Some(Cause::Answer {
            text: step.answer.clone(),
        })
    }
}

fn is_finite(bbox: &BoundingBox) -> bool {
    let corners = [bbox.x_min, bbox.y_min, bbox.x_max, bbox.y_max];
    corners.iter().all(|corner| corner.is_finite())
}

/// The share of those for which something holds; `None` of nothing.
fn share<T>(all: &[T], holds: impl Fn(&T) -> bool) -> Option<f64> {
    let count = all.iter().filter(|one| holds(one)).count();
    (!all.is_empty()).then(|| count as f64 / all.len() as f64)
}
