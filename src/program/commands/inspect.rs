//! `inspect`: what a bag holds, which topic would play which role and why, and what labelling would
//! meet, as text or JSON.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write;
use std::path::Path;

use serde::Serialize;
use spatial_reward_core::stamp::seconds_between;
use spatial_reward_core::video::{Codec, Keyframes};
use spatial_reward_offline::inspect::{Inspection, inspect};
use spatial_reward_offline::label::roles::{Choice, Role};
use spatial_reward_offline::regions_file::RegionsFile;
use spatial_reward_offline::{Error, Remedy};

use super::discover::{self, Wanted};
use super::output::{print, print_json, typed};
use super::settings::ready;
use crate::program::cli::Inspect;
use crate::program::logging::Terminal;
use crate::program::outcome::Outcome;
use crate::program::remedies::{of_offline, option};
use crate::program::video;

pub(super) fn run(options: Inspect, terminal: &Terminal) -> anyhow::Result<Outcome> {
    let bag = discover::single(&options.bag, Wanted::Recordings)?;
    let next = labelling(crate::program::arguments::typed(), &options.bag, &bag);
    let drawn = options.settings.regions.regions.as_deref();
    let drawn = drawn.map(RegionsFile::read).transpose()?;
    let drawn = drawn.as_ref().map(|drawn| drawn.of(&bag)).transpose()?;
    let settings = ready(options.settings.into_config_of(drawn)?)?;
    let bar = terminal.bar(&bag.display().to_string());
    let (truth, decoders) = (options.truth.into(), video::decoders());
    let inspected = inspect(&bag, &settings, &truth, &decoders, &mut |progress| {
        Terminal::show(&bar, progress)
    });
    bar.finish_and_clear();
    let inspection = inspected?;
    let findings = Findings::new(&inspection, Some(next));
    if options.json {
        print_json(&findings)?;
    } else {
        print(&findings.to_text())?;
    }
    Ok(if inspection.loss.is_some() {
        Outcome::DataLoss
    } else {
        Outcome::Fine
    })
}

/// What labels a bag as it was inspected, with the same options. The folder that was typed may only hold it.
fn labelling(inspected: impl Iterator<Item = OsString>, named: &Path, bag: &Path) -> String {
    let (mut is_command, mut is_bag) = (false, false);
    let arguments = inspected.filter(|argument| argument != "--json");
    typed(arguments.map(|argument| {
        if !is_command && argument == "inspect" {
            is_command = true;
            return "label".into();
        }
        if is_command && !is_bag && argument == named {
            is_bag = true;
            return bag.into();
        }
        argument
    }))
}

/// What `--json` prints. The keys are a public interface.
#[derive(Debug, Serialize)]
pub(crate) struct Findings {
    path: String,
    storage: &'static str,
    files: usize,
    ros_distro: String,
    duration_s: Option<f64>,
    messages: u64,
    topics: Vec<Topic>,
    roles: BTreeMap<&'static str, Found>,
    task_prompt: Option<String>,
    /// The TF frames that there are.
    tf_frames: Vec<Frame>,
    label: Rehearsed,
    /// What of the bag cannot be read; null if all can.
    loss: Option<String>,
    /// The command that labels it so, for who types commands.
    #[serde(skip)]
    next: Option<String>,
}

#[derive(Debug, Serialize)]
struct Topic {
    name: String,
    #[serde(rename = "type")]
    type_name: String,
    messages: u64,
    /// The bag has the type's definition.
    has_definition: bool,
}

#[derive(Debug, Serialize)]
struct Frame {
    name: String,
    /// Whether the camera knows where it is, at the stamp of the image in the middle.
    from_camera: bool,
    /// Why not; null if it does.
    why_not: Option<String>,
}

#[derive(Debug, Serialize)]
struct Found {
    topic: String,
    why: String,
    /// Others that fit, best first.
    others: Vec<String>,
    ambiguous: bool,
}

