//! The little Markdown that scenarios need, as data: headings, paragraphs, lists, code, emphasis. No HTML, no images, no
//! links: an address stays text, so that nothing in a scenario can lead or fetch anywhere.

/// A block of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A heading.
    Heading(Vec<Span>),
    /// A paragraph.
    Paragraph(Vec<Span>),
    /// A list, ordered or not.
    List(bool, Vec<Vec<Span>>),
    /// Code between fences.
    Code(String),
}

/// A piece of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Span {
    /// As it is.
    Text(String),
    /// Between backquotes.
    Code(String),
    /// Between two stars.
    Strong(String),
    /// Between single stars.
    Emphasis(String),
}

/// Reads a text.
#[must_use]
pub fn parse(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut paragraph = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let trimmed = line.trim();
        if trimmed.starts_with("```") {
            flush(&mut paragraph, &mut blocks);
            let code: Vec<&str> = lines
                .by_ref()
                .take_while(|l| !l.trim().starts_with("```"))
                .collect();
            blocks.push(Block::Code(code.join("\n")));
        } else if let Some(heading) = heading(trimmed) {
            flush(&mut paragraph, &mut blocks);
            blocks.push(Block::Heading(spans(heading)));
        } else if let Some((ordered, item)) = item(trimmed) {
            flush(&mut paragraph, &mut blocks);
            let mut text = item.to_owned();
            // An indented line goes on with the item above it.
            while let Some(more) = lines.next_if(|l| l.starts_with("  ") && item_of(l).is_none()) {
                text = format!("{text} {}", more.trim());
            }
            match blocks.last_mut() {
                Some(Block::List(same, items)) if *same == ordered => items.push(spans(&text)),
                _ => blocks.push(Block::List(ordered, vec![spans(&text)])),
            }
        } else if trimmed.is_empty() {
            flush(&mut paragraph, &mut blocks);
        } else {
            if !paragraph.is_empty() {
                paragraph.push(' ');
            }
            paragraph.push_str(trimmed);
        }
    }
    flush(&mut paragraph, &mut blocks);
    blocks
}

fn flush(paragraph: &mut String, blocks: &mut Vec<Block>) {
    if !paragraph.is_empty() {
        blocks.push(Block::Paragraph(spans(&std::mem::take(paragraph))));
    }
}

fn heading(line: &str) -> Option<&str> {
    let rest = line.trim_start_matches('#');
    (rest.len() < line.len()).then_some(rest.strip_prefix(' ')?)
}

fn item_of(line: &str) -> Option<(bool, &str)> {
    item(line.trim())
}

fn item(line: &str) -> Option<(bool, &str)> {
    if let Some(rest) = line.strip_prefix("- ").or(line.strip_prefix("* ")) {
        return Some((false, rest));
    }
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let rest = line.get(digits..)?.strip_prefix(". ")?;
    (1..4).contains(&digits).then_some((true, rest))
}

/// Splits a line at its marks; a mark that is not closed stays as it is.
fn spans(text: &str) -> Vec<Span> {
    let mut out = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['`', '*']) {
        let (before, from) = rest.split_at(at);
        plain.push_str(before);
        let mark = ["**", "`", "*"]
            .into_iter()
            .find(|m| from.starts_with(m))
            .unwrap_or("*");
        let inner = from.get(mark.len()..).unwrap_or_default();
        // A star between spaces is a star.
        let opens = mark == "`" || !inner.starts_with(' ');
        match inner.find(mark).filter(|end| *end > 0 && opens) {
            Some(end) => {
                if !plain.is_empty() {
                    out.push(Span::Text(std::mem::take(&mut plain)));
                }
                let content = inner.get(..end).unwrap_or_default().to_owned();
                out.push(match mark {
                    "`" => Span::Code(content),
                    "**" => Span::Strong(content),
                    _ => Span::Emphasis(content),
                });
                rest = inner.get(end + mark.len()..).unwrap_or_default();
            }
            None => {
                plain.push_str(mark);
                rest = inner;
            }
        }
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        out.push(Span::Text(plain));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_blocks() {
        let text = "# Title\nOne *line*\nand `more`.\n\n- a **b**\n  goes on\n- c\n1. x\n\n```sh\nls # no *marks*\n```\nend";
        expect_test::expect![[r#"
            [Heading([Text("Title")]), Paragraph([Text("One "), Emphasis("line"), Text(" and "), Code("more"), Text(".")]), List(false, [[Text("a "), Strong("b"), Text(" goes on")], [Text("c")]]), List(true, [[Text("x")]]), Code("ls # no *marks*"), Paragraph([Text("end")])]"#]]
        .assert_eq(&format!("{:?}", parse(text)));
    }

    #[test]
    fn nothing_but_text_comes_of_html_links_and_open_marks() {
        for text in [
            "<script>alert(1)</script>",
            "[x](javascript:alert(1))",
            "![x](http://evil.example/a.png)",
            "a * b ** c ` d",
            "#no heading",
            "**",
            "``",
        ] {
            assert_eq!(
                parse(text),
                [Block::Paragraph(vec![Span::Text(text.into())])],
                "{text}"
            );
        }
        assert_eq!(
            parse("```\nnever closed"),
            [Block::Code("never closed".into())]
        );
    }
}
