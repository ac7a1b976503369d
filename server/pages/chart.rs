//! Charts of the last minutes, drawn by the server: a line or two over a scale of its own.

use crate::spark;
use askama::Template;

const WIDTH: f32 = 400.0;
const HEIGHT: f32 = 120.0;

/// Ready to print as SVG.
#[derive(Template)]
#[template(path = "parts/chart.html")]
pub struct Chart {
    pub id: &'static str,
    pub title: &'static str,
    /// The last value in words.
    pub now: String,
    pub top: String,
    pub middle: String,
    pub first: String,
    pub second: String,
    pub first_label: &'static str,
    pub second_label: &'static str,
    /// For readers who do not see it.
    pub told: String,
    pub minutes: String,
}

/// Its template escapes what it prints.
impl askama::filters::HtmlSafe for Chart {}

/// What a chart is made of. Values in any unit that `print` prints.
pub struct Series<'a> {
    pub label: &'static str,
    pub values: &'a [f32],
}

impl Chart {
    pub fn new(id: &'static str, title: &'static str, series: &[Series<'_>], floor: Floor, print: impl Fn(f32) -> String, seconds: f32) -> Self {
        let highest = series.iter().flat_map(|series| series.values).copied().fold(0.0, f32::max);
        let top = floor.top(highest);
        let line = |at: usize| series.get(at).map(|series| spark::scaled(series.values, top, WIDTH, HEIGHT)).unwrap_or_default();
        let last = |at: usize| series.get(at).and_then(|series| series.values.last()).copied();
        let label = |at: usize| series.get(at).map_or("", |series| series.label);
        let now = match (last(0), last(1)) {
            (Some(first), Some(second)) => format!("{} · {}", print(first), print(second)),
            (Some(first), None) => print(first),
            _ => "–".to_owned(),
        };
        Self {
            told: format!("{title}: now {now}, at most {}", print(highest)),
            id,
            title,
            now,
            top: print(top),
            middle: print(top / 2.0),
            first: line(0),
            second: line(1),
            first_label: label(0),
            second_label: label(1),
            minutes: crate::format::span(seconds as i64),
        }
    }

    /// The line closed at the ground.
    pub fn area(&self) -> String {
        if self.first.is_empty() { String::new() } else { format!("0,{HEIGHT} {} {WIDTH},{HEIGHT}", self.first) }
    }
}

/// The least top of a scale, so that noise does not look like load, and the steps it rises in.
#[derive(Debug, Clone, Copy)]
pub enum Floor {
    /// 1, 2, 5, 10 …
    Tens(f32),
    /// Powers of two.
    Twos(f32),
}

impl Floor {
    fn top(self, highest: f32) -> f32 {
        match self {
            Self::Tens(floor) => round_up(highest.max(floor)),
            Self::Twos(floor) => {
                let mut top = floor;
                while top < highest {
                    top *= 2.0;
                }
                top
            }
        }
    }
}

/// The next of 1, 2, 5 times a power of ten.
fn round_up(value: f32) -> f32 {
    if !value.is_finite() || value <= 0.0 {
        return 1.0;
    }
    let power = 10f32.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|top| *top >= value * 0.999).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_ends_at_a_round_number() {
        for (value, top) in [(0.0, 1.0), (3.1, 5.0), (100.0, 100.0), (101.0, 200.0), (0.03, 0.05)] {
            assert!((Floor::Tens(0.0).top(value) - top).abs() < top * 0.001, "{value}");
            assert!((round_up(value) - top).abs() < top * 0.001, "{value}");
        }
    }

    #[test]
    fn memory_rises_in_powers_of_two() {
        assert!((Floor::Twos(1024.0).top(3000.0) - 4096.0).abs() < 0.1);
    }

    #[test]
    fn a_chart_without_samples_is_no_line() {
        let chart = Chart::new("cpu", "CPU", &[Series { label: "", values: &[] }], Floor::Tens(10.0), |value| format!("{value} %"), 0.0);
        assert!(chart.first.is_empty() && chart.area().is_empty());
        assert_eq!(chart.now, "–");
    }
}
