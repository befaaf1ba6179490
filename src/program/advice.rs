//! Why steps are invalid and why success cannot occur, in the words of the command line: the library says it as data, with
//! the settings that mend it.

use spatial_reward_core::frame::DistanceKind;
use spatial_reward_offline::Remedy;
use spatial_reward_offline::label::roles::Role;
use spatial_reward_offline::label::{Advice, BoxDelay, Cause, OutOfReach};

/// Causes that are worth reading where nothing could be measured at all.
const CAUSES: usize = 3;

/// How many causes are told.
pub(crate) fn shown(advice: &Advice) -> usize {
    if advice.none_is_valid() { CAUSES } else { 1 }
}

/// Where nothing is valid, all that may be behind it; else what most likely is.
pub(crate) fn in_words(advice: &Advice) -> String {
    let Advice {
        reason,
        count,
        invalid,
        steps,
        causes,
    } = advice;
    let reason = reason.name();
    let begin = match advice.none_is_valid() {
        true => format!("not one of {steps} steps is valid ({reason} {count})"),
        false => format!("{invalid} of {steps} steps are invalid, most with {reason} ({count})"),
    };
    let causes = causes.iter().take(shown(advice)).map(cause_in_words);
    let causes: Vec<String> = causes.collect();
    format!("{begin}. {}", causes.join(". "))
}

fn cause_in_words(cause: &Cause) -> String {
    let setting = cause.settings().first().copied().unwrap_or_default();
    match cause {
        Cause::NoMessages { role } => format!(
            "There is not one message with the {}: {} names another topic",
            role.name(),
            crate::program::remedies::option(*role)
        ),
        Cause::Unfound { role, sought } => {
            let remedy = Remedy::SayOtherwise {
                role: *role,
                is_question: true,
            };
            format!(
                "The {}, '{sought}', is not to be seen in these steps, or not to be told from another thing: {}",
                role.key(),
                crate::program::remedies::of_offline(&remedy)
            )
        }
        Cause::UnreadableMessages { role, count, why } => format!(
            "{count} messages with the {} do not decode: {why}. {} names another topic",
            role.name(),
            crate::program::remedies::option(*role)
        ),
        Cause::ObjectsLeftOut { role, count, why } => format!(
            "An object is left out of {count} messages with the {}: {why}",
            role.name()
        ),
        Cause::BrokenPictures { what, count, why } => {
            format!("{count} times the {what} cannot be used: {why}")
        }
        Cause::OtherClasses { .. } | Cause::LowScores { .. } | Cause::EmptyMessages { .. } => {
            by_detector(cause, setting)
        }
        Cause::Apart { .. }
        | Cause::Delayed(_)
        | Cause::Seldom { .. }
        | Cause::SeldomDepth { .. }
        | Cause::OutOfOrder
        | Cause::WildStamps => by_time(cause, setting),
        Cause::Normalized { .. }
        | Cause::NotFinite { .. }
        | Cause::Outside { .. }
        | Cause::Unseen { .. } => by_place(cause, setting),
        Cause::DepthUnit { .. }
        | Cause::DepthRange { .. }
        | Cause::DepthHoles { .. }
        | Cause::DepthElsewhere { .. }
        | Cause::ThinRegions { .. } => by_depth(cause, setting),
        Cause::FrameElsewhere => format!(
            "What the camera measures around a TF frame is nearer or farther than the frame by more than its object's size: \
             something stands before it, or the object is larger or wider than that (a gripper is as wide as both fingers): \
             {setting} and {} are to be about as large as what the camera sees of the objects",
            cause.settings().last().copied().unwrap_or_default()
        ),
        Cause::LostRegion { role, since_s, steps } => format!(
            "From second {since_s:.2} on the {} is not seen as it was drawn, for {steps} steps: where the camera shows it there, \
             draw it once more (setting {setting}, or {} X0,Y0,X1,Y1@SECONDS)",
            role.key(),
            crate::program::remedies::box_option(*role)
        ),
        Cause::Answer { text } => format!(
            "The model answers '{text}', for example, which is no distance: ask another question ({setting}), or let it \
             say more (--max-new-tokens)"
        ),
        Cause::TooFar { max_distance_m } => format!(
            "Distances above {max_distance_m} m are not believed: set {setting} where yours are longer"
        ),
        Cause::TooUncertain {
            median_std_m,
            max_std_m,
        } => format!(
            "Half of these distances have a standard deviation above {:.1} mm, and {:.1} mm are let through: set {setting} \
             higher, if so uncertain a distance is of use",
            1e3 * median_std_m,
            1e3 * max_std_m
        ),
        _ => "Nothing that was looked at explains it: see the report's pictures, and `spatial-reward inspect`".to_owned(),
    }
}

