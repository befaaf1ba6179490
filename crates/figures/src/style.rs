//! Colours and strokes of the picture as CSS classes: one set of rules, filled in for light and dark.
//! Okabe and Ito's colours and Tol's muted ones, which colour-blind readers can tell apart.

use std::fmt::Write;

use spatial_reward_core::colors::{Colors, FINGERTIP, TARGET, css};
use spatial_reward_core::frame::Reason;
use spatial_reward_core::step::Step;

/// What a stretch of steps has in common, and is coloured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Measured.
    Valid,
    /// Measured, and the task is solved.
    Success,
    /// Without a reward.
    Invalid(Reason),
}

impl State {
    /// Of one step.
    pub fn of(step: &Step) -> Self {
        match step.reason {
            Some(reason) => Self::Invalid(reason),
            None if step.success => Self::Success,
            None => Self::Valid,
        }
    }
}

/// The colours that change with the background.
pub struct Palette {
    /// Behind everything.
    pub background: &'static str,
    panel: &'static str,
    ink: &'static str,
    muted: &'static str,
    grid: &'static str,
    distance: &'static str,
    truth: &'static str,
    filtered: &'static str,
    reward: &'static str,
    success: &'static str,
    valid: &'static str,
    model_error: &'static str,
}

/// Dark ink on white.
pub const LIGHT: Palette = Palette {
    background: "#ffffff",
    panel: "#f7f8fa",
    ink: "#1f2430",
    muted: "#667085",
    grid: "#e2e5ea",
    distance: "#0072b2",
    truth: "#1f2430",
    filtered: "#009ec2",
    reward: "#6a3fb5",
    success: "#009e73",
    valid: "#d5dae2",
    model_error: "#1f2430",
};

/// Light ink on near black.
pub const DARK: Palette = Palette {
    background: "#14171c",
    panel: "#1c2027",
    ink: "#e8eaee",
    muted: "#9aa4b2",
    grid: "#2c323c",
    distance: "#56b4e9",
    truth: "#e8eaee",
    filtered: "#8fd3e8",
    reward: "#b79cf2",
    success: "#2fc596",
    valid: "#3a414d",
    model_error: "#e8eaee",
};

