//! The ROS arguments of the command line (`--ros-args -r image:=/camera/image ...`), as far as the node has
//! to understand them itself: which topic a name stands for after remapping. ROS applies the same rules to
//! the subscriptions; this tells people, and finds out that two names lead to one topic.

/// Who the node is after remapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub name: String,
    /// Absolute; `/` is the root.
    pub namespace: String,
}

/// The remapping rules for names, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Remaps {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    /// Holds for the node of this name only.
    node: Option<String>,
    from: String,
    to: String,
}

impl Remaps {
    /// The rules among the arguments of a process.
    pub(crate) fn of_arguments(arguments: impl IntoIterator<Item = String>) -> Self {
        let mut rules = Vec::new();
        let mut ros = false;
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match (argument.as_str(), ros) {
                ("--ros-args", _) => ros = true,
                ("--", _) => ros = false,
                ("-r" | "--remap", true) => rules.extend(arguments.next().and_then(Rule::parse)),
                _ => {}
            }
        }
        Self { rules }
    }

    /// The absolute name of a topic that the node knows by this name: the first rule that fits it wins.
    pub(crate) fn resolve(&self, topic: &str, node: &Identity) -> String {
        let name = node.expand(topic);
        let fits = |rule: &&Rule| {
            (rule.node.as_ref()).is_none_or(|only| *only == node.name)
                && node.expand(&rule.from) == name
        };
        match self.rules.iter().find(fits) {
            Some(rule) => node.expand(&rule.to),
            None => name,
        }
    }
}

impl Rule {
    /// `[NODE:][rostopic://]FROM:=TO`; rules for the node's name, its namespace and services are none of
    /// ours.
    fn parse(text: String) -> Option<Self> {
        let (from, to) = text.split_once(":=")?;
        if from.contains("rosservice://") {
            return None;
        }
        let from = from.replace("rostopic://", "");
        let to = to.replace("rostopic://", "");
        let (node, from) = match from.split_once(':') {
            Some((node, from)) => (Some(node.to_owned()), from.to_owned()),
            None => (None, from),
        };
        (!from.starts_with("__")).then_some(Self { node, from, to })
    }
}

impl Identity {
    /// `~/x` is below the node's own name, `x` in its namespace, `/x` as it is.
    fn expand(&self, name: &str) -> String {
        let namespace = self.namespace.trim_end_matches('/');
        if name.starts_with('/') {
            name.to_owned()
        } else if let Some(own) = name.strip_prefix('~') {
            format!("{namespace}/{}/{}", self.name, own.trim_start_matches('/'))
        } else {
            format!("{namespace}/{name}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remaps(line: &str) -> Remaps {
        Remaps::of_arguments(line.split_whitespace().map(str::to_owned))
    }

    fn node(namespace: &str) -> Identity {
        Identity {
            name: "spatial_reward".into(),
            namespace: namespace.into(),
        }
    }

    #[test]
    fn names_live_in_the_namespace() {
        let none = Remaps::default();
        assert_eq!(none.resolve("image", &node("/")), "/image");
        assert_eq!(none.resolve("image", &node("/left/arm")), "/left/arm/image");
        assert_eq!(none.resolve("/task_prompt", &node("/left")), "/task_prompt");
        assert_eq!(
            none.resolve("~/step_reward", &node("/left")),
            "/left/spatial_reward/step_reward"
        );
    }

    #[test]
    fn the_first_rule_that_fits_wins() {
        let remaps = remaps(
            "node --config x --ros-args -r image:=/camera/a --remap /image:=/camera/b -r __ns:=/left \
             -p a:=b -- -r depth:=/not/ros",
        );
        assert_eq!(remaps.resolve("image", &node("/")), "/camera/a");
        assert_eq!(remaps.resolve("depth", &node("/")), "/depth");
    }

    #[test]
    fn rules_may_hold_for_one_node_or_for_topics_alone() {
        let remaps = remaps(
            "--ros-args -r other:image:=/wrong -r spatial_reward:image:=right \
             -r rosservice://depth:=/wrong -r rostopic://camera_info:=~/info",
        );
        assert_eq!(remaps.resolve("image", &node("/left")), "/left/right");
        assert_eq!(remaps.resolve("depth", &node("/")), "/depth");
        assert_eq!(
            remaps.resolve("camera_info", &node("/")),
            "/spatial_reward/info"
        );
    }
}
