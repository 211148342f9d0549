//! Curves as SVG.

use std::ops::Range;
use std::path::Path;

use plotters::prelude::*;

use crate::error::{Error, Result};
use crate::measures::ParetoPoint;

/// Colours that stay apart for colour-blind readers (Okabe and Ito, 2008).
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 0, 0),
    RGBColor(148, 103, 60),
];
const SIZE: (u32, u32) = (900, 520);
/// Room on the right for the names.
const LEGEND: u32 = 210;

/// A curve: its name and its points.
type Curve = (String, Vec<(f64, f64)>);

/// Draws NDCG@10 against ILD@10, a curve a model, a mark a λ.
///
/// # Errors
/// Where there is no point, and the system's.
pub fn pareto_curves(path: &Path, curves: &[(String, Vec<ParetoPoint>)]) -> Result<()> {
    let curves: Vec<Curve> = curves
        .iter()
        .map(|(name, points)| (name.clone(), points.iter().map(|point| (point.ild, point.ndcg)).collect()))
        .collect();
    chart(path, "Accuracy against diversity, by re-ranking", "ILD@10", "NDCG@10", &curves)
}

/// Draws validation NDCG@10 by epoch, a curve a model.
///
/// # Errors
/// Where there is no point, and the system's.
pub fn learning_curves(path: &Path, curves: &[(String, Vec<(f64, f64)>)]) -> Result<()> {
    chart(path, "Learning: accuracy on the validation part", "epoch", "validation NDCG@10", curves)
}

fn chart(path: &Path, title: &str, x: &str, y: &str, curves: &[Curve]) -> Result<()> {
    if curves.iter().all(|(_, points)| points.is_empty()) {
        return Err(Error::input(path, "there is no point to draw", "at least one"));
    }
    let drawn = draw(path, title, x, y, curves);
    drawn.map_err(|error| {
        Error::input(path, format!("cannot be drawn ({error})"), "a folder that can be written")
    })
}

fn draw(
    path: &Path,
    title: &str,
    x: &str,
    y: &str,
    curves: &[Curve],
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let points = || curves.iter().flat_map(|(_, points)| points).copied();
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let (left, right) = area.split_horizontally(SIZE.0 - LEGEND);
    let mut chart = ChartBuilder::on(&left)
        .caption(title, ("sans-serif", 18))
        .margin(14)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(range(points().map(|point| point.0)), range(points().map(|point| point.1)))?;
    chart
        .configure_mesh()
        .max_light_lines(0)
        .bold_line_style(BLACK.mix(0.12))
        .label_style(("sans-serif", 13))
        .x_desc(x)
        .y_desc(y)
        .x_label_formatter(&|value| short(*value))
        .y_label_formatter(&|value| short(*value))
        .draw()?;
    for (at, (name, points)) in curves.iter().enumerate() {
        let colour = COLOURS[at % COLOURS.len()];
        // A second round through the colours has hollow marks.
        let fill = if at < COLOURS.len() { colour.filled() } else { colour.stroke_width(1) };
        chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?;
        chart.draw_series(points.iter().map(|&point| Circle::new(point, 3, fill)))?;
        let line = 48 + 20 * at as i32;
        right.draw(&PathElement::new([(0, line), (22, line)], colour.stroke_width(2)))?;
        right.draw(&Circle::new((11, line), 3, fill))?;
        right.draw(&Text::new(name.clone(), (30, line - 6), ("sans-serif", 13)))?;
    }
    area.present()?;
    Ok(())
}

/// The values' range with a margin, never empty.
fn range(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (low, high) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    let margin = if high > low { (high - low) * 0.05 } else { high.abs().max(1.0) * 0.05 };
    low - margin..high + margin
}

fn short(value: f64) -> String {
    if value.abs() < 10.0 && value.fract() != 0.0 { format!("{value:.3}") } else { format!("{value:.0}") }
}
