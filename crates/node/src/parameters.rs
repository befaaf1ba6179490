//! Every setting as a ROS parameter: names, types, bounds and descriptions follow from the settings' declarations.

use std::collections::BTreeMap;

use r2r::ParameterValue;
use serde_json::{Map, Value};

use super::pairs::pairs;
use spatial_reward_core::Result;
use spatial_reward_core::estimator::Estimators;
use spatial_reward_core::settings::{Bounds, Config, Declared, Kind, Settings, declared};

/// ROS's own parameter, which every node has.
pub(crate) const USE_SIM_TIME: &str = "use_sim_time";

/// Parameters that ROS gives to nodes unasked; they are not ours and no mistake.
const OF_ROS: [&str; 2] = ["qos_overrides.", "start_type_description_service"];

/// Whether the node is a managed one; that decides which services it has.
const MANAGED: &str = "live.managed";

/// When settings may change of which the node is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Building {
    /// Never: it is built when it starts.
    AtStart,
    /// Now: a managed node reads them when it is configured.
    AtConfigure,
    /// Not now: a managed node has read them.
    Done,
}

/// The configuration in force, seen as parameters.
#[derive(Debug, Clone)]
pub(crate) struct Parameters {
    settings: Settings,
    estimators: Estimators,
    use_sim_time: bool,
    declared: BTreeMap<String, Declared>,
    building: Building,
}

impl Parameters {
    /// With the values of a configuration.
    ///
    /// # Errors
    /// A value that makes no sense.
    pub(crate) fn new(config: Config, estimators: Estimators) -> Result<Self> {
        let of_nodes = declared().iter().filter(|setting| setting.node);
        let mut declared: BTreeMap<String, Declared> = of_nodes
            .map(|setting| (setting.name.clone(), setting.clone()))
            .collect();
        declared.insert(USE_SIM_TIME.to_owned(), use_sim_time());
        Ok(Self {
            settings: estimators.settings(config)?,
            estimators,
            use_sim_time: false,
            declared,
            building: Building::AtStart,
        })
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn use_sim_time(&self) -> bool {
        self.use_sim_time
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.declared.keys().map(String::as_str)
    }

    pub(crate) fn declared(&self, name: &str) -> Option<&Declared> {
        self.declared.get(name)
    }

    /// The value in force; `None` for a name that does not exist.
    pub(crate) fn get(&self, name: &str) -> Option<ParameterValue> {
        let declared = self.declared.get(name)?;
        if name == USE_SIM_TIME {
            return Some(ParameterValue::Bool(self.use_sim_time));
        }
        let values = values(self.settings.config());
        parameter(declared.kind, values.get(name)?)
    }

    /// Take values that the node was started with. Names that do not exist are given back: a parameter
    /// file may be meant for several nodes.
    ///
    /// # Errors
    /// What is wrong with a value, by its name.
    pub(crate) fn start_with<'a>(
        &mut self,
        values: impl IntoIterator<Item = (&'a str, &'a ParameterValue)>,
    ) -> Result<Vec<String>, String> {
        let (known, unknown): (Vec<_>, Vec<_>) = values
            .into_iter()
            .partition(|(name, _)| self.declared.contains_key(*name));
        self.apply(&known)?;
        Ok(unknown
            .into_iter()
            .map(|(name, _)| name.to_owned())
            .filter(|name| !starts_with_any(name, &OF_ROS))
            .collect())
    }

    /// From now on, settings of which the node is built may change or not.
    pub(crate) fn set_building(&mut self, building: Building) {
        self.building = building;
    }

    /// Whether a parameter may change now.
    pub(crate) fn may_change(&self, declared: &Declared) -> bool {
        let is_of_process = [USE_SIM_TIME, MANAGED].contains(&declared.name.as_str());
        declared.live || (self.building == Building::AtConfigure && !is_of_process)
    }

    /// Change parameters of a running node: all of them, or none.
    ///
    /// # Errors
    /// Why not, by the parameter's name.
    pub(crate) fn change(&mut self, values: &[(&str, &ParameterValue)]) -> Result<(), String> {
        for (name, value) in values {
            let declared = (self.declared.get(*name)).ok_or_else(|| self.no_such(name))?;
            if !self.may_change(declared) && self.get(name).as_ref() != Some(value) {
                return Err(self.fixed(name));
            }
        }
        self.apply(values)
    }

