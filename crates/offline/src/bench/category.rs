//! What a row of the benchmark asks for, and in which column of the paper's table it counts.

use spatial_reward_core::answer::statement::{Length, Relation, Wanted};

/// A column of the paper's table 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "they are the words themselves")]
pub enum Column {
    BelowAbove,
    LeftRight,
    BigSmall,
    TallShort,
    WideThin,
    BehindFront,
    DirectDistance,
    HorizontalDistance,
    VerticalDistance,
    Width,
    Height,
    Direction,
}

impl Column {
    /// Those of success rates alone, in the paper's order.
    pub const QUALITATIVE: [Self; 6] = [
        Self::BelowAbove,
        Self::LeftRight,
        Self::BigSmall,
        Self::TallShort,
        Self::WideThin,
        Self::BehindFront,
    ];
    /// Those of success rates and errors, in the paper's order.
    pub const QUANTITATIVE: [Self; 6] = [
        Self::DirectDistance,
        Self::HorizontalDistance,
        Self::VerticalDistance,
        Self::Width,
        Self::Height,
        Self::Direction,
    ];

    /// As it is called in JSON.
    pub fn key(self) -> &'static str {
        match self {
            Self::BelowAbove => "below_above",
            Self::LeftRight => "left_right",
            Self::BigSmall => "big_small",
            Self::TallShort => "tall_short",
            Self::WideThin => "wide_thin",
            Self::BehindFront => "behind_front",
            Self::DirectDistance => "direct_distance",
            Self::HorizontalDistance => "horizontal_distance",
            Self::VerticalDistance => "vertical_distance",
            Self::Width => "width",
            Self::Height => "height",
            Self::Direction => "direction",
        }
    }

    /// As it is called in a table.
    pub fn title(self) -> &'static str {
        match self {
            Self::BelowAbove => "Below/Above",
            Self::LeftRight => "Left/Right",
            Self::BigSmall => "Big/Small",
            Self::TallShort => "Tall/Short",
            Self::WideThin => "Wide/Thin",
            Self::BehindFront => "Behind/Front",
            Self::DirectDistance => "Direct",
            Self::HorizontalDistance => "Horizontal",
            Self::VerticalDistance => "Vertical",
            Self::Width => "Width",
            Self::Height => "Height",
            Self::Direction => "Direction",
        }
    }

    /// Whether answers have an error beside being right or wrong.
    pub fn is_quantitative(self) -> bool {
        Self::QUANTITATIVE.contains(&self)
    }
}

/// The category of a row, as the file names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Category {
    /// As the file has it.
    pub name: String,
    /// What it asks for.
    pub wanted: Wanted,
    /// Where it counts.
    pub column: Column,
}

impl Category {
    /// `None` for a name that the benchmark does not have.
    pub fn named(name: &str) -> Option<Self> {
        let (wanted, column) = match name {
            "distance_data" => (Wanted::Length(Length::Distance), Column::DirectDistance),
            "horizontal_distance_data" => (
                Wanted::Length(Length::HorizontalDistance),
                Column::HorizontalDistance,
            ),
            "vertical_distance_data" => (
                Wanted::Length(Length::VerticalDistance),
                Column::VerticalDistance,
            ),
            "width_data" => (Wanted::Length(Length::Width), Column::Width),
            "height_data" => (Wanted::Length(Length::Height), Column::Height),
            "direction" => (Wanted::Direction, Column::Direction),
            _ => of_two(name)?,
        };
        Some(Self {
            name: name.to_owned(),
            wanted,
            column,
        })
    }
}

/// `left_predicate` asks whether, `left_choice` which one.
fn of_two(name: &str) -> Option<(Wanted, Column)> {
    let (word, form) = name.rsplit_once('_')?;
    let (relation, column) = match word {
        "left" => (Relation::Left, Column::LeftRight),
        "right" => (Relation::Right, Column::LeftRight),
        "above" => (Relation::Above, Column::BelowAbove),
        "below" => (Relation::Below, Column::BelowAbove),
        "tall" => (Relation::Tall, Column::TallShort),
        "short" => (Relation::Short, Column::TallShort),
        "wide" => (Relation::Wide, Column::WideThin),
        "thin" => (Relation::Thin, Column::WideThin),
        "big" => (Relation::Big, Column::BigSmall),
        "small" => (Relation::Small, Column::BigSmall),
        "behind" => (Relation::Behind, Column::BehindFront),
        "front" => (Relation::Front, Column::BehindFront),
        _ => return None,
    };
    let wanted = match form {
        "predicate" => Wanted::YesOrNo(relation),
        "choice" => Wanted::Choice(relation),
        _ => return None,
    };
    Some((wanted, column))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_category_of_the_file_has_a_column_of_the_paper() {
        let mut names: Vec<String> = ["left", "right", "above", "below", "tall", "short"]
            .iter()
            .flat_map(|word| [format!("{word}_predicate"), format!("{word}_choice")])
            .collect();
        let whether = ["wide", "thin", "big", "small", "behind", "front"];
        names.extend(whether.iter().map(|word| format!("{word}_predicate")));
        let lengths = [
            "distance",
            "horizontal_distance",
            "vertical_distance",
            "width",
            "height",
        ];
        names.extend(lengths.iter().map(|word| format!("{word}_data")));
        names.push("direction".to_owned());
        let mut columns: Vec<Column> = names
            .iter()
            .map(|name| Category::named(name).unwrap().column)
            .collect();
        columns.sort_unstable();
        columns.dedup();
        assert_eq!(columns.len(), 12);
        for other in [
            "",
            "left",
            "left_",
            "_choice",
            "left_data",
            "speed_data",
            "distance",
        ] {
            assert_eq!(Category::named(other), None, "{other}");
        }
    }
}
