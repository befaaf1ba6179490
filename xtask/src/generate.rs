//! From the settings' declarations to what people read and editors complete: `config/default.yaml`, its JSON schema, and
//! the tables in docs/.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::Value;
use spatial_reward_core::settings::{Declared, Kind, Section, schema, sections};

/// Columns of a line of YAML.
const WIDTH: usize = 100;

/// Writes the files, or says which are not fresh.
pub(crate) fn run(root: &Path, check: bool) -> anyhow::Result<()> {
    let mut stale = Vec::new();
    for (name, fresh) in files(root)? {
        let path = root.join(name);
        if fs::read_to_string(&path).ok().as_deref() == Some(&*fresh) {
            continue;
        }
        match check {
            true => stale.push(name),
            false => fs::write(&path, fresh).with_context(|| format!("cannot write {name}"))?,
        }
    }
    if !stale.is_empty() {
        bail!(
            "not as the settings' declarations have it: {}. `cargo xtask generate` writes it anew",
            stale.join(", ")
        );
    }
    Ok(())
}

/// Every generated file with its text.
fn files(root: &Path) -> anyhow::Result<Vec<(&'static str, String)>> {
    let schema = serde_json::to_string_pretty(&schema())? + "\n";
    Ok(vec![
        ("config/default.yaml", default_file()),
        ("config/settings.schema.json", schema),
        within(root, "docs/reference.md", "settings", &settings_table())?,
        within(root, "docs/ros2.md", "parameters", &parameters_table())?,
    ])
}

/// A page with its generated part anew, which stands between two comments.
fn within(
    root: &Path,
    page: &'static str,
    part: &str,
    fresh: &str,
) -> anyhow::Result<(&'static str, String)> {
    let text =
        fs::read_to_string(root.join(page)).with_context(|| format!("cannot read {page}"))?;
    let begin = format!("<!-- begin generated: {part} -->\n");
    let end = format!("<!-- end generated: {part} -->");
    let parts = text.split_once(&begin).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(&end)?;
        Some((before, after))
    });
    let (before, after) = parts.with_context(|| format!("{page} has no place for the {part}"))?;
    Ok((page, format!("{before}{begin}\n{fresh}\n{end}{after}")))
}

fn default_file() -> String {
    let mut lines = vec![
        "# yaml-language-server: $schema=settings.schema.json".to_owned(),
        "# Every setting with its default. Copy what you want to change; what is left out keeps its default, and".into(),
        "# a key that is not listed here is refused with its line. Generated from the settings' declarations by".into(),
        "# `cargo xtask generate`.".into(),
    ];
    for section in sections() {
        lines.push(String::new());
        comment(&mut lines, "", &section.description);
        // A section of names of the user's choice has none by default.
        let none = if section.settings.is_empty() {
            " {}"
        } else {
            ""
        };
        lines.push(format!("{}:{none}", section.name));
        members(&mut lines, section);
        groups(&mut lines, section);
    }
    lines.join("\n") + "\n"
}

/// A section's settings, those of a group under its name. What a setting means is said of the first group that has it.
fn members(lines: &mut Vec<String>, section: &Section) {
    let mut group = section.name.as_str();
    let mut said: Vec<&str> = Vec::new();
    let settings = section.settings.iter();
    for setting in settings.filter(|setting| setting.kind != Kind::OptionalInteger) {
        let (its_group, _) = setting.name.rsplit_once('.').unwrap_or_default();
        let indent = if its_group == section.name {
            "  "
        } else {
            "    "
        };
        if its_group != group && its_group != section.name {
            let name = its_group.rsplit('.').next().unwrap_or_default();
            lines.push(format!("  {name}:"));
        }
        group = its_group;
        if !said.contains(&setting.description.as_str()) {
            explain(lines, indent, setting);
            said.push(&setting.description);
        }
        let key = setting.name.rsplit('.').next().unwrap_or_default();
        lines.push(format!("{indent}{key}: {}", yaml(&setting.default)));
    }
}

fn explain(lines: &mut Vec<String>, indent: &str, setting: &Declared) {
    comment(lines, indent, &described(setting));
    for choice in &setting.choices {
        let choice = format!("- {}: {}", choice.name, choice.description);
        comment(lines, indent, &choice);
    }
}

/// Groups that are left out as a whole stand as one null.
fn groups(lines: &mut Vec<String>, section: &Section) {
    let members: Vec<&Declared> = (section.settings.iter())
        .filter(|setting| setting.kind == Kind::OptionalInteger)
        .collect();
    let Some((group, _)) = members.first().and_then(|one| one.name.rsplit_once('.')) else {
        return;
    };
    let key = group.rsplit('.').next().unwrap_or_default();
    let keys: Vec<String> = (members.iter())
        .map(|one| one.name.rsplit('.').next().unwrap_or_default().to_owned() + ": N")
        .collect();
    comment(lines, "  ", &format!("None, or {{{}}}:", keys.join(", ")));
    for member in members {
        let key = member.name.rsplit('.').next().unwrap_or_default();
        comment(lines, "  ", &format!("- {key}: {}", described(member)));
    }
    lines.push(format!("  {key}: null"));
}

