//! Plots as inline SVG, narrow enough that their text can be read on a phone, with colours from the page's style.
//! Must never know what the figures mean.

use super::figures::Figure;
use std::fmt::Write as _;

/// Width in user units. The page scales it to its own; labels stand above the bars, so none need be cut.
const WIDTH: f64 = 400.0;
/// Height of a label and its bar.
const ROW: f64 = 36.0;
/// Height of a bar.
const BAR: f64 = 14.0;
/// Room at the sides.
const MARGIN: f64 = 8.0;

/// A bar, or several in a line.
pub(crate) struct Bar {
    /// What stands above it.
    pub(crate) label: String,
    /// What stands above it on the right.
    pub(crate) value: String,
    /// Lengths, each with the class that colours it.
    pub(crate) pieces: Vec<(f64, &'static str)>,
    /// Where the error bar goes from and to.
    pub(crate) range: Option<(f64, f64)>,
}

/// Bars from zero, one below the other.
pub(crate) fn bars(title: &str, bars: &[Bar]) -> String {
    let length = |bar: &Bar| bar.pieces.iter().map(|(length, _)| length).sum::<f64>();
    let end = |bar: &Bar| bar.range.map_or(0.0, |(_, high)| high).max(length(bar));
    let most = bars.iter().map(end).fold(f64::MIN_POSITIVE, f64::max);
    let scale = (WIDTH - 2.0 * MARGIN) / most;
    let mut svg = open(title, bars.len(), 0.0);
    for (at, bar) in bars.iter().enumerate() {
        let top = at as f64 * ROW;
        labels(&mut svg, top, &bar.label, &bar.value);
        let (mut x, y) = (MARGIN, top + 18.0);
        for (length, class) in &bar.pieces {
            let width = length * scale;
            let _ = writeln!(
                svg,
                r#"<rect class="{class}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{BAR}"/>"#
            );
            x += width;
        }
        if let Some((low, high)) = bar.range {
            whisker(
                &mut svg,
                MARGIN + low * scale,
                MARGIN + high * scale,
                y + BAR / 2.0,
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// Points on a logarithmic axis around 1.
pub(crate) fn ratios(title: &str, points: &[(String, Figure, &'static str)]) -> String {
    let low = points.iter().map(|(_, f, _)| f.min).fold(0.8, f64::min);
    let high = points.iter().map(|(_, f, _)| f.max).fold(1.25, f64::max);
    let (low, high) = ((low * 0.95).max(1e-3).ln(), (high * 1.05).ln());
    let place = |value: f64| {
        let value = value.max(1e-3).ln();
        MARGIN + (value - low) / (high - low) * (WIDTH - 2.0 * MARGIN)
    };
    let mut svg = open(title, points.len(), 22.0);
    let bottom = points.len() as f64 * ROW + 4.0;
    for tick in ticks(low.exp(), high.exp()) {
        let x = place(tick);
        let class = if tick == 1.0 { "one" } else { "grid" };
        let _ = writeln!(
            svg,
            r#"<line class="{class}" x1="{x:.1}" x2="{x:.1}" y1="16" y2="{bottom:.1}"/><text class="tick" x="{x:.1}" y="{:.1}">{tick}</text>"#,
            bottom + 14.0
        );
    }
    for (at, (label, figure, class)) in points.iter().enumerate() {
        let top = at as f64 * ROW;
        labels(&mut svg, top, label, &super::table::multiple(figure.median));
        let y = top + 25.0;
        whisker(&mut svg, place(figure.min), place(figure.max), y);
        let _ = writeln!(
            svg,
            r#"<circle class="{class}" cx="{:.1}" cy="{y:.1}" r="5"/>"#,
            place(figure.median)
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// Round numbers for the axis, not too many, 1 always among them.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    const FINE: [f64; 14] = [
        0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0,
    ];
    const COARSE: [f64; 15] = [
        0.001, 0.005, 0.01, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 500.0,
    ];
    let choice = match high / low {
        span if span < 4.0 => FINE.as_slice(),
        _ => COARSE.as_slice(),
    };
    let inside: Vec<f64> = choice
        .iter()
        .copied()
        .filter(|tick| (low..=high).contains(tick))
        .collect();
    // Their labels must not touch: every second one, counted from 1.
    let one = inside.iter().position(|tick| *tick == 1.0).unwrap_or(0);
    let step = inside.len().div_ceil(9);
    let kept = inside.iter().enumerate();
    kept.filter(|(at, _)| at.abs_diff(one).is_multiple_of(step))
        .map(|(_, tick)| *tick)
        .collect()
}

fn open(title: &str, rows: usize, extra: f64) -> String {
    let height = rows as f64 * ROW + extra + 2.0;
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-label=\"{}\">\n",
        escaped(title)
    )
}

fn labels(svg: &mut String, top: f64, label: &str, value: &str) {
    let y = top + 13.0;
    let _ = writeln!(
        svg,
        r#"<text x="{MARGIN}" y="{y:.1}">{}</text><text class="value" x="{:.1}" y="{y:.1}">{}</text>"#,
        escaped(label),
        WIDTH - MARGIN,
        escaped(value)
    );
}

/// An error bar.
fn whisker(svg: &mut String, from: f64, to: f64, y: f64) {
    let _ = writeln!(
        svg,
        r#"<path class="range" d="M{from:.1} {:.1}v8M{from:.1} {y:.1}H{to:.1}M{to:.1} {:.1}v8"/>"#,
        y - 4.0,
        y - 4.0
    );
}

/// Text that stands for itself in HTML and SVG.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_values() {
        let bar = |length: f64| Bar {
            label: "a<b".to_owned(),
            value: "1".to_owned(),
            pieces: vec![(length, "c")],
            range: None,
        };
        let svg = bars("t", &[bar(1.0), bar(4.0)]);
        assert!(
            svg.contains(r#"width="96.0""#) && svg.contains(r#"width="384.0""#),
            "{svg}"
        );
        assert!(svg.contains("a&lt;b"));
    }

    #[test]
    fn ratios_have_one_on_their_axis() {
        let figure = |ratio: f64| Figure {
            median: ratio,
            min: ratio,
            max: ratio,
        };
        for most in [1.0, 3.0, 70.0] {
            let points = [
                ("a".to_owned(), figure(0.6), "c"),
                ("b".to_owned(), figure(most), "c"),
            ];
            let svg = ratios("t", &points);
            assert_eq!(svg.matches(r#"class="one""#).count(), 1, "{svg}");
            assert!(svg.matches("tick").count() <= 10);
        }
    }
}
