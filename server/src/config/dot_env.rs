//! The file `.env`. Shells, Docker, compose and systemd read such files by different rules, so a
//! Propusk variable is accepted only if all of them read it alike: in single quotes, or in double
//! quotes or none without the characters that some of them replace. Everything else is refused with
//! its line.

/// White space that may surround a name, the equals sign and a value.
const BLANKS: [char; 2] = [' ', '\t'];
/// Characters that some readers replace, or read as the start of a comment.
const REPLACED: [char; 4] = ['$', '#', '\\', '`'];

const NOT_AN_ASSIGNMENT: &str = "it is not NAME=value";
const OPEN_QUOTE: &str = "a quote is not closed";
const NEEDS_QUOTES: &str = "a value with white space, a quote or $ # \\ ` must be in single quotes; \
                            other programs would read it differently";
const BEHIND_QUOTE: &str = "there is text after the closing quote";
const SEVERAL_LINES: &str = "the value must be on one line, without control characters";
const LONE_CR: &str = "a carriage return without a line feed ends a line for some readers and not for others; save \
                       the file with Unix or Windows line ends";
const BACKSLASH: &str = "it must not end with a backslash";
const SET_TWICE: &str = "the setting is already set in an earlier line";

/// An error and its line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub line: usize,
    pub problem: &'static str,
}

/// A Propusk variable: its name in capitals, and its value.
pub(super) type Variable = (String, String);

/// The Propusk variables in the text of such a file; others are skipped.
pub(super) fn parse(text: &str) -> Result<Vec<Variable>, Fault> {
    if let Some(before) = before_lone_return(text) {
        // The line as editors count it.
        let line = before.matches(['\n', '\r']).count() - before.matches("\r\n").count() + 1;
        return Err(Fault { line, problem: LONE_CR });
    }
    // Some editors write a byte order mark first.
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut line = 1;
    let mut variables: Vec<Variable> = Vec::new();
    while !rest.is_empty() {
        let at_line = |problem| Fault { line, problem };
        let (assignment, after) = first(rest).map_err(at_line)?;
        if let Some((name, value)) = assignment {
            if variables.iter().any(|(known, _)| *known == name) {
                return Err(at_line(SET_TWICE));
            }
            variables.push((name, value));
        }
        line += rest[..rest.len() - after.len()].matches('\n').count();
        rest = after;
    }
    Ok(variables)
}

/// The text before the first carriage return that is not part of a line end.
fn before_lone_return(text: &str) -> Option<&str> {
    let mut returns = text.match_indices('\r');
    let (at, _) = returns.find(|(at, _)| !text[at + 1..].starts_with('\n'))?;
    Some(&text[..at])
}

/// Whether a variable has our prefix, in upper or lower case.
pub(super) fn is_ours(name: &str) -> bool {
    name.get(..8).is_some_and(|prefix| prefix.eq_ignore_ascii_case("PROPUSK_"))
}

/// The first assignment, if it is a Propusk variable, and the text after it.
fn first(text: &str) -> Result<(Option<Variable>, &str), &'static str> {
    let (line, after) = split_line(text);
    let head = line.trim_matches(BLANKS);
    if head.is_empty() || head.starts_with('#') {
        return Ok((None, after));
    }
    let (name, _) = line.split_once('=').ok_or(NOT_AN_ASSIGNMENT)?;
    let value = text[name.len() + 1..].trim_start_matches(BLANKS);
    let name = without_export(name.trim_matches(BLANKS));
    if !is_name(name) {
        return Err(NOT_AN_ASSIGNMENT);
    }
    let (value, after) = match is_ours(name) {
        true => own_value(value)?,
        false => ("", skip_value(value)?),
    };
    let variable = is_ours(name).then(|| (name.to_ascii_uppercase(), value.to_owned()));
    Ok((variable, after))
}

fn without_export(name: &str) -> &str {
    let exported = name.strip_prefix("export").filter(|rest| rest.starts_with(BLANKS));
    exported.map_or(name, |rest| rest.trim_start_matches(BLANKS))
}

fn is_name(name: &str) -> bool {
    let is_part = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    !name.is_empty() && name.bytes().all(is_part)
}

/// The value of a Propusk variable, which must be on one line.
fn own_value(text: &str) -> Result<(&str, &str), &'static str> {
    let (line, after) = split_line(text);
    let value = match line.chars().next() {
        Some(quote @ ('\'' | '"')) => quoted(&line[1..], quote)?,
        _ => bare(line.trim_end_matches(BLANKS))?,
    };
    match value.chars().any(char::is_control) {
        true => Err(SEVERAL_LINES),
        false => Ok((value, after)),
    }
}

/// The text before the closing quote; a comment may follow.
fn quoted(text: &str, quote: char) -> Result<&str, &'static str> {
    let (value, behind) = text.split_once(quote).ok_or(OPEN_QUOTE)?;
    if quote == '"' && value.contains(REPLACED) {
        return Err(NEEDS_QUOTES);
    }
    let comment = behind.trim_start_matches(BLANKS);
    let is_comment = comment.starts_with('#') && comment.len() < behind.len();
    match comment.is_empty() || is_comment {
        true => Ok(value),
        false => Err(BEHIND_QUOTE),
    }
}

fn bare(value: &str) -> Result<&str, &'static str> {
    let is_plain = |c: char| !c.is_whitespace() && !REPLACED.contains(&c) && !"'\"".contains(c);
    match value.chars().all(is_plain) {
        true => Ok(value),
        false => Err(NEEDS_QUOTES),
    }
}