/// What a setting means, with its bounds.
fn described(setting: &Declared) -> String {
    let bounds = setting.bounds.in_words(setting.unit.as_deref());
    let bounds = match (&setting.unit, bounds.is_empty()) {
        (Some(unit), true) => unit.clone(),
        _ => bounds,
    };
    match bounds.is_empty() {
        true => setting.description.clone(),
        false => format!("{}; {bounds}.", setting.description.trim_end_matches('.')),
    }
}

fn comment(lines: &mut Vec<String>, indent: &str, text: &str) {
    let mut line = format!("{indent}#");
    for word in text.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            lines.push(std::mem::replace(&mut line, format!("{indent}#")));
            if text.starts_with("- ") {
                line.push_str("  ");
            }
        }
        line.push(' ');
        line.push_str(word);
    }
    lines.push(line);
}

/// A value as YAML; what JSON writes is YAML too, and shorter without needless quotes.
fn yaml(value: &Value) -> String {
    match value {
        Value::String(text)
            if text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_/".contains(c)) =>
        {
            text.clone()
        }
        other => other.to_string(),
    }
}

fn settings_table() -> String {
    let mut lines = Vec::new();
    for section in sections() {
        lines.push(format!(
            "### `{}`\n\n{}\n",
            section.name, section.description
        ));
        if section.settings.is_empty() {
            continue;
        }
        lines.push("| setting | type | default | bounds | meaning |".to_owned());
        lines.push("| --- | --- | --- | --- | --- |".to_owned());
        for setting in &section.settings {
            let bounds = match setting.choices.is_empty() {
                true => setting.constraints(),
                false => String::new(),
            };
            lines.push(row(&[
                format!("`{}`", setting.name),
                type_name(setting).to_owned(),
                format!("`{}`", yaml(&setting.default)),
                bounds,
                meaning(setting),
            ]));
        }
        lines.push(String::new());
    }
    lines.join("\n")
}

fn parameters_table() -> String {
    let mut lines = vec![
        "| parameter | type | default | bounds | may change | meaning |".to_owned(),
        "| --- | --- | --- | --- | --- | --- |".to_owned(),
    ];
    let settings = sections().iter().flat_map(|section| &section.settings);
    for setting in settings.filter(|setting| setting.node) {
        lines.push(row(&[
            format!("`{}`", setting.name),
            ros_type(setting.kind).to_owned(),
            format!("`{}`", ros_default(setting)),
            setting.constraints(),
            if setting.live { "yes" } else { "" }.to_owned(),
            setting.description.clone(),
        ]));
    }
    lines.join("\n") + "\n"
}

fn row(cells: &[String]) -> String {
    let cells = cells.iter().map(|cell| cell.replace('|', "\\|"));
    format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
}

fn meaning(setting: &Declared) -> String {
    let choices = setting.choices.iter().map(|choice| {
        format!(
            "`{}`: {}",
            choice.name,
            choice.description.trim_end_matches('.')
        )
    });
    let choices: Vec<String> = choices.collect();
    match choices.is_empty() {
        true => setting.description.clone(),
        false => format!("{} {}.", setting.description, choices.join("; ")),
    }
}

fn type_name(setting: &Declared) -> &'static str {
    match setting.kind {
        Kind::Bool => "true or false",
        Kind::Integer => "whole number",
        Kind::Real => "number",
        Kind::Text if setting.choices.is_empty() => "text",
        Kind::Text => "word",
        Kind::Texts => "list of texts",
        Kind::Groups => "list of groups",
        Kind::OptionalReal => "number or null",
        Kind::OptionalText if setting.choices.is_empty() => "text or null",
        Kind::OptionalText => "word or null",
        Kind::OptionalInteger => "whole number",
    }
}

fn ros_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "bool",
        Kind::Integer | Kind::OptionalInteger => "integer",
        Kind::Real | Kind::OptionalReal => "double",
        Kind::Text | Kind::OptionalText => "string",
        Kind::Texts => "string array",
        // No node has one.
        Kind::Groups => "",
    }
}

/// A parameter has a value always: an empty text or 0 stands for none.
fn ros_default(setting: &Declared) -> String {
    match (setting.kind, &setting.default) {
        (Kind::OptionalReal | Kind::OptionalInteger, Value::Null) => "0".to_owned(),
        (Kind::OptionalText, Value::Null) => "\"\"".to_owned(),
        (_, value) => yaml(value),
    }
}
