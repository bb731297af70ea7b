//! Grouped bar charts as SVG 1.1, readable on light and dark pages, without scripts or fonts of its
//! own.

use std::fmt::Write as _;

/// The size of a chart in user units.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 380.0;

/// The edges of the plotting area.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 744.0;
const TOP: f64 = 92.0;
const BOTTOM: f64 = 340.0;

/// As many series as there are colours.
const COLOURS: usize = 4;

/// Colours that differ in lightness too, for those who do not see all hues.
const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#1f2328}.title{font-size:16px;\
font-weight:600}.quiet{fill:#59636e;font-size:12px}.value{font-size:11px}\
line{stroke:#d1d9e0}.target{stroke:#cf222e;stroke-dasharray:5 4}.target-text{fill:#cf222e;\
font-size:12px}.s0{fill:#0a4fa3}.s1{fill:#4d9be6}.s2{fill:#b35900}.s3{fill:#e8a860}\
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.quiet{fill:#9198a1}line{stroke:#3d444d}\
.target{stroke:#ff7b72}.target-text{fill:#ff7b72}.s0{fill:#4d9be6}.s1{fill:#a8d1f7}\
.s2{fill:#e08a3c}.s3{fill:#f5cfa3}}";

/// A chart to draw.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chart<'a> {
    /// What it shows.
    pub(super) title: &'a str,
    /// What the numbers count.
    pub(super) unit: &'a str,
    /// What each bar of a group stands for, at most four.
    pub(super) series: &'a [&'a str],
    /// Name of each group and a value for each series, `None` where there is none.
    pub(super) groups: Vec<(String, Vec<Option<f64>>)>,
    /// Lines to reach or stay below, with their names.
    pub(super) targets: &'a [(f64, &'a str)],
}

impl Chart<'_> {
    /// The SVG document.
    pub(super) fn draw(&self) -> String {
        let top = nice_above(self.largest());
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n\
             <title>{}</title>\n<style>{STYLE}</style>\n",
            escape(self.title)
        );
        text(&mut svg, "title", "start", (LEFT, 28.0), self.title);
        text(&mut svg, "quiet", "start", (LEFT, 48.0), self.unit);
        self.legend(&mut svg);
        axis(&mut svg, top);
        self.bars(&mut svg, top);
        for (value, name) in self.targets.iter().filter(|(value, _)| *value <= top) {
            let y = height_of(*value, top);
            line(&mut svg, "target", y);
            text(&mut svg, "target-text", "end", (RIGHT, y - 5.0), name);
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn largest(&self) -> f64 {
        let bars = self.groups.iter().flat_map(|(_, values)| values.iter().flatten().copied());
        bars.chain(self.targets.iter().map(|(value, _)| *value)).fold(0.0, f64::max)
    }

    fn legend(&self, svg: &mut String) {
        let mut x = LEFT;
        for (n, name) in self.series.iter().enumerate().take(COLOURS) {
            rect(svg, n, (x, 62.0), (12.0, 12.0));
            text(svg, "quiet", "start", (x + 18.0, 72.0), name);
            x += 44.0 + 6.6 * crate::measure::as_f64(name.chars().count() as u64);
        }
    }

    fn bars(&self, svg: &mut String, top: f64) {
        let count = |n: usize| crate::measure::as_f64(n as u64);
        let group_width = (RIGHT - LEFT) / count(self.groups.len().max(1));
        let bar_width = (group_width * 0.8 / count(self.series.len().max(1))).min(56.0);
        for (g, (name, values)) in self.groups.iter().enumerate() {
            let middle = LEFT + group_width * (count(g) + 0.5);
            let start = middle - bar_width * count(self.series.len()) / 2.0;
            for (n, value) in values.iter().enumerate().take(COLOURS) {
                let x = start + bar_width * count(n);
                let y = height_of(value.unwrap_or(0.0), top);
                rect(svg, n, (x + 1.0, y), (bar_width - 2.0, BOTTOM - y));
                let label = value.map_or_else(|| "none".to_owned(), short);
                text(svg, "value", "middle", (x + bar_width / 2.0, y - 4.0), &label);
            }
            text(svg, "quiet", "middle", (middle, BOTTOM + 20.0), name);
        }
    }
}

/// Grid lines with their values.
fn axis(svg: &mut String, top: f64) {
    for step in 0..=4_u32 {
        let value = top * f64::from(step) / 4.0;
        let y = height_of(value, top);
        line(svg, "grid", y);
        text(svg, "quiet", "end", (LEFT - 8.0, y + 4.0), &short(value));
    }
}

fn height_of(value: f64, top: f64) -> f64 {
    BOTTOM - (BOTTOM - TOP) * (value / top).clamp(0.0, 1.0)
}

fn line(svg: &mut String, class: &str, y: f64) {
    let end = "\"/>";
    push(
        svg,
        format_args!(
            "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}{end}"
        ),
    );
}

fn rect(svg: &mut String, series: usize, (x, y): (f64, f64), (width, height): (f64, f64)) {
    push(
        svg,
        format_args!(
            "<rect class=\"s{series}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
        ),
    );
}

fn text(svg: &mut String, class: &str, anchor: &str, (x, y): (f64, f64), words: &str) {
    let words = escape(words);
    push(
        svg,
        format_args!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>"
        ),
    );
}