    fn apply(&mut self, values: &[(&str, &ParameterValue)]) -> Result<(), String> {
        let mut tree =
            serde_json::to_value(self.settings.config()).map_err(|error| error.to_string())?;
        let mut use_sim_time = self.use_sim_time;
        for (name, value) in values {
            let declared = (self.declared.get(*name)).ok_or_else(|| self.no_such(name))?;
            let setting = setting(declared.kind, name, value)?;
            if *name == USE_SIM_TIME {
                use_sim_time = setting == Value::Bool(true);
                continue;
            }
            place(&mut tree, name, setting);
            // One at a time, so that a wrong one is called by its name.
            parsed(&tree).map_err(|error| format!("{name}: {error}"))?;
        }
        let config = parsed(&tree)?;
        let settings = self.estimators.settings(config);
        // Each pair of a task is measured with these, too.
        let settings = settings.and_then(|settings| pairs(&settings).map(|_| settings));
        self.settings = settings.map_err(|error| {
            let error = error.to_string();
            error.trim_start_matches("config: ").to_owned()
        })?;
        self.use_sim_time = use_sim_time;
        Ok(())
    }

    fn fixed(&self, name: &str) -> String {
        match self.building {
            Building::Done if ![USE_SIM_TIME, MANAGED].contains(&name) => format!(
                "{name} cannot change while the node is configured: have it clean up first (ros2 lifecycle set NODE \
                 cleanup, after deactivate)"
            ),
            _ => format!(
                "{name} cannot change while the node runs: set it at start, with -p {name}:=VALUE or in a parameter \
                 file"
            ),
        }
    }

    fn no_such(&self, name: &str) -> String {
        let (section, _) = name.split_once('.').unwrap_or((name, ""));
        let near: Vec<&str> = (self.names())
            .filter(|known| known.split('.').next() == Some(section))
            .collect();
        match near.as_slice() {
            [] => format!("{name} is no parameter of this node: `ros2 param list` shows all"),
            near => format!(
                "{name} is no parameter of this node; it has {}",
                near.join(", ")
            ),
        }
    }
}

/// ROS's own, declared like ours.
fn use_sim_time() -> Declared {
    Declared {
        name: USE_SIM_TIME.to_owned(),
        kind: Kind::Bool,
        default: Value::Bool(false),
        unit: None,
        bounds: Bounds::default(),
        description: "Take the time from /clock.".to_owned(),
        choices: Vec::new(),
        live: false,
        node: true,
    }
}

/// A setting's value as that of a parameter.
fn parameter(kind: Kind, setting: &Value) -> Option<ParameterValue> {
    Some(match kind {
        Kind::Bool => ParameterValue::Bool(setting.as_bool()?),
        Kind::Integer | Kind::OptionalInteger => ParameterValue::Integer(setting.as_i64()?),
        Kind::Real => ParameterValue::Double(setting.as_f64()?),
        Kind::OptionalReal => ParameterValue::Double(setting.as_f64().unwrap_or(0.0)),
        Kind::Text => ParameterValue::String(setting.as_str()?.to_owned()),
        Kind::OptionalText => {
            ParameterValue::String(setting.as_str().unwrap_or_default().to_owned())
        }
        Kind::Texts => {
            let texts = setting.as_array()?.iter().filter_map(Value::as_str);
            ParameterValue::StringArray(texts.map(str::to_owned).collect())
        }
        // Only a file of settings has groups.
        Kind::Groups => return None,
    })
}

/// A parameter's value as that of a setting. A whole number will do for a real one, and an empty
/// array of any type for no texts: that is what YAML makes of them.
fn setting(kind: Kind, name: &str, value: &ParameterValue) -> Result<Value, String> {
    let wrong = |expected| {
        let given = value.type_name();
        Err(format!("{name} is of type {given}, but must be {expected}"))
    };
    Ok(match (kind, value) {
        (Kind::Bool, ParameterValue::Bool(value)) => Value::from(*value),
        (Kind::Integer | Kind::OptionalInteger, ParameterValue::Integer(value)) => {
            Value::from(*value)
        }
        (Kind::OptionalReal, ParameterValue::Double(0.0) | ParameterValue::Integer(0)) => {
            Value::Null
        }
        (Kind::Real | Kind::OptionalReal, ParameterValue::Double(value)) => {
            if !value.is_finite() {
                return Err(format!("{name} is {value}, but must be a finite number"));
            }
            Value::from(*value)
        }
        (Kind::Real | Kind::OptionalReal, ParameterValue::Integer(value)) => {
            Value::from(*value as f64)
        }
        (Kind::OptionalText, ParameterValue::String(value)) if value.is_empty() => Value::Null,
        (Kind::Text | Kind::OptionalText, ParameterValue::String(value)) => {
            Value::from(value.as_str())
        }
        (Kind::Texts, ParameterValue::StringArray(values)) => Value::from(values.clone()),
        (Kind::Texts, ParameterValue::ByteArray(values)) if values.is_empty() => {
            Value::Array(vec![])
        }
        (Kind::Bool, _) => return wrong("a boolean"),
        (Kind::Integer | Kind::OptionalInteger, _) => return wrong("an integer"),
        (Kind::Real | Kind::OptionalReal, _) => return wrong("a number"),
        (Kind::Text | Kind::OptionalText, _) => return wrong("a string"),
        (Kind::Texts, _) => return wrong("an array of strings"),
        (Kind::Groups, _) => return wrong("in a file of settings"),
    })
}

