//! Lists: columns as Go's tabwriter lays them, or one line a row by a template, or JSON.

use super::template::{Missing, Template};
use super::value::Value;
use crate::failure::Failure;
use unicode_width::UnicodeWidthStr;

/// A field of a row, and the heading of its column.
pub struct Column {
    pub field: &'static str,
    pub title: &'static str,
}

/// How a list is printed: the fields it has, and what the user asked for.
pub struct Listing<'a> {
    pub fields: &'a [Column],
    /// The template for a table that nobody asked to be different, for example `{{.ID}}\t{{.Names}}`.
    pub table: &'a str,
    /// For `--quiet`.
    pub quiet: &'a str,
}

impl Listing<'_> {
    /// Renders `rows`; each is a map of the fields. `labels` are the labels of each row, for `{{.Label "x"}}`.
    pub fn render(&self, format: Option<&str>, quiet: bool, rows: &[Value], labels: &[Value]) -> Result<String, Failure> {
        let format = format.unwrap_or("table");
        if format == "json" {
            return Ok(rows.iter().map(|row| row.sorted_json() + "\n").collect());
        }
        if quiet && (format == "table" || format.starts_with("table ")) {
            return self.lines(self.quiet, rows, labels);
        }
        match format {
            "table" => self.columns(self.table, rows, labels),
            "raw" => Ok(rows.iter().map(|row| self.raw(row)).collect()),
            _ => match format.strip_prefix("table ") {
                Some(template) => self.columns(&unescape(template.trim()), rows, labels),
                None => self.lines(&unescape(format), rows, labels),
            },
        }
    }

    fn lines(&self, template: &str, rows: &[Value], labels: &[Value]) -> Result<String, Failure> {
        let template = Template::parse(template)?;
        let mut out = String::new();
        for (i, row) in rows.iter().enumerate() {
            template.render(row, labels.get(i), Missing::Row, &mut out)?;
            out.push('\n');
        }
        Ok(out)
    }

    fn columns(&self, template: &str, rows: &[Value], labels: &[Value]) -> Result<String, Failure> {
        let headings = Value::Map(self.fields.iter().map(|column| (column.field.to_owned(), Value::text(column.title))).collect());
        let mut text = String::new();
        // Functions on a field (json, upper) would spoil its heading: docker takes the field's heading alone.
        Template::parse(template)?.headings().render(&headings, Some(&Value::Null), Missing::Empty, &mut text)?;
        text.push('\n');
        text.push_str(&self.lines(template, rows, labels)?);
        Ok(columns(&text, 10))
    }

    fn raw(&self, row: &Value) -> String {
        let mut out: String = self.fields.iter().map(|column| format!("{}: {}\n", column.field.to_lowercase(), row.str(column.field))).collect();
        out.push('\n');
        out
    }
}

/// `\t` and `\n` typed in a shell's single quotes.
fn unescape(template: &str) -> String {
    template.replace("\\t", "\t").replace("\\n", "\n")
}

/// Aligns tab-separated cells as Go's tabwriter with padding 3: each column as wide as its widest cell in adjoining lines,
/// at least `least`; the last cell of a line has no padding.
pub fn columns(text: &str, least: usize) -> String {
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
    let mut out = String::new();
    let mut widths: Vec<Vec<usize>> = lines.iter().map(|cells| vec![0; cells.len().saturating_sub(1)]).collect();
    let most = widths.iter().map(Vec::len).max().unwrap_or_default();
    for column in 0..most {
        let mut first = 0;
        while first < lines.len() {
            let last = (first..lines.len()).find(|&line| widths[line].len() <= column).unwrap_or(lines.len());
            let width = (first..last).map(|line| lines[line][column].width()).max().unwrap_or_default();
            let width = (width + 3).max(least);
            (first..last).for_each(|line| widths[line][column] = width);
            first = last.max(first) + 1;
        }
    }
    for (cells, widths) in lines.iter().zip(&widths) {
        for (i, cell) in cells.iter().enumerate() {
            out.push_str(cell);
            if let Some(width) = widths.get(i) {
                (cell.width()..*width).for_each(|_| out.push(' '));
            }
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: &[Column] = &[Column { field: "ID", title: "CONTAINER ID" }, Column { field: "Names", title: "NAMES" }];
    const LISTING: Listing<'_> = Listing { fields: FIELDS, table: "{{.ID}}\t{{.Names}}", quiet: "{{.ID}}" };

    fn row() -> Value {
        Value::Map(vec![("Names".into(), Value::text("<web>")), ("ID".into(), Value::text("abc"))])
    }

    fn check(format: Option<&str>, quiet: bool, want: &str) {
        let labels = [Value::Map(vec![("a".into(), Value::text("b"))])];
        assert_eq!(LISTING.render(format, quiet, &[row()], &labels).expect("a valid format"), want, "{format:?}");
    }

    #[test]
    fn lists_take_every_kind_of_format() {
        check(None, false, "CONTAINER ID   NAMES\nabc            <web>\n");
        check(None, true, "abc\n");
        check(Some("table {{.Names}}\\t{{upper .ID}}"), false, "NAMES     CONTAINER ID\n<web>     ABC\n");
        check(Some("{{.ID}} {{.Label \"a\"}}"), false, "abc b\n");
        check(Some("json"), false, "{\"ID\":\"abc\",\"Names\":\"\\u003cweb\\u003e\"}\n");
        assert!(LISTING.render(Some("{{.Bogus}}"), false, &[row()], &[]).is_err());
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        assert_eq!(columns("A\tB\tC\n1234567890\t2\t3\n", 10), "A            B         C\n1234567890   2         3\n");
        assert_eq!(columns("日本\tx\na\ty\n", 0), "日本   x\na      y\n");
    }
}