/// What the detector says of what it saw.
fn by_detector(cause: &Cause, setting: &str) -> String {
    match cause {
        Cause::OtherClasses { role, wanted, seen } => format!(
            "The {} are of the classes [{}], and [{}] is looked for: {} ({setting})",
            role.name(),
            seen.join(", "),
            wanted.join(", "),
            match role {
                Role::Target => "--target-class",
                _ => "--fingertip-class",
            },
        ),
        Cause::LowScores {
            role,
            share,
            best_score,
            min_score,
        } => format!(
            "{} of the {} have a score below {min_score}; the best is {best_score:.2}: set {setting}",
            percent(*share),
            role.name()
        ),
        Cause::EmptyMessages {
            role,
            empty,
            messages,
        } => format!(
            "The detector saw nothing in {empty} of {messages} messages with the {}",
            role.name()
        ),
        _ => String::new(),
    }
}

/// What the stamps show.
fn by_time(cause: &Cause, setting: &str) -> String {
    match cause {
        Cause::Apart {
            role,
            median_s,
            spread_s,
            tolerance_s,
        } => format!(
            "The stamps of the {} lie {} {} the nearest image's, give or take {}, and {} are tolerated: set {setting} above \
             {:.3}, if both show the same moment",
            stamps_of(*role),
            milliseconds(median_s.abs()),
            side(*median_s),
            milliseconds(*spread_s),
            milliseconds(*tolerance_s),
            median_s.abs() + spread_s,
        ),
        Cause::Delayed(delay) => delayed(delay),
        Cause::Seldom {
            role,
            period_s,
            box_max_age_s,
        } => format!(
            "The {} come every {period_s:.2} s, and may be {box_max_age_s} s old: set {setting} higher, or tracker.enabled",
            role.name()
        ),
        Cause::SeldomDepth {
            depth_period_s,
            image_period_s,
        } => format!(
            "The depth images come every {depth_period_s:.3} s and the images every {image_period_s:.3} s: record depth as \
             often, for an image without its own cannot be measured"
        ),
        Cause::OutOfOrder => "The images were recorded out of order".to_owned(),
        Cause::WildStamps => {
            "The images have stamps more than a second off their neighbours', which their log times do not confirm: look at \
             what sets the camera's clock"
                .to_owned()
        }
        _ => String::new(),
    }
}

/// How much later a detector stamps its boxes, and what takes it off.
pub(crate) fn delayed(delay: &BoxDelay) -> String {
    let BoxDelay {
        delay_s,
        set_s,
        period_s,
        ..
    } = *delay;
    let left_s = delay_s - set_s;
    let beyond = match set_s {
        0.0 => String::new(),
        set_s => format!(" beyond the {} that are set", milliseconds(set_s)),
    };
    let far = format!(
        "{} {} their images{beyond}",
        milliseconds(left_s.abs()),
        side(left_s)
    );
    let settings = delay.settings().join(" and ");
    let name = match delay.is_of_both {
        true => "boxes",
        false => delay.role.name(),
    };
    match delay.is_certain {
        true => format!(
            "The {name} are stamped {far}, steadily: set {settings} to {delay_s:.3}, unless the detector looks at another \
             picture"
        ),
        false => format!(
            "The {name} are stamped {far}, steadily, or {:.0} ms later, or twice that and so on, which stamps do not tell: \
             set {settings} to {delay_s:.3}, or more by {period_s:.3} as often as it takes for the boxes to lie on their \
             objects in the report",
            1e3 * period_s
        ),
    }
}