fn push(svg: &mut String, element: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    writeln!(svg, "{element}").ok();
}

/// Characters that mean something in XML.
fn escape(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A number with about three digits that count.
fn short(value: f64) -> String {
    match value {
        value if value >= 100_000.0 => format!("{:.0}k", value / 1000.0),
        value if value >= 10_000.0 => format!("{:.1}k", value / 1000.0),
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

/// The next of 1, 2, 3, 4, 6, 8 times a power of ten above a value, with room for its label.
fn nice_above(value: f64) -> f64 {
    let wanted = value * 1.05;
    if wanted <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(wanted.log10().floor());
    let steps = [1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0];
    steps.into_iter().map(|step| step * power).find(|top| *top >= wanted).unwrap_or(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small XML reader: every element closed in order, every attribute quoted, text escaped.
    fn assert_well_formed(svg: &str) {
        let mut open = Vec::new();
        for piece in svg.split('<').skip(1) {
            let (tag, text) = piece.split_once('>').expect("a closed tag");
            assert!(!text.contains('>'), "{text}");
            for entity in text.split('&').skip(1) {
                let known = ["amp;", "lt;", "gt;", "quot;"];
                assert!(known.iter().any(|name| entity.starts_with(name)), "{text}");
            }
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(name));
                continue;
            }
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            assert_eq!(tag.matches('=').count(), tag.matches('"').count() / 2, "{tag}");
            let name = tag.split([' ', '/']).next().unwrap();
            if !tag.ends_with('/') {
                open.push(name);
            }
        }
        assert_eq!(open, Vec::<&str>::new());
    }

    fn chart() -> Chart<'static> {
        Chart {
            title: "Ratio <of> \"a\" & b",
            unit: "more is better",
            series: &["one", "two & more"],
            groups: vec![
                ("1 sandbox".to_owned(), vec![Some(0.5), Some(1.0)]),
                ("2 <sandboxes>".to_owned(), vec![None, Some(0.25)]),
            ],
            targets: &[(0.8, "target 0.80")],
        }
    }

    #[test]
    fn a_chart_is_well_formed_and_has_every_bar() {
        let svg = chart().draw();
        assert_well_formed(&svg);
        // Two in the legend, four bars.
        assert_eq!(svg.matches("<rect").count(), 6);
        assert!(svg.contains("prefers-color-scheme:dark") && !svg.contains("<script"));
        assert!(svg.contains(">none<") && svg.contains("target 0.80"));
        let empty = Chart { groups: Vec::new(), targets: &[], ..chart() };
        assert_well_formed(&empty.draw());
    }

    #[test]
    fn bars_are_as_high_as_their_values() {
        assert!((height_of(0.0, 4.0) - BOTTOM).abs() < 1e-9);
        assert!((height_of(4.0, 4.0) - TOP).abs() < 1e-9);
        assert!((height_of(2.0, 4.0) - f64::midpoint(TOP, BOTTOM)).abs() < 1e-9);
    }

    #[test]
    fn the_scale_ends_above_the_largest_value() {
        for value in [0.003, 0.94, 0.96, 1.0, 3.7, 99.0, 12_345.0, 900_000.0] {
            let top = nice_above(value);
            assert!(top >= value * 1.05 && top <= value * 2.2, "{value}: {top}");
        }
        assert!((nice_above(0.0) - 1.0).abs() < 1e-9);
        assert_eq!(short(123_456.0), "123k");
        assert_eq!(short(12_345.0), "12.3k");
        assert_eq!(short(1234.0), "1234");
        assert_eq!(short(0.876), "0.88");
    }
}