impl Palette {
    fn reason(&self, reason: Reason) -> &'static str {
        match reason {
            Reason::NoImage => "#7d8590",
            Reason::NoFingertipBox => "#e69f00",
            Reason::NoTargetBox => "#56b4e9",
            Reason::StaleBox => "#aa4499",
            Reason::BoxOutsideImage => "#4b3fa7",
            Reason::NoDepth => "#882255",
            Reason::DepthInvalid => "#cc6677",
            Reason::UnparsedAnswer => "#999933",
            Reason::ImplausibleDistance => "#d55e00",
            Reason::ModelError => self.model_error,
            Reason::Late => "#ddcc77",
            Reason::WildStamp => "#117733",
            Reason::Uncertain => "#8c564b",
            Reason::NoTransform => "#44aa99",
            Reason::Occluded => "#6699cc",
            Reason::LostBox => "#cc6699",
        }
    }

    /// The rules for everything that the picture draws.
    pub fn rules(&self) -> String {
        let Self {
            background,
            panel,
            ink,
            muted,
            grid,
            distance,
            truth,
            filtered,
            reward,
            success,
            valid,
            ..
        } = self;
        // Lines and labels of the two boxes: orange and sky blue stand out on any picture.
        let (fingertip, target) = (css(FINGERTIP), css(TARGET));
        let mut rules = format!(
            "\
.c-panel{{fill:{panel}}}
.c-ink{{fill:{ink}}}
.c-muted{{fill:{muted}}}
.c-halo{{stroke:{panel};stroke-width:3;paint-order:stroke}}
.c-bold{{font-weight:bold}}
.c-grid{{stroke:{grid};stroke-width:1}}
.c-leader{{stroke:{muted};stroke-width:1;stroke-opacity:.45;fill:none}}
.c-episode{{stroke:{ink};stroke-width:1.2;stroke-opacity:.7}}
.c-distance{{stroke:{distance};stroke-width:1.8;stroke-linejoin:round;fill:none}}
.c-distance-dot{{fill:{distance}}}
.c-interval{{fill:{distance};fill-opacity:.2}}
.c-strip-dot{{fill:{background};stroke:{ink};stroke-width:1.5}}
.c-bridged{{fill:{background};stroke:{distance};stroke-width:1.4}}
.c-truth{{stroke:{truth};stroke-width:1.4;stroke-dasharray:6 4;fill:none}}
.c-filtered{{stroke:{filtered};stroke-width:1.4;stroke-opacity:.9;fill:none}}
.c-center{{stroke:{muted};stroke-width:1.1;stroke-opacity:.8;fill:none}}
.c-surface{{stroke:{muted};stroke-width:1.1;stroke-dasharray:1 2;fill:none}}
.c-cloud{{stroke:{muted};stroke-width:1.1;stroke-opacity:.8;stroke-dasharray:3 2;fill:none}}
.c-reward{{stroke:{reward};stroke-width:1.8;stroke-linejoin:round;fill:none}}
.c-reward-dot{{fill:{reward}}}
.c-enter{{stroke:{success};stroke-width:1.2;stroke-dasharray:7 3;fill:none}}
.c-exit{{stroke:{success};stroke-width:1.2;stroke-dasharray:2 3;fill:none}}
.c-box-edge{{stroke:#000;stroke-opacity:.6;stroke-width:3;fill:none}}
.c-fingertip{{stroke:{fingertip};stroke-width:1.5;fill:none}}
.c-target{{stroke:{target};stroke-width:1.5;fill:none}}
.c-predicted{{stroke-dasharray:4 3}}
.c-fingertip-tag{{fill:{fingertip}}}
.c-target-tag{{fill:{target}}}
.c-tag-text{{fill:#000}}
.c-fine{{stroke-width:1.1}}
.c-shade{{fill-opacity:.17}}
.c-valid{{fill:{valid}}}
.c-success{{fill:{success}}}
"
        );
        for reason in Reason::ALL {
            let (name, color) = (reason.name(), self.reason(reason));
            let _ = writeln!(rules, ".c-{name}{{fill:{color}}}");
        }
        rules
    }
}

/// The rules for what a task's picture draws beside: regions and phases by their numbers, in their colours, which are the same
/// on light and dark.
pub fn task_rules(colors: &Colors) -> String {
    let mut rules = String::new();
    for (at, name) in colors.regions().iter().enumerate() {
        let color = css(colors.region(name));
        let _ = writeln!(
            rules,
            "\
.c-region-{at}{{stroke:{color};stroke-width:1.5;fill:none}}
.c-region-{at}-fill{{fill:{color}}}
.c-region-{at}-band{{fill:{color};fill-opacity:.18}}
.c-pair-{at}{{stroke:{color};stroke-width:2.2;stroke-linejoin:round;fill:none}}
.c-pair-{at}-over{{stroke:{color};stroke-width:2.2;stroke-linejoin:round;stroke-dasharray:6 6;fill:none}}"
        );
    }
    for (at, name) in colors.phases().enumerate() {
        let color = css(colors.phase(name));
        let _ = writeln!(rules, ".c-phase-{at}{{fill:{color}}}");
    }
    rules.push_str(
        "\
.c-phase-band{fill-opacity:.26}
.c-phase-name{fill:#14171c}
.c-progress{stroke:#7d8590;stroke-width:1.4;fill:none}
",
    );
    rules
}

/// The class that fills with a state's colour.
pub fn class(state: State) -> String {
    match state {
        State::Valid => "c-valid".to_owned(),
        State::Success => "c-success".to_owned(),
        State::Invalid(reason) => format!("c-{}", reason.name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_color_of_its_own() {
        for palette in [LIGHT, DARK] {
            let mut colors = Reason::ALL.map(|reason| palette.reason(reason));
            colors.sort_unstable();
            assert!(colors.windows(2).all(|pair| pair[0] != pair[1]));
        }
    }
}