/// What the boxes' places show.
fn by_place(cause: &Cause, setting: &str) -> String {
    match cause {
        Cause::Normalized { role, share } => format!(
            "{} of the {} lie within 0 to 1: they are shares of a picture, and pixels of the image are needed: set \
             {setting} to [1, 1]",
            percent(*share),
            role.name()
        ),
        Cause::Outside {
            role,
            share,
            reach_px: [right, down],
            picture_px: [width, height],
        } => format!(
            "{} of the {} lie outside the image of {width}x{height} pixels (they reach to {right:.0}, {down:.0}): set \
             {setting} to the size of the picture that the detector looked at",
            percent(*share),
            role.name()
        ),
        Cause::NotFinite { role, share } => format!(
            "{} of the {} have a corner that is no number (NaN) or infinite: such a box is nowhere, and the detector that \
             sent it is to be mended",
            percent(*share),
            role.name()
        ),
        Cause::Unseen { role, share } => format!(
            "{} of the {} are in space where the camera does not look: behind it or beside its picture. Their coordinate \
             frame is not the camera's optical one (x right, y down, z forward), or the transforms to it are wrong",
            percent(*share),
            role.name()
        ),
        _ => String::new(),
    }
}

/// What the depth pictures show.
fn by_depth(cause: &Cause, setting: &str) -> String {
    match cause {
        Cause::DepthUnit {
            range_m: [low, median, high],
        } => format!(
            "Depth reads as {low:.0} to {high:.0} m (half of it above {median:.0} m), which can only be millimetres: set \
             {setting} to 0.001"
        ),
        Cause::DepthRange {
            range_m: [low, median, high],
            min_depth_m,
            max_depth_m,
        } => format!(
            "Depth reads as {low:.2} to {high:.2} m (half of it above {median:.2} m), and {min_depth_m} to {max_depth_m} m \
             are measured: see geometry.min_depth_m, geometry.max_depth_m and topics.depth_unit_m"
        ),
        Cause::DepthHoles { measured } => format!(
            "Only {} of the depth image has a measurement: what is too near, shiny or clear gives none",
            percent(*measured)
        ),
        Cause::DepthElsewhere { aside_m: [x, y, z] } => format!(
            "Nothing that the depth camera sees falls into the image: it is taken to stand {:.0}, {:.0}, {:.0} mm from the \
             colour camera; where that is not so, {setting} says where it is",
            1e3 * x,
            1e3 * y,
            1e3 * z
        ),
        Cause::ThinRegions {
            side_px,
            min_pixels,
        } => format!(
            "The boxes are {side_px:.0} pixels wide, and a region needs {min_pixels} pixels with depth ({setting})"
        ),
        _ => String::new(),
    }
}

/// That the limit on standard deviations limits nothing.
pub(crate) fn limit_without_effect(estimator: &str) -> String {
    format!(
        "reward.max_std_m has no effect: {estimator} tells no standard deviation of its distances, so none is too uncertain"
    )
}

/// That nobody knows how far the model's standard deviations hold, and how to find out.
pub(crate) const NOT_CALIBRATED: &str = "this model's standard deviation is not calibrated: it says how far its own odds spread, and 90 % intervals of it may \
     hold far fewer truths, or more. Fit it to labelled recordings with truth (spatial-reward evaluate --calibrate \
     settings.yaml LABELLED...), and give --config settings.yaml";