/// What labelling would meet.
#[derive(Debug, Serialize)]
struct Rehearsed {
    /// Nothing stands in its way.
    possible: bool,
    obstacles: Vec<String>,
    /// Things that labelling gets over, but the user may want to know.
    remarks: Vec<String>,
    frames: u64,
    /// Frames with everything to be measured from; pictures and estimates may still fail.
    complete: u64,
    /// Reason to count, for the others.
    incomplete: BTreeMap<&'static str, u64>,
    episodes: u64,
    /// Width and height in pixels.
    image_size: Option<(u32, u32)>,
    /// The image topic's video; null where it has pictures.
    video: Option<Video>,
    depth_size: Option<(u32, u32)>,
    camera_info_size: Option<(u32, u32)>,
    fingertip_classes: Vec<String>,
    target_classes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Video {
    codec: Option<&'static str>,
    keyframes: u64,
    /// Packets from one keyframe to the next, on average; null where there are not two.
    keyframe_interval: Option<f64>,
    /// Packets before the first keyframe, of which there are no pictures.
    before_keyframe: u64,
}

impl From<Keyframes> for Video {
    fn from(found: Keyframes) -> Self {
        Self {
            codec: found.codec.map(Codec::name),
            keyframes: found.count,
            keyframe_interval: found.interval(),
            before_keyframe: found.before,
        }
    }
}

impl Findings {
    pub(crate) fn new(inspection: &Inspection, next: Option<String>) -> Self {
        let info = &inspection.info;
        let topics = info.topics.iter().zip(&inspection.counts);
        Self {
            path: info.path.display().to_string(),
            storage: info.storage.name(),
            files: info.files.len(),
            ros_distro: info.ros_distro.clone(),
            duration_s: (info.start_nanos.zip(info.end_nanos))
                .map(|(start, end)| seconds_between(start, end)),
            messages: inspection.counts.iter().sum(),
            topics: topics
                .map(|(topic, count)| Topic {
                    name: topic.name.clone(),
                    type_name: topic.type_name.clone(),
                    messages: *count,
                    has_definition: topic
                        .schema
                        .as_ref()
                        .is_some_and(|schema| !schema.data.is_empty()),
                })
                .collect(),
            roles: (inspection.roles.iter())
                .map(|(role, choice)| (role.key(), Found::new(inspection, choice)))
                .collect(),
            task_prompt: inspection.task_prompt.clone(),
            tf_frames: (inspection.tf_frames.iter())
                .map(|frame| Frame {
                    name: frame.name.clone(),
                    from_camera: frame.not_from_camera.is_none(),
                    why_not: frame.not_from_camera.clone(),
                })
                .collect(),
            label: Rehearsed::new(inspection),
            loss: inspection.loss.as_ref().map(ToString::to_string),
            next,
        }
    }

    pub(crate) fn to_text(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = self.write_bag(&mut text);
        let _ = self.write_roles(&mut text);
        let _ = self.write_frames(&mut text);
        let _ = self.write_label(&mut text);
        text.trim_end().to_owned()
    }

    fn write_bag(&self, text: &mut String) -> std::fmt::Result {
        let duration = self
            .duration_s
            .map_or("no time".to_owned(), |s| format!("{s:.2} s"));
        writeln!(
            text,
            "{}: {} in {} file{}, {duration}, {} messages, ROS distribution {}",
            self.path,
            self.storage,
            self.files,
            if self.files == 1 { "" } else { "s" },
            self.messages,
            self.ros_distro
        )?;
        if let Some(loss) = &self.loss {
            writeln!(text, "DAMAGED: {}", loss.replace('\n', "\n  "))?;
        }
        writeln!(text, "\nTopics")?;
        let width = self
            .topics
            .iter()
            .map(|topic| topic.name.len())
            .max()
            .unwrap_or(0);
        let type_width = self
            .topics
            .iter()
            .map(|topic| topic.type_name.len())
            .max()
            .unwrap_or(0);
        for topic in &self.topics {
            let definition = if topic.has_definition {
                ""
            } else {
                "  (no definition in the bag)"
            };
            writeln!(
                text,
                "  {:width$}  {:type_width$}  {:>6}{definition}",
                topic.name, topic.type_name, topic.messages
            )?;
        }
        Ok(())
    }

