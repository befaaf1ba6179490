//! Writing SVG: a few shapes with classes for their colours. All text is escaped, all numbers finite.

use std::fmt::Write;

/// Text as it may stand in HTML and XML, between tags and in attributes. Characters that XML forbids
/// become U+FFFD.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\t' | '\n' | '\r' => escaped.push(character),
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => {
                escaped.push('\u{fffd}');
            }
            // Overrides of the writing direction would reorder what stands around them.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => escaped.push('\u{fffd}'),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// A number with at most two decimals, as short as it goes.
pub fn number(value: f64) -> String {
    let value = if value.is_finite() { value } else { 0.0 };
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    match text {
        "-0" => "0".to_owned(),
        text => text.to_owned(),
    }
}

/// About how wide a line of text is, in the unit of `size`.
pub fn text_width(text: &str, size: f64) -> f64 {
    text.chars().map(relative_width).sum::<f64>() * size
}

/// A character's width in ems, as DejaVu Sans has it on average for its like.
fn relative_width(character: char) -> f64 {
    match character {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '|' | '\'' | '!' => 0.31,
        ' ' | 'f' | 't' | 'r' | 'I' | 'J' | '(' | ')' | '[' | ']' | '-' | '·' => 0.38,
        'm' | 'w' | 'M' | 'W' | '%' | '@' | '…' => 0.95,
        '_' => 0.5,
        'a'..='z' | '0'..='9' => 0.61,
        ' '..='~' => 0.72,
        _ => 1.0,
    }
}

/// The text, cut to the width with an ellipsis where it is longer.
pub fn fitted(text: &str, size: f64, width: f64) -> String {
    if text_width(text, size) <= width {
        return text.to_owned();
    }
    let mut room = width / size - relative_width('…');
    let kept = text.chars().take_while(|character| {
        room -= relative_width(*character);
        room >= 0.0
    });
    kept.chain(['…']).collect()
}

/// Where a text's given x is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// At its begin.
    Start,
    /// In its middle.
    Middle,
    /// At its end.
    End,
}

/// A rectangle in the picture's units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rect {
    /// Its left edge.
    pub x: f64,
    /// Its upper edge.
    pub y: f64,
    /// To the right edge.
    pub width: f64,
    /// Down to the lower edge.
    pub height: f64,
}

impl Rect {
    /// Its right edge.
    pub fn right(&self) -> f64 {
        self.x + self.width
    }

    /// Its lower edge.
    pub fn bottom(&self) -> f64 {
        self.y + self.height
    }

    /// Whether the two share more than an edge.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.x < other.right()
            && other.x < self.right()
            && self.y < other.bottom()
            && other.y < self.bottom()
    }
}

fn point_list(points: impl IntoIterator<Item = (f64, f64)>) -> String {
    let points = points.into_iter();
    let points = points.map(|(x, y)| format!("{},{}", number(x), number(y)));
    points.collect::<Vec<_>>().join(" ")
}

/// The inside of an `<svg>` element. Writing into a `String` cannot fail.
#[derive(Debug, Default)]
pub struct Svg {
    /// The shapes so far, one a line.
    pub body: String,
}

impl Svg {
    /// A rectangle.
    pub fn rect(&mut self, class: &str, rect: Rect) {
        let [x, y, width, height] = [rect.x, rect.y, rect.width, rect.height].map(number);
        let _ = writeln!(
            self.body,
            r#"<rect class="{class}" x="{x}" y="{y}" width="{width}" height="{height}"/>"#
        );
    }

    /// A straight line.
    pub fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let [x1, y1, x2, y2] = [from.0, from.1, to.0, to.1].map(number);
        let _ = writeln!(
            self.body,
            r#"<line class="{class}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>"#
        );
    }

    /// A circle.
    pub fn circle(&mut self, class: &str, center: (f64, f64), radius: f64) {
        let [x, y, r] = [center.0, center.1, radius].map(number);
        let _ = writeln!(
            self.body,
            r#"<circle class="{class}" cx="{x}" cy="{y}" r="{r}"/>"#
        );
    }

    /// An open line through the points.
    pub fn polyline(&mut self, class: &str, points: impl IntoIterator<Item = (f64, f64)>) {
        let points = point_list(points);
        let _ = writeln!(
            self.body,
            r#"<polyline class="{class}" points="{points}"/>"#
        );
    }

    /// The area that the points go round.
    pub fn polygon(&mut self, class: &str, points: impl IntoIterator<Item = (f64, f64)>) {
        let points = point_list(points);
        let _ = writeln!(self.body, r#"<polygon class="{class}" points="{points}"/>"#);
    }

    /// One line of text that reads upwards, its middle at `at`.
    pub fn upward_text(&mut self, class: &str, at: (f64, f64), size: f64, text: &str) {
        let [x, y, size] = [at.0, at.1, size].map(number);
        let text = escaped(text);
        let _ = writeln!(
            self.body,
            r#"<text class="{class}" transform="translate({x} {y}) rotate(-90)" font-size="{size}" text-anchor="middle">{text}</text>"#
        );
    }

    /// One line of text with its baseline at `at`.
    pub fn text(&mut self, class: &str, at: (f64, f64), size: f64, anchor: Anchor, text: &str) {
        let [x, y, size] = [at.0, at.1, size].map(number);
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escaped(text);
        let _ = writeln!(
            self.body,
            r#"<text class="{class}" x="{x}" y="{y}" font-size="{size}" text-anchor="{anchor}">{text}</text>"#
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_cannot_leave_its_place() {
        let text = escaped("</text><script>'\"&\u{0}\u{1b}\u{202e}");
        assert_eq!(
            text,
            "&lt;/text&gt;&lt;script&gt;&#39;&quot;&amp;\u{fffd}\u{fffd}\u{fffd}"
        );
    }

    #[test]
    fn numbers_are_short_and_finite() {
        let written = [1.0, 0.25, -0.001, 12.345, f64::NAN, f64::INFINITY].map(number);
        assert_eq!(written, ["1", "0.25", "0", "12.35", "0", "0"]);
        assert_eq!(number(100.0), "100");
    }

    #[test]
    fn long_text_is_cut_with_an_ellipsis() {
        assert_eq!(fitted("short", 10.0, 100.0), "short");
        let cut = fitted("a rather long name", 10.0, 50.0);
        assert!(
            cut.ends_with('…') && text_width(&cut, 10.0) <= 50.0,
            "{cut}"
        );
        assert_eq!(fitted("abc", 10.0, 0.0), "…");
    }
}
