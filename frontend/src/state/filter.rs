//! What a table shows of its rows, and in which order. Pure.

use std::cmp::Ordering;

use super::table::Row;

/// A filter as it is typed: words that all must be found. `app=web` and `app!=web` ask labels, `STATUS:Running` asks
/// a column, anything else is looked for in all cells.
#[must_use]
pub fn keeps(row: &Row, columns: &[String], filter: &str) -> bool {
    filter.split_whitespace().all(|word| {
        if let Some((key, value)) = word.split_once("!=") {
            return row.label(key) != Some(value);
        }
        if let Some((key, value)) = word.split_once('=') {
            return row.label(key) == Some(value);
        }
        if let Some((column, value)) = word.split_once(':') {
            let at = columns.iter().position(|c| c.eq_ignore_ascii_case(column));
            if let Some(cell) = at.and_then(|at| row.cells.get(at)) {
                return cell.to_lowercase().contains(&value.to_lowercase());
            }
        }
        let needle = word.to_lowercase();
        row.cells.iter().any(|c| c.to_lowercase().contains(&needle))
    })
}

/// Sorts by a column; equal cells stay in the order in which they came.
pub fn sort(rows: &mut [Row], column: usize, descending: bool) {
    let cell = |r: &Row| r.cells.get(column).cloned().unwrap_or_default();
    rows.sort_by(|a, b| {
        let order = compare(&cell(a), &cell(b));
        if descending { order.reverse() } else { order }
    });
}

/// Numbers, ages and `2/3` compare as what they mean, everything else as text.
fn compare(a: &str, b: &str) -> Ordering {
    match (measure(a), measure(b)) {
        (Some(x), Some(y)) => x.total_cmp(&y),
        _ => a.cmp(b),
    }
}

/// `12`, `2/3`, `4d3h`, `75s` as a number.
fn measure(text: &str) -> Option<f64> {
    if let Some((part, whole)) = text.split_once('/') {
        let (part, whole): (f64, f64) = (part.parse().ok()?, whole.parse().ok()?);
        return Some(if whole > 0.0 { part / whole } else { 0.0 });
    }
    let first = text.split(' ').next()?;
    if let Ok(number) = first.parse() {
        return Some(number);
    }
    let (mut total, mut digits) = (0.0, String::new());
    for c in first.chars() {
        let unit = match c {
            '0'..='9' => {
                digits.push(c);
                continue;
            }
            'y' => 31_536_000.0,
            'd' => 86_400.0,
            'h' => 3_600.0,
            'm' => 60.0,
            's' => 1.0,
            _ => return None,
        };
        total += std::mem::take(&mut digits).parse::<f64>().ok()? * unit;
    }
    (digits.is_empty() && total > 0.0).then_some(total)
}

/// The part of a long list that is on the screen: first row, and the row after the last.
#[must_use]
pub fn window(scrolled: f64, height: f64, row: f64, count: usize) -> (usize, usize) {
    /// Rows drawn above and below, so that a quick scroll meets no gap.
    const MARGIN: usize = 12;
    let first = (scrolled.max(0.0) / row) as usize;
    let last = first + (height.max(0.0) / row).ceil() as usize + MARGIN;
    (first.saturating_sub(MARGIN).min(count), last.min(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Row {
        Row {
            cells: cells.iter().map(|c| (*c).to_owned()).collect(),
            labels: vec![("app".into(), "web".into())],
            ..Row::default()
        }
    }

    #[test]
    fn words_narrow_a_table_down() {
        let columns = ["NAME".to_owned(), "STATUS".to_owned()];
        let pod = row(&["web-1", "Running"]);
        for (filter, want) in [
            ("", true),
            ("WEB", true),
            ("web run", true),
            ("web pending", false),
            ("app=web", true),
            ("app=db", false),
            ("app!=db web", true),
            ("tier=x", false),
            ("status:run", true),
            ("status:web", false),
            ("odd:web", false),
        ] {
            assert_eq!(keeps(&pod, &columns, filter), want, "{filter}");
        }
    }

    #[test]
    fn cells_sort_as_what_they_mean() {
        for (column, want) in [
            (vec!["10", "9", "2"], "2 9 10"),
            (vec!["4d3h", "75s", "5m", "12h"], "75s 5m 12h 4d3h"),
            (vec!["3/3", "0/3", "1/2"], "0/3 1/2 3/3"),
            (vec!["b", "a", "10"], "10 a b"),
            (vec!["2 (5m ago)", "11", "0"], "0 2 (5m ago) 11"),
        ] {
            let mut rows: Vec<Row> = column.iter().map(|c| row(&[c])).collect();
            sort(&mut rows, 0, false);
            let got: Vec<&str> = rows.iter().map(|r| r.cells[0].as_str()).collect();
            assert_eq!(got.join(" "), want);
        }
    }

    #[test]
    fn only_a_window_of_a_long_list_is_drawn() {
        assert_eq!(window(0.0, 600.0, 30.0, 10_000), (0, 32));
        assert_eq!(window(150_000.0, 600.0, 30.0, 10_000), (4988, 5032));
        assert_eq!(window(900_000.0, 600.0, 30.0, 100), (100, 100));
        assert_eq!(window(-5.0, 0.0, 30.0, 0), (0, 0));
    }
}