    fn write_roles(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "\nRoles")?;
        for role in Role::ALL {
            match self.roles.get(role.key()) {
                Some(found) => {
                    let doubt = if found.ambiguous { "  AMBIGUOUS" } else { "" };
                    writeln!(text, "  {:21}  {}{doubt}", role.name(), found.topic)?;
                    writeln!(text, "  {:21}    it {}", "", found.why)?;
                    if !found.others.is_empty() {
                        let others = found.others.join(", ");
                        writeln!(
                            text,
                            "  {:21}    {} would choose {others}",
                            "",
                            option(role)
                        )?;
                    }
                }
                None => writeln!(
                    text,
                    "  {:21}  none ({} names one)",
                    role.name(),
                    option(role)
                )?,
            }
        }
        if let Some(prompt) = &self.task_prompt {
            writeln!(text, "  {:21}  \"{prompt}\"", "the task")?;
        }
        Ok(())
    }

    fn write_frames(&self, text: &mut String) -> std::fmt::Result {
        if self.tf_frames.is_empty() {
            return Ok(());
        }
        writeln!(text, "\nTF frames")?;
        let (known, unknown): (Vec<&Frame>, Vec<&Frame>) =
            self.tf_frames.iter().partition(|frame| frame.from_camera);
        if known.is_empty() {
            writeln!(text, "  none of them is connected with the camera's")?;
        } else {
            let names: Vec<&str> = known.iter().map(|frame| frame.name.as_str()).collect();
            writeln!(text, "  from the camera  {}", names.join(", "))?;
            writeln!(
                text,
                "  {:15}  --fingertip-frame and --target-frame take them in the place of boxes",
                ""
            )?;
        }
        for frame in unknown {
            let why = frame.why_not.as_deref().unwrap_or_default();
            writeln!(text, "  {:15}  not {}: {why}", "", frame.name)?;
        }
        Ok(())
    }

    fn write_label(&self, text: &mut String) -> std::fmt::Result {
        let label = &self.label;
        writeln!(text, "\nLabelling")?;
        for obstacle in &label.obstacles {
            writeln!(text, "  not possible: {}", obstacle.replace('\n', "\n  "))?;
        }
        for remark in &label.remarks {
            writeln!(text, "  note: {remark}")?;
        }
        if !label.possible {
            return Ok(());
        }
        let plural = |count: u64| if count == 1 { "" } else { "s" };
        write!(text, "  {} image{}", label.frames, plural(label.frames))?;
        if let Some((width, height)) = label.image_size {
            write!(text, " of {width}x{height}")?;
        }
        if let Some(video) = &label.video {
            write!(text, " of {} video", video.codec.unwrap_or("unknown"))?;
            if let Some(interval) = video.keyframe_interval {
                write!(text, " with a keyframe every {interval:.0} packets")?;
            }
        }
        if let Some((width, height)) = label.depth_size {
            write!(text, " with depth of {width}x{height}")?;
        }
        writeln!(
            text,
            " in {} episode{}",
            label.episodes,
            plural(label.episodes)
        )?;
        let incomplete: Vec<String> = (label.incomplete.iter())
            .map(|(reason, count)| format!("{reason} {count}"))
            .collect();
        let rest = if incomplete.is_empty() {
            String::new()
        } else {
            format!("; the others: {}", incomplete.join(", "))
        };
        writeln!(text, "  {} of them can be measured{rest}", label.complete)?;
        match &self.next {
            Some(next) => writeln!(text, "  next: {next}"),
            None => Ok(()),
        }
    }
}

impl Found {
    fn new(inspection: &Inspection, choice: &Choice) -> Self {
        let name = |topic: usize| {
            inspection
                .info
                .topics
                .get(topic)
                .map_or_else(String::new, |topic| topic.name.clone())
        };
        Self {
            topic: name(choice.topic),
            why: choice.why.clone(),
            others: choice.others.iter().map(|topic| name(*topic)).collect(),
            ambiguous: choice.ambiguous,
        }
    }
}

