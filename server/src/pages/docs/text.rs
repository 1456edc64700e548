//! Descriptions as HTML: paragraphs, lists, and `code` in backticks; only the Markdown that the
//! descriptions use.

/// HTML that is safe to include in a page.
pub fn html(text: &str) -> String {
    text.split("\n\n").map(paragraph).collect()
}

fn paragraph(text: &str) -> String {
    let mut lines = text.lines().peekable();
    let mut html = String::new();
    let mut prose = Vec::new();
    while let Some(line) = lines.next_if(|line| !line.starts_with("- ")) {
        prose.push(line);
    }
    if !prose.is_empty() {
        html += &format!("<p>{}</p>", inline(&prose.join(" ")));
    }
    let items: String =
        lines.map(|line| format!("<li>{}</li>", inline(line.trim_start_matches("- ")))).collect();
    if !items.is_empty() {
        html += &format!("<ul>{items}</ul>");
    }
    html
}

/// Text without paragraphs.
pub fn inline(text: &str) -> String {
    let pieces = text.split('`').enumerate();
    pieces
        .map(|(place, piece)| match place % 2 {
            0 => escaped(piece),
            _ => format!("<code>{}</code>", escaped(piece)),
        })
        .collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_has_paragraphs_lists_and_code_and_escapes_markup() {
        let cases = [
            ("", ""),
            ("One\ntwo.\n\nThree `<b>`.", "<p>One two.</p><p>Three <code>&lt;b&gt;</code>.</p>"),
            (
                "Codes:\n- `a`: x & y\n- b",
                "<p>Codes:</p><ul><li><code>a</code>: x &amp; y</li><li>b</li></ul>",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(html(text), expected);
        }
    }
}
