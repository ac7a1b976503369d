//! Lines drawn by the server: small ones in rows, and charts with a scale.

use std::fmt::Write as _;

/// Points of a polyline in a box: `0,14 8,12 …`. The scale is 100 or the highest value, so that an idle line lies at the ground.
pub fn points(values: &[f32], width: f32, height: f32) -> String {
    scaled(values, values.iter().copied().fold(10.0, f32::max), width, height)
}

/// The same with a given top.
pub fn scaled(values: &[f32], top: f32, width: f32, height: f32) -> String {
    if values.len() < 2 {
        return String::new();
    }
    let step = width / (values.len() - 1) as f32;
    let mut out = String::with_capacity(values.len() * 10);
    for (at, value) in values.iter().enumerate() {
        let share = if top > 0.0 { (value / top).clamp(0.0, 1.0) } else { 0.0 };
        // Writing to a String can't fail.
        let _ = write!(out, "{}{},{}", if at == 0 { "" } else { " " }, short(at as f32 * step), short(1.0 + (height - 2.0) * (1.0 - share)));
    }
    out
}

/// One digit after the point at most, and none that is zero.
fn short(value: f32) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_from_edge_to_edge() {
        assert_eq!(points(&[0.0, 100.0], 64.0, 18.0), "0,17 64,1");
        assert_eq!(points(&[0.0, 0.0, 0.0], 64.0, 18.0), "0,17 32,17 64,17");
        assert_eq!(points(&[1.0], 64.0, 18.0), "");
        assert_eq!(scaled(&[f32::NAN, 5.0], 10.0, 10.0, 12.0), "0,NaN 10,6");
    }
}