impl Rehearsed {
    fn new(inspection: &Inspection) -> Self {
        let incomplete: u64 = inspection.unmatched.values().sum();
        Self {
            possible: inspection.obstacles.is_empty() && inspection.frames > 0,
            obstacles: obstacles(inspection),
            remarks: remarks(inspection),
            frames: inspection.frames,
            complete: inspection.frames - incomplete,
            incomplete: inspection
                .unmatched
                .iter()
                .map(|(reason, count)| (reason.name(), *count))
                .collect(),
            episodes: inspection.episodes,
            image_size: inspection.image_size,
            video: inspection.video.map(Video::from),
            depth_size: inspection.depth_size,
            camera_info_size: inspection.camera_info_size,
            fingertip_classes: inspection.fingertip_classes.clone(),
            target_classes: inspection.target_classes.clone(),
        }
    }
}

fn obstacles(inspection: &Inspection) -> Vec<String> {
    let mut obstacles: Vec<String> = inspection.obstacles.iter().map(obstacle).collect();
    if obstacles.is_empty() && inspection.frames == 0 {
        obstacles.push("there is not one image".to_owned());
    }
    obstacles
}

/// An obstacle in words, without the list of topics that the inspection has anyway.
fn obstacle(error: &Error) -> String {
    match error {
        Error::NoTopic { role, why, .. } => {
            let way_out = of_offline(&Remedy::NameTopics(vec![*role]));
            let way_out = way_out.strip_prefix("name one").unwrap_or(&way_out);
            format!("no topic for the {}: {why}. Name one{way_out}", role.name())
        }
        other => match other.remedy() {
            Some(remedy) => format!("{other}: {}", of_offline(&remedy)),
            None => other.to_string(),
        },
    }
}

fn remarks(inspection: &Inspection) -> Vec<String> {
    let mut remarks: Vec<String> = inspection.info.oddities.clone();
    remarks.extend(inspection.unreadable.iter().map(|(role, found)| {
        format!(
            "{} messages with the {} cannot be read: {}",
            found.count,
            role.name(),
            found.first
        )
    }));
    remarks.extend(inspection.left_out.iter().map(|(role, found)| {
        format!(
            "an object is left out of {} messages with the {}: {}",
            found.count,
            role.name(),
            found.first
        )
    }));
    if let Some(video) = inspection.video.filter(|it| it.before > 0) {
        remarks.push(format!(
            "{} images come before the video's first keyframe: they are steps without a picture (no_image)",
            video.before
        ));
    }
    remarks.extend(
        (inspection.refused_transforms.iter()).map(|why| format!("transforms are left out: {why}")),
    );
    let classes = |classes: &[String]| classes.join(", ");
    if inspection.roles.shares_boxes() {
        remarks.push(format!(
            "one topic has both objects' boxes; its class ids are: {}",
            classes(&inspection.fingertip_classes)
        ));
    }
    for (name, seen) in [
        ("fingertip", &inspection.fingertip_classes),
        ("target", &inspection.target_classes),
    ] {
        if seen.len() > 1 && !inspection.roles.shares_boxes() {
            remarks.push(format!(
                "the {name}'s topic has boxes of several classes ({}); --{name}-class chooses",
                classes(seen)
            ));
        }
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_command_left_out_what_was_typed() {
        // given an inspection of a folder that holds a bag, with options
        let typed = "-v inspect --config rig.yaml days --json --fingertip-box 1,2,3,4@1.5";
        let mut typed: Vec<OsString> = typed.split(' ').map(OsString::from).collect();
        typed.extend(["--target-frame".into(), "the cup's".into()]);
        // when it tells what labels the bag
        let next = labelling(typed.into_iter(), Path::new("days"), Path::new("days/pick"));
        // then that has the same options, for a shell
        assert_eq!(
            next,
            "spatial-reward -v label --config rig.yaml days/pick --fingertip-box 1,2,3,4@1.5 \
             --target-frame 'the cup'\\''s'"
        );
    }
}