fn starts_with_any(name: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| name.starts_with(prefix))
}

fn parsed(tree: &Value) -> Result<Config, String> {
    let mut tree = tree.clone();
    close_votes(&mut tree);
    serde_json::from_value(tree).map_err(|error| error.to_string())
}

/// Every setting by its dotted name. The votes, which are there or not as a whole, are two numbers.
fn values(config: &Config) -> BTreeMap<String, Value> {
    let mut flat = BTreeMap::new();
    if let Ok(Value::Object(mut sections)) = serde_json::to_value(config) {
        open_votes(&mut sections);
        for (section, settings) in sections {
            flatten(&section, settings, &mut flat);
        }
    }
    flat
}

fn flatten(name: &str, value: Value, flat: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(settings) => {
            for (key, value) in settings {
                flatten(&format!("{name}.{key}"), value, flat);
            }
        }
        value => {
            flat.insert(name.to_owned(), value);
        }
    }
}

fn open_votes(sections: &mut Map<String, Value>) {
    let votes = sections
        .get_mut("success")
        .and_then(|success| success.get_mut("votes"));
    if let Some(votes) = votes.filter(|votes| votes.is_null()) {
        *votes = serde_json::json!({"needed": 0, "of": 0});
    }
}

fn close_votes(tree: &mut Value) {
    if let Some(votes) = tree.pointer_mut("/success/votes") {
        let zero = |key| votes.get(key).and_then(Value::as_u64).unwrap_or(0) == 0;
        if zero("needed") && zero("of") {
            *votes = Value::Null;
        }
    }
}