/// Why success cannot occur, and what would change that.
pub(crate) fn out_of_reach(cause: &OutOfReach, kind: DistanceKind) -> String {
    let kind = kind.name();
    match cause {
        OutOfReach::BelowFloor {
            setting,
            threshold_m,
            least_m,
        } => format!(
            "{setting} is {threshold_m} m, but the estimator tells nothing below {least_m} m apart: leave the threshold \
             out for that of `{kind}`, or set it higher"
        ),
        OutOfReach::AboveInContact {
            enter_m,
            least_m,
            gap_m,
        } => format!(
            "the surfaces came as near as {gap_m:.3} m, but the `{kind}` distance is never below {least_m:.3} m, and \
             success.enter_m is {enter_m} m: contact is another number in each kind of distance. Leave the threshold out \
             for that of `{kind}`, or set it higher"
        ),
        OutOfReach::HoldTooLong { hold_s, longest_s } => {
            format!("success.hold_s is {hold_s} s, and the longest episode lasts {longest_s:.2} s")
        }
        OutOfReach::TooFewVotes { needed, most } => format!(
            "success.votes.needed is {needed}, and no episode has more than {most} valid steps"
        ),
        _ => String::new(),
    }
}

fn stamps_of(role: Role) -> &'static str {
    match role {
        Role::Depth => "depth images",
        role => role.name(),
    }
}

fn milliseconds(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 10.0 => format!("{:.0} ms", 1e3 * seconds),
        seconds => format!("{seconds:.0} s"),
    }
}

fn side(difference_s: f64) -> &'static str {
    if difference_s < 0.0 {
        "before"
    } else {
        "after"
    }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use spatial_reward_core::frame::Reason;

    fn advice(invalid: u64, causes: Vec<Cause>) -> Advice {
        Advice {
            reason: Reason::NoDepth,
            count: invalid,
            invalid,
            steps: 80,
            causes,
        }
    }

    fn apart(role: Role) -> Cause {
        Cause::Apart {
            role,
            median_s: 0.025,
            spread_s: 0.001,
            tolerance_s: 0.02,
        }
    }

    #[test]
    fn depth_beside_its_images_is_told_with_the_figures_and_the_tolerance() {
        let words = in_words(&advice(80, vec![apart(Role::Depth)]));
        for word in [
            "not one of 80",
            "no_depth 80",
            "25 ms after",
            "20 ms",
            "matching.tolerance_s",
        ] {
            assert!(words.contains(word), "'{word}': {words}");
        }
    }

    #[test]
    fn distances_too_uncertain_are_told_with_the_median_and_the_setting() {
        let cause = Cause::TooUncertain {
            median_std_m: 0.0125,
            max_std_m: 0.01,
        };
        let words = in_words(&Advice {
            reason: Reason::Uncertain,
            ..advice(80, vec![cause])
        });
        for word in ["uncertain 80", "12.5 mm", "10.0 mm", "reward.max_std_m"] {
            assert!(words.contains(word), "'{word}': {words}");
        }
    }

    #[test]
    fn a_region_of_a_steady_delay_has_a_setting_of_its_own() {
        let words = |cause| in_words(&advice(80, vec![cause]));
        let delay = BoxDelay {
            role: Role::Target,
            is_of_both: false,
            delay_s: 0.025,
            set_s: 0.0,
            period_s: 0.066,
            is_certain: true,
        };
        let steady = words(Cause::Delayed(delay));
        assert!(
            steady.contains("regions.target.delay_s to 0.025"),
            "{steady}"
        );
        let set = words(Cause::Delayed(BoxDelay {
            role: Role::Fingertip,
            is_of_both: true,
            set_s: 0.01,
            is_certain: false,
            ..delay
        }));
        for word in [
            "15 ms after their images beyond the 10 ms that are set",
            "66 ms later",
            "regions.fingertip.delay_s and regions.target.delay_s to 0.025",
        ] {
            assert!(set.contains(word), "'{word}': {set}");
        }
        let jitter = words(apart(Role::Target));
        assert!(jitter.contains("matching.tolerance_s"), "{jitter}");
    }

    #[test]
    fn where_some_steps_are_valid_only_the_likeliest_cause_is_told() {
        let causes = vec![apart(Role::Depth), Cause::OutOfOrder];
        let short = in_words(&advice(12, causes.clone()));
        assert!(short.starts_with("12 of 80 steps are invalid"), "{short}");
        assert!(!short.contains("out of order"), "{short}");
        assert!(in_words(&advice(80, causes)).contains("out of order"));
    }
}
