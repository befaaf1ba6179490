//! An answer without what only lays it out: Markdown, LaTeX, HTML. What marks the end of an answer's thoughts becomes words
//! that say so.

/// Stands where markup says that the final answer follows.
const FINAL: &str = " final answer: ";

/// The text as it would be read out.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let behind = rest.get(first.len_utf8()..).unwrap_or_default();
        rest = match first {
            '\\' => command(behind, &mut plain),
            '<' => tag(behind, &mut plain),
            '^' if behind.trim_start_matches('{').starts_with('\\') => {
                behind.trim_start_matches('{')
            }
            '*' | '`' => behind,
            // LaTeX's space that does not break; what is about stands before a digit.
            '~' if behind.starts_with(|c: char| c == '\\' || c.is_alphabetic()) => {
                plain.push(' ');
                behind
            }
            // `_emphasis_`, but not `distance_m`.
            '_' if !is_within_word(&plain, behind) => behind,
            '{' | '}' | '$' => {
                plain.push(' ');
                behind
            }
            _ => {
                plain.push(first);
                behind
            }
        };
    }
    let plain = plain.replace("&nbsp;", " ").replace("&#39;", "'");
    let plain = plain.replace("&quot;", "\"").replace("&lt;", "<");
    let plain = plain.replace("n't", " not").replace("n’t", " not");
    // "that's": its verb decides between yes and no.
    let verbs = ["it", "It", "that", "That"];
    verbs.iter().fold(plain, |plain, word| {
        let plain = plain.replace(&format!("{word}'s "), &format!("{word} is "));
        plain.replace(&format!("{word}’s "), &format!("{word} is "))
    })
}

fn is_within_word(before: &str, behind: &str) -> bool {
    let before = before.chars().next_back();
    let is_part = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    is_part(before) && is_part(behind.chars().next())
}

/// What a LaTeX command says goes into the text; the rest behind it comes back.
fn command<'a>(behind: &'a str, plain: &mut String) -> &'a str {
    let length = behind
        .find(|c: char| !c.is_ascii_alphabetic())
        .unwrap_or(behind.len());
    let (name, rest) = behind.split_at(length);
    let says = match name {
        "" => {
            let quote = behind.chars().next().filter(|c| matches!(c, '"' | '\''));
            plain.push(quote.unwrap_or(' '));
            let mut chars = behind.chars();
            chars.next();
            return chars.as_str();
        }
        "boxed" => FINAL,
        "approx" | "sim" | "simeq" => " about ",
        "pm" => "±",
        "times" => "×",
        "circ" => "°",
        "prime" => "'",
        "frac" | "tfrac" | "dfrac" => match fraction(rest) {
            Some((numerator, divisor, rest)) => {
                plain.push_str(&format!(" {numerator}/{divisor} "));
                return rest;
            }
            None => " ",
        },
        _ => " ",
    };
    plain.push_str(says);
    rest
}

/// `{1}{2}` and what is behind it.
fn fraction(text: &str) -> Option<(&str, &str, &str)> {
    let (numerator, rest) = text.strip_prefix('{')?.split_once('}')?;
    let (divisor, rest) = rest.strip_prefix('{')?.split_once('}')?;
    Some((numerator.trim(), divisor.trim(), rest))
}

/// An HTML tag goes; `<region1>` and what is no tag stay.
fn tag<'a>(behind: &'a str, plain: &mut String) -> &'a str {
    let is_part = |c: char| c.is_ascii_alphabetic() || c == '/' || c == ' ';
    let length = behind.find(|c| !is_part(c)).unwrap_or(behind.len());
    let (name, rest) = behind.split_at(length);
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    match rest.strip_prefix('>') {
        Some(rest) if starts => {
            let says = match name.trim() {
                "/think" | "answer" => FINAL,
                _ => " ",
            };
            plain.push_str(says);
            rest
        }
        _ => {
            plain.push('<');
            behind
        }
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn markup_goes_and_what_it_says_stays() {
        for (marked, read) in [
            ("**2.5** meters", "2.5 meters"),
            (r"\(2.5\,\text{m}\)", " 2.5   m  "),
            (r"$\approx 2$ m", "  about  2  m"),
            (r"\frac{1}{2} m", " 1/2  m"),
            (r"\boxed{2 m}", " final answer:  2 m "),
            ("_2 m_, distance_m", "2 m, distance_m"),
            ("<b>Yes</b> <region1>", " Yes  <region1>"),
            ("< 2 m", "< 2 m"),
            ("It isn't, it isn’t", "It is not, it is not"),
            (r"2~\text{m}, 2\mathrm{~m}, ~2 m", "2   m , 2   m , ~2 m"),
            (r"5^\circ", "5°"),
            ("\\", " "),
            ("<", "<"),
        ] {
            assert_eq!(plain(marked), read, "{marked}");
        }
    }
}
