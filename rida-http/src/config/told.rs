//! What is told of a text that somebody wrote: not much of it, and no password.

/// How many characters of a line are shown.
const LINE: usize = 120;
/// How many of them are before the place that is meant.
const BEFORE: usize = 60;
/// How long a message may be.
const MESSAGE: usize = 1000;

/// Tells what is wrong with a text, and shows the part of the line that it is wrong in. The error's own text would
/// show the whole line.
pub(super) fn place(text: &str, error: &toml::de::Error) -> String {
    let message = message(error.message());
    let Some((before, after)) = error.span().and_then(|span| text.split_at_checked(span.start.min(text.len()))) else {
        return message;
    };
    let (number, begun) = (before.matches('\n').count() + 1, before.rsplit('\n').next().unwrap_or_default());
    let rest = after.split('\n').next().unwrap_or_default().trim_end_matches('\r');
    let line = without_passwords(&format!("{begun}{rest}"));
    // Where the place is in the line as it is shown, as well as one can tell when a password before it is hidden.
    let at = without_passwords(begun).chars().count().min(line.chars().count());
    let skipped = at.saturating_sub(BEFORE);
    let shown: String = line.chars().skip(skipped).take(LINE).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let (left, right) =
        (if skipped > 0 { "…" } else { "" }, if line.chars().nth(skipped + LINE).is_some() { "…" } else { "" });
    let (column, margin) = (begun.chars().count() + 1, " ".repeat(number.to_string().len()));
    let caret = " ".repeat(at - skipped + left.chars().count());
    format!(
        "line {number}, column {column}\n{margin} |\n{number} | {left}{shown}{right}\n{margin} | {caret}^\n{message}"
    )
}

/// Returns as much of a message as one reads.
pub(super) fn message(text: &str) -> String {
    let text = without_passwords(text);
    match text.char_indices().nth(MESSAGE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Hides what may be a password in a text that quotes what somebody wrote: in each line everything between the first user
/// and the last `@`, and what is called a password. Rather too much than too little: a password may have quotes in it.
fn without_passwords(text: &str) -> String {
    text.split_inclusive('\n').map(|line| without_named(&without_user(line))).collect()
}

fn without_user(line: &str) -> String {
    let hidden = |(before, address): (&str, &str)| {
        let (user, rest) = address.rsplit_once('@')?;
        let (user, _) = user.split_once(':')?;
        Some(format!("{before}://{user}:***@{rest}"))
    };
    // Without `//` it is an address all the same to who wrote it.
    let incomplete = |line: &str| {
        let (user, rest) = line.rsplit_once('@')?;
        let (before, _) = user.split_once(':')?;
        Some(format!("{before}:***@{rest}"))
    };
    let told = match line.split_once("://") {
        None => incomplete(line),
        Some((before, rest)) => {
            hidden((before, rest)).or_else(|| incomplete(before).map(|before| format!("{before}://{rest}")))
        }
    };
    told.unwrap_or_else(|| line.to_owned())
}

fn without_named(line: &str) -> String {
    const NAME: &str = "password";
    let mut text = String::new();
    let mut rest = line;
    // Lower case of ASCII letters has the same length.
    while let Some(at) = rest.to_ascii_lowercase().find(NAME) {
        let (before, named) = rest.split_at(at + NAME.len());
        let value = named.trim_start_matches(' ');
        text.push_str(before);
        let Some(value) = value.strip_prefix('=') else {
            rest = named;
            continue;
        };
        let value = value.trim_start_matches(' ');
        let end = value.find(['&', '"', '\'', ' ', '\n']).unwrap_or(value.len());
        text.push_str("=***");
        rest = &value[end..];
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_hidden_in_whatever_is_quoted() {
        for (text, expected) in [
            (
                "2 | database = \"postgresql://rida:s3cret@db/rida\"\n  | ^",
                "2 | database = \"postgresql://rida:***@db/rida\"\n  | ^",
            ),
            ("postgresql://rida:a b/c#d@e@db/rida", "postgresql://rida:***@db/rida"),
            ("'postgresql://rida:a\"s3cret@db/rida'", "'postgresql://rida:***@db/rida'"),
            ("database = postgresql://rida:s3cret@db", "database = postgresql://rida:***@db"),
            ("\"https://a/\", \"https://rida:s3cret@b/\"", "\"https://a/\", \"https:***@b/\""),
            ("at https://git.example.org:8080/x, and rida@db", "at https://git.example.org:***@db"),
            ("postgresql://rida@db:5432/rida", "postgresql://rida@db:5432/rida"),
            ("\"postgresql://db/rida?password=s3cret\"\n", "\"postgresql://db/rida?password=***\"\n"),
            ("\"host=db user=rida Password = s3cret dbname=rida\"", "\"host=db user=rida Password=*** dbname=rida\""),
            ("database = \"rida:s3cret@db/rida\"\n", "database = \"rida:***@db/rida\"\n"),
            ("database = \"postgresql:rida:s3cret@db/rida\"", "database = \"postgresql:***@db/rida\""),
            ("database = \"rida:s3cret@db://x\"", "database = \"rida:***@db://x\""),
            ("the password is asked for", "the password is asked for"),
            ("nothing at all", "nothing at all"),
            ("", ""),
        ] {
            assert_eq!(without_passwords(text), expected);
        }
    }

    #[test]
    fn the_place_is_shown_and_no_more() {
        let told = |text: &str| place(text, &toml::from_str::<toml::Table>(text).unwrap_err());
        let text = told("a = 1\nb = \"é\" x\n");
        assert!(text.starts_with("line 2, column 9\n  |\n2 | b = \"é\" x\n  |         ^\n"), "{text}");
        let long = format!("{} = 1 x {}", "a".repeat(500), "b".repeat(500));
        let (text, shown) = (told(&long), format!("1 | …{} = 1 x {}…\n", "a".repeat(57), "b".repeat(56)));
        assert!(text.starts_with("line 1, column 504\n") && text.contains(&shown), "{text}");
        let long = message(&"é".repeat(2 * MESSAGE));
        assert_eq!(long.chars().count(), MESSAGE + 1);
    }
}