/// The text after another variable's value, which may be quoted and have several lines.
fn skip_value(text: &str) -> Result<&str, &'static str> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let Some(quote) = quote else {
        let (line, after) = split_line(text);
        return if line.ends_with('\\') { Err(BACKSLASH) } else { Ok(after) };
    };
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = quote == '"',
            _ if c == quote => return Ok(split_line(&text[at + 1..]).1),
            _ => {}
        }
    }
    Err(OPEN_QUOTE)
}

/// The first line without its end, and the text after it.
fn split_line(text: &str) -> (&str, &str) {
    let (line, after) = text.split_once('\n').unwrap_or((text, ""));
    (line.strip_suffix('\r').unwrap_or(line), after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, (usize, &'static str)> {
        let variables = parse(text).map_err(|fault| (fault.line, fault.problem))?;
        let pairs: Vec<_> =
            variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Ok(pairs.join(" "))
    }

    #[test]
    fn line_that_all_readers_read_alike_is_accepted() {
        for (text, expected) in [
            ("", ""),
            ("# PROPUSK_LOG=warn\n\n  \t\n", ""),
            ("PROPUSK_LOG=warn", "PROPUSK_LOG=warn"),
            ("PROPUSK_LOG=\n", "PROPUSK_LOG="),
            ("\u{feff}PROPUSK_LOG=warn\r\n", "PROPUSK_LOG=warn"),
            (" export  PROPUSK_LOG = warn \n", "PROPUSK_LOG=warn"),
            ("export\tpropusk_Log=warn\n", "PROPUSK_LOG=warn"),
            ("PROPUSK_LOG='a$b #\\`\"c' # why\n", "PROPUSK_LOG=a$b #\\`\"c"),
            ("PROPUSK_LOG=\"it's here\"\n", "PROPUSK_LOG=it's here"),
            ("PROPUSK_LOG=a=b\nPROPUSK_LISTEN=c", "PROPUSK_LOG=a=b PROPUSK_LISTEN=c"),
            ("PROPUSK_PROVIDERS__CORP-ID__TITLE=x", "PROPUSK_PROVIDERS__CORP-ID__TITLE=x"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn line_that_readers_read_differently_is_refused_with_its_number() {
        for (text, line, problem) in [
            ("PROPUSK_LOG", 1, NOT_AN_ASSIGNMENT),
            ("A=1\nPROPUSK_LOG: warn", 2, NOT_AN_ASSIGNMENT),
            ("A=1\n\nset PROPUSK_LOG=warn", 3, NOT_AN_ASSIGNMENT),
            ("PROPUSK_LOG=a$b", 1, NEEDS_QUOTES),
            ("PROPUSK_LOG=a#b", 1, NEEDS_QUOTES),
            ("PROPUSK_LOG=a # b", 1, NEEDS_QUOTES),
            ("PROPUSK_LOG=\"a$b\"", 1, NEEDS_QUOTES),
            ("PROPUSK_LOG=\"a\\\"b\"", 1, NEEDS_QUOTES),
            ("export PROPUSK_LOG=a$b", 1, NEEDS_QUOTES),
            ("propusk_log=a`b`", 1, NEEDS_QUOTES),
            ("PROPUSK_LOG=two words", 1, NEEDS_QUOTES),
            ("PROPUSK_LOG=a'b'", 1, NEEDS_QUOTES),
            ("PROPUSK_LOG=a\u{a0}", 1, NEEDS_QUOTES),
            ("PROPUSK_LOG='a\nb'", 1, OPEN_QUOTE),
            ("PROPUSK_LOG='a'b", 1, BEHIND_QUOTE),
            ("PROPUSK_LOG='a''b'", 1, BEHIND_QUOTE),
            ("PROPUSK_LOG='a'#b", 1, BEHIND_QUOTE),
            ("PROPUSK_LOG='a\tb'", 1, SEVERAL_LINES),
            ("PROPUSK_LOG='a\rb'", 1, LONE_CR),
            ("A=1\rPROPUSK_LOG=warn\r", 1, LONE_CR),
            ("A=1\r\nB=1\nC=1\rPROPUSK_LOG=warn", 3, LONE_CR),
            ("PROPUSK_LOG=warn\r", 1, LONE_CR),
            ("# a\rPROPUSK_LOG=warn\n", 1, LONE_CR),
            ("PROPUSK_LOG=1\nA=2\npropusk_log=1", 3, SET_TWICE),
            ("A='1\n2'\nPROPUSK_LOG=1\nexport PROPUSK_LOG=2", 4, SET_TWICE),
            ("A='1\n2", 1, OPEN_QUOTE),
            ("A=1\\\nPROPUSK_LOG=1", 1, BACKSLASH),
            ("=1", 1, NOT_AN_ASSIGNMENT),
        ] {
            assert_eq!(read(text), Err((line, problem)), "{text:?}");
        }
    }

    #[test]
    fn values_of_other_variables_are_skipped_completely() {
        let text = "A=a$b # c\nexport B=\"x\nPROPUSK_LOG=no\n\\\"\"\nC='\nPROPUSK_LOG=no' # d\nPROPUSK_LOG=yes";
        assert_eq!(read(text).as_deref(), Ok("PROPUSK_LOG=yes"));
    }
}
