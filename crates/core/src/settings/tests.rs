use super::{Config, Declared, Kind, Settings, Thresholds, declared};
use crate::estimator::Estimators;
use crate::frame::DistanceKind;

#[test]
fn empty_text_is_the_default() {
    assert_eq!(Config::from_yaml("").unwrap(), Config::default());
    assert_eq!(
        Config::from_yaml("# only a comment\n").unwrap(),
        Config::default()
    );
}

#[test]
fn unknown_key_is_refused_with_its_line() {
    let error = Config::from_yaml("reward:\n  kind: dense\n  kapa: 2\n").unwrap_err();
    let text = error.to_string();
    assert!(text.contains("kapa") && text.contains("line 3"), "{text}");
}

#[test]
fn out_of_bounds_names_key_value_and_bound() {
    let text = Config::from_yaml("reward:\n  gamma: 1.5\n")
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("reward.gamma") && text.contains("1.5") && text.contains("(0, 1]"),
        "{text}"
    );
    let text = Config::from_yaml("filter: {window: 4}")
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("filter.window") && text.contains("odd"),
        "{text}"
    );
    assert!(Config::from_yaml("reward: {gamma: .nan}").is_err());
    assert!(Config::from_yaml("episodes: {split_gap_s: .inf}").is_err());
}

#[test]
fn digest_depends_on_values_not_on_typing() {
    let a = Config::from_yaml("reward: {kind: tanh}").unwrap();
    let b = Config::from_yaml("reward:\n  k_per_m: 10.0\n  kind: tanh\n").unwrap();
    assert_eq!(a.digest().unwrap(), b.digest().unwrap());
    assert_ne!(a.digest().unwrap(), Config::default().digest().unwrap());
}

#[test]
fn only_what_differs_from_its_default_is_in_the_digest() {
    // given one setting typed with another value, one with its default, and one of the live node
    let text = "reward: {kind: tanh, k_per_m: 10.0}\nlive: {queue_frames: 3}";
    let config = Config::from_yaml(text).unwrap();
    // then a setting that is added tomorrow changes no digest of today
    let changed: Vec<String> = config.changed().into_keys().collect();
    assert_eq!(changed, ["reward.kind"]);
    assert!(Config::default().changed().is_empty());
    assert_eq!(Config::default().changed_yaml().unwrap(), "");
    let votes =
        Config::from_yaml("success: {votes: {needed: 2, of: 3}}\nreward: {kind: tanh}").unwrap();
    let text = votes.changed_yaml().unwrap();
    assert_eq!(Config::from_yaml(&text).unwrap(), votes, "{text}");
}

#[test]
fn every_setting_is_declared_with_a_description_and_its_own_default() {
    let defaults = Config::default();
    assert!(declared().len() > 50);
    for setting in declared() {
        assert!(!setting.description.is_empty(), "{}", setting.name);
        if setting.kind != Kind::OptionalInteger {
            let value = defaults.value_of(&setting.name).unwrap();
            assert_eq!(setting.default, value, "{}", setting.name);
        }
    }
    let find = |name: &str| -> &Declared { declared().iter().find(|s| s.name == name).unwrap() };
    let tolerance = find("matching.tolerance_s");
    assert_eq!(
        tolerance.bounds.in_words(tolerance.unit.as_deref()),
        "in (0, 10] s"
    );
    assert_eq!(find("reward.kind").choices.len(), 7);
    assert_eq!(find("task.phases").kind, Kind::Groups);
    assert!(find("reward.kind").live && !find("matching.wait_s").live);
    assert!(!find("output.storage").node);
    assert_eq!(find("success.votes.of").kind, Kind::OptionalInteger);
    assert_eq!(find("estimator.distance").kind, Kind::OptionalText);
}

#[test]
fn names_are_resolved_once_and_unknown_ones_refused_with_those_there_are() {
    let settings = |yaml: &str| Estimators::default().settings(Config::from_yaml(yaml).unwrap());
    for (yaml, expected) in [
        ("estimator: {kind: nobody}", "geometry"),
        ("model: {device: gpu}", "cuda:N"),
        ("model: {template: klingon}", "llama_3"),
        (
            "model: {relative_depth: depth_anything}",
            "model.depth_model",
        ),
    ] {
        let error = settings(yaml).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(settings("").unwrap(), Settings::geometry());
}

#[test]
fn each_kind_of_distance_has_thresholds_of_its_own_until_one_is_typed() {
    let thresholds = |yaml: &str| Settings::from_yaml(yaml).unwrap().thresholds();
    // given nothing but the kind
    for kind in [
        DistanceKind::Surface,
        DistanceKind::Center,
        DistanceKind::Cloud,
    ] {
        let yaml = format!("estimator: {{distance: {}}}", kind.name());
        assert_eq!(thresholds(&yaml), Thresholds::of(kind));
    }
    // as the settings' own words have it
    let enter = declared().iter().find(|s| s.name == "success.enter_m");
    for kind in [
        DistanceKind::Surface,
        DistanceKind::Center,
        DistanceKind::Cloud,
    ] {
        let words = format!("{} for `{}`", Thresholds::of(kind).enter_m, kind.name());
        let description = &enter.unwrap().description;
        assert!(description.contains(&words), "{words}: {description}");
    }
    // geometry's default is what it always was
    let surface = Thresholds {
        enter_m: 0.01,
        exit_m: 0.03,
        sparse_m: 0.05,
    };
    assert_eq!(thresholds(""), surface);
    // what is typed counts for any kind, and an exit that is not typed follows its entry
    let typed = thresholds(
        "{estimator: {distance: cloud}, success: {enter_m: 0.1}, reward: {threshold_m: 0.2}}",
    );
    assert_eq!((typed.enter_m, typed.sparse_m), (0.1, 0.2));
    assert!((typed.exit_m - 0.12).abs() < 1e-12);
}

#[test]
fn an_exit_before_its_entry_is_refused_also_where_the_entry_is_the_kinds() {
    for (yaml, entry) in [
        ("success: {exit_m: 0.001}", "0.01 for surface"),
        ("success: {enter_m: 0.2, exit_m: 0.1}", "0.2 for surface"),
        (
            "{estimator: {distance: cloud}, success: {exit_m: 0.03}}",
            "for cloud",
        ),
    ] {
        let error = Settings::from_yaml(yaml).unwrap_err().to_string();
        assert!(
            error.contains("success.exit_m") && error.contains(entry),
            "{error}"
        );
    }
}

#[test]
fn a_threshold_typed_as_it_is_anyway_changes_no_digest() {
    let digest = |yaml: &str| Settings::from_yaml(yaml).unwrap().digest().unwrap();
    let typed = "{success: {enter_m: 0.01, exit_m: 0.03}, reward: {threshold_m: 0.05}}";
    assert_eq!(digest(typed), digest(""));
    assert_eq!(
        Settings::from_yaml(typed).unwrap().changed_yaml().unwrap(),
        ""
    );
    // but it does for a kind that has another
    let cloud = "estimator: {distance: cloud}";
    assert_ne!(
        digest(&format!("{{{cloud}, success: {{enter_m: 0.01}}}}")),
        digest(cloud)
    );
    // and an entry of its own keeps an exit that would else be another
    let own = "success: {enter_m: 0.02, exit_m: 0.03}";
    let yaml = Settings::from_yaml(own).unwrap().changed_yaml().unwrap();
    let again = Settings::from_yaml(&yaml).unwrap();
    assert_eq!(again.thresholds().exit_m, 0.03);
}
