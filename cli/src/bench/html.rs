//! Results as one page that needs nothing from elsewhere, for phones, screens and paper, in light and dark.
//! Must never know how they were measured.

use super::plot::{self, Bar, escaped};
use super::results::{Results, Row, Time};
use super::table::{self, milliseconds};
use std::fmt::Write as _;

const STYLE: &str = include_str!("page.css");

/// The whole page.
pub(crate) fn render(results: &Results) -> String {
    let title = format!("{} {}", results.file, results.args.join(" "));
    let title = escaped(title.trim_end());
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}: craneway bench</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <h1>{title}</h1>\n<p>{}.</p>\n",
        escaped(&table::method(results))
    );
    if !results.agree() {
        let _ = write!(
            page,
            "<p class=\"bad\">The engines do not agree on what the program does.</p>\n<pre>{}</pre>\n",
            escaped(&table::disagreement(results))
        );
    }
    section(
        &mut page,
        "CPU time as a multiple of Wasmtime's",
        &ratio_plot(results),
    );
    section(
        &mut page,
        "Wall clock, milliseconds",
        &time_plot(results, Time::Wall),
    );
    section(
        &mut page,
        "CPU time, milliseconds",
        &time_plot(results, Time::Cpu),
    );
    section(
        &mut page,
        "Where the CPU time goes, milliseconds",
        &parts_plot(results),
    );
    section(&mut page, "Runs", &html_table(&table::runs(results)));
    let parts = table::parts(results);
    if parts.len() > 1 {
        section(&mut page, "Parts, wall ms (CPU ms)", &html_table(&parts));
    }
    page.push_str("<h2>How</h2>\n<ul>\n");
    for note in table::notes(results).iter().filter(|note| !note.is_empty()) {
        let _ = writeln!(page, "<li>{}</li>", escaped(note));
    }
    for (name, value) in &results.machine {
        let _ = writeln!(page, "<li>{}: {}</li>", escaped(name), escaped(value));
    }
    page.push_str("</ul>\n<h2>Commands</h2>\n<ul class=\"commands\">\n");
    for row in results.rows.iter().filter(|row| !row.command.is_empty()) {
        let _ = writeln!(page, "<li><code>{}</code></li>", escaped(&row.command));
    }
    page.push_str("</ul>\n</body>\n</html>\n");
    page
}

fn section(page: &mut String, title: &str, content: &str) {
    if !content.is_empty() {
        let _ = write!(
            page,
            "<section>\n<h2>{}</h2>\n{content}</section>\n",
            escaped(title)
        );
    }
}

/// Our own rows stand out.
fn class(row: &Row) -> &'static str {
    match row.engine {
        "craneway" => "ours",
        _ => "theirs",
    }
}

fn time_plot(results: &Results, time: Time) -> String {
    let rows = results.rows.iter().filter(|row| results.comparable(row));
    let bars: Vec<Bar> = rows
        .filter_map(|row| {
            let figure = row.time(time)?;
            Some(Bar {
                label: row.label.clone(),
                value: milliseconds(figure.median),
                pieces: vec![(figure.median, class(row))],
                range: Some((figure.min, figure.max)),
            })
        })
        .collect();
    plot::bars("times as bars, with the range of the samples", &bars)
}

fn ratio_plot(results: &Results) -> String {
    let points: Vec<_> = results
        .rows
        .iter()
        .filter_map(|row| {
            let ratio = results.ratio(row, Time::Cpu)?;
            Some((row.label.clone(), ratio, class(row)))
        })
        .collect();
    match points.is_empty() {
        true => String::new(),
        false => format!(
            "<p>In the mode that does the same work. Logarithmic; left of 1 is faster.</p>\n{}",
            plot::ratios("ratios to Wasmtime on a logarithmic axis", &points)
        ),
    }
}

fn parts_plot(results: &Results) -> String {
    let bars: Vec<Bar> = results
        .rows_with_parts()
        .filter_map(|row| {
            let parts = results.parts(row, Time::Cpu)?;
            Some(Bar {
                label: row.label.clone(),
                value: milliseconds(parts.execution),
                pieces: vec![
                    (parts.compile.unwrap_or(0.0), "compile"),
                    (parts.startup, "startup"),
                    (parts.execution, "execution"),
                ],
                range: None,
            })
        })
        .collect();
    match bars.is_empty() {
        true => String::new(),
        false => format!(
            "<p class=\"key\"><span class=\"compile\">compile</span> <span class=\"startup\">start-up</span> \
             <span class=\"execution\">execution</span>; the number is execution</p>\n{}",
            plot::bars("parts of the CPU time as bars", &bars)
        ),
    }
}

/// A table whose first row is its head; a row with fewer cells has a last one that runs on.
fn html_table(rows: &[Vec<String>]) -> String {
    let mut html = String::from("<div class=\"wide\"><table>\n");
    let columns = rows.first().map_or(0, Vec::len);
    for (at, row) in rows.iter().enumerate() {
        html.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            let tag = if at == 0 || column == 0 { "th" } else { "td" };
            let last = column + 1 == row.len() && row.len() < columns;
            let span = match last {
                true => format!(" class=\"why\" colspan=\"{}\"", columns - column),
                false => String::new(),
            };
            let _ = write!(html, "<{tag}{span}>{}</{tag}>", escaped(cell));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</table></div>\n");
    html
}

#[cfg(test)]
mod tests {
    use super::super::engines::Kind;
    use super::super::results::tests::{results, row};
    use super::*;

    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
        let mut all = results(vec![
            row("craneway", Kind::Cold, 60.0, 0),
            row("craneway", Kind::Precompiled, 30.0, 0),
            row("wasmtime", Kind::Cold, 120.0, 0),
            row("wasmtime", Kind::Precompiled, 50.0, 0),
        ]);
        all.args = vec!["<script>".to_owned()];
        let page = render(&all);
        for outside in ["http", "<script", "<link", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert_eq!(page.matches("<svg").count(), 4);
        assert_eq!(page.matches("</svg>").count(), 4);
        assert!(page.contains("&lt;script&gt;"));
    }

    #[test]
    fn without_wasmtime_there_are_no_ratios() {
        let page = render(&results(vec![row("craneway", Kind::Cold, 60.0, 0)]));
        assert!(!page.contains("as a multiple"));
        assert_eq!(page.matches("<svg").count(), 3);
    }
}