/// Put a setting where its dotted name says.
fn place(tree: &mut Value, name: &str, setting: Value) {
    if let Value::Object(sections) = tree {
        open_votes(sections);
    }
    let pointer = format!("/{}", name.replace('.', "/"));
    if let Some(place) = tree.pointer_mut(&pointer) {
        *place = setting;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spatial_reward_core::frame::DistanceKind;
    use spatial_reward_core::settings::RewardKind;

    fn parameters() -> Parameters {
        Parameters::new(Config::default(), Estimators::default()).unwrap()
    }

    fn real(value: f64) -> ParameterValue {
        ParameterValue::Double(value)
    }

    fn text(value: &str) -> ParameterValue {
        ParameterValue::String(value.to_owned())
    }

    #[test]
    fn every_parameter_has_a_description_and_a_value() {
        let parameters = parameters();
        assert!(parameters.names().count() > 40);
        for name in parameters.names() {
            let declared = parameters.declared(name).unwrap();
            assert!(!declared.description.is_empty(), "{name}");
            assert!(parameters.get(name).is_some(), "{name}");
        }
        let k = parameters.declared("reward.k_per_m").unwrap();
        assert_eq!(k.constraints(), "above 0 1/m");
        let class = parameters.declared("topics.target_class").unwrap();
        assert!(
            class
                .description
                .starts_with("Class ids that count as the target")
        );
        let kind = parameters.declared("reward.kind").unwrap();
        assert!(kind.constraints().contains("shaped"));
    }

    #[test]
    fn starting_with_every_default_changes_nothing() {
        let mut parameters = parameters();
        let values: Vec<(String, ParameterValue)> = (parameters.names())
            .map(|name| (name.to_owned(), parameters.get(name).unwrap()))
            .collect();
        let values = values.iter().map(|(name, value)| (name.as_str(), value));
        assert_eq!(parameters.start_with(values), Ok(vec![]));
        assert_eq!(*parameters.settings().config(), Config::default());
    }

    #[test]
    fn a_node_starts_with_what_it_is_given() {
        let mut parameters = parameters();
        let unknown = parameters
            .start_with([
                ("estimator.distance", &text("cloud")),
                ("episodes.split_gap_s", &ParameterValue::Integer(2)),
                ("success.votes.needed", &ParameterValue::Integer(3)),
                ("success.votes.of", &ParameterValue::Integer(5)),
                (
                    "topics.target_class",
                    &ParameterValue::StringArray(vec!["mug".into()]),
                ),
                ("of.another.node", &text("x")),
                ("qos_overrides./image.depth", &ParameterValue::Integer(1)),
                (USE_SIM_TIME, &ParameterValue::Bool(true)),
            ])
            .unwrap();
        assert_eq!(unknown, ["of.another.node"]);
        let config = parameters.settings();
        assert_eq!(config.estimator.distance, Some(DistanceKind::Cloud));
        assert_eq!(config.episodes.split_gap_s, Some(2.0));
        assert_eq!(config.success.votes.unwrap().of, 5);
        assert_eq!(config.topics.target_class, ["mug"]);
        assert!(parameters.use_sim_time());
        assert_eq!(
            parameters.get("episodes.split_gap_s"),
            Some(ParameterValue::Double(2.0))
        );
    }

    #[test]
    fn a_refusal_names_the_parameter_and_changes_nothing() {
        let refusals = [
            ("reward.k_per_m", real(-1.0), "reward.k_per_m is -1"),
            ("reward.k_per_m", text("much"), "must be a number"),
            ("reward.kind", text("tan"), "reward.kind: unknown variant"),
            ("success.exit_m", real(0.001), "success.exit_m is 0.001"),
            ("reward.knid", text("tanh"), "it has reward.base"),
            ("nonsense", text("x"), "nonsense is no parameter"),
            ("matching.wait_s", real(0.1), "set it at start"),
            ("reward.gamma", real(f64::NAN), "finite"),
            ("filter.window", ParameterValue::NotSet, "not set"),
            ("filter.window", ParameterValue::Integer(4), "odd"),
            (USE_SIM_TIME, ParameterValue::Bool(true), "set it at start"),
        ];
        let mut parameters = parameters();
        for (name, value, expected) in refusals {
            let refusal = parameters.change(&[(name, &value)]).unwrap_err();
            assert!(refusal.contains(expected), "{name}: {refusal}");
        }
        assert_eq!(*parameters.settings().config(), Config::default());
    }

    #[test]
    fn a_managed_node_takes_every_setting_until_it_is_configured() {
        let mut parameters = parameters();
        parameters.set_building(Building::AtConfigure);
        let wait = real(0.1);
        parameters.change(&[("matching.wait_s", &wait)]).unwrap();
        assert_eq!(parameters.get("matching.wait_s"), Some(wait));
        for name in [MANAGED, USE_SIM_TIME] {
            let other = ParameterValue::Bool(true);
            let refusal = parameters.change(&[(name, &other)]).unwrap_err();
            assert!(refusal.contains("set it at start"), "{refusal}");
        }
        parameters.set_building(Building::Done);
        let refusal = (parameters.change(&[("matching.wait_s", &real(0.2))])).unwrap_err();
        assert!(
            refusal.contains("ros2 lifecycle set NODE cleanup"),
            "{refusal}"
        );
        parameters
            .change(&[("reward.k_per_m", &real(3.0))])
            .unwrap();
    }

    #[test]
    fn parameters_that_only_fit_together_change_together() {
        let mut parameters = parameters();
        let (enter, exit) = (real(0.05), real(0.06));
        parameters
            .change(&[("success.exit_m", &real(0.03))])
            .unwrap();
        assert!(parameters.change(&[("success.enter_m", &enter)]).is_err());
        parameters
            .change(&[("success.enter_m", &enter), ("success.exit_m", &exit)])
            .unwrap();
        assert_eq!(parameters.settings().thresholds().exit_m, 0.06);
        parameters
            .change(&[("reward.kind", &text("tanh"))])
            .unwrap();
        assert_eq!(parameters.settings().reward.kind, RewardKind::Tanh);
    }

    #[test]
    fn a_fixed_parameter_may_be_set_to_what_it_is() {
        let mut parameters = parameters();
        let same = parameters.get("matching.wait_s").unwrap();
        parameters.change(&[("matching.wait_s", &same)]).unwrap();
    }
}
