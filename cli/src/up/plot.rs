//! The prequential curve as a picture.

use std::path::Path;

use hmisr_trainer::prequential::Means;
use plotters::prelude::*;

use crate::failure::Failure;

const MODEL: RGBColor = RGBColor(0x1f, 0x6f, 0xb4);
const POPULARITY: RGBColor = RGBColor(0xc8, 0x6a, 0x1a);

/// Draws HR@10 of the model and of running popularity over the examples.
pub fn prequential(path: &Path, curve: &[Means]) -> Result<(), Failure> {
    draw(path, curve).map_err(|error| Failure::user(format!("{}: cannot be drawn ({error})", path.display())))
}

fn draw(path: &Path, curve: &[Means]) -> Result<(), Box<dyn std::error::Error>> {
    let mut seen = 0;
    let points: Vec<(f64, f64, f64)> = curve
        .iter()
        .map(|point| {
            seen += point.examples;
            (seen as f64, point.model_hr, point.popularity_hr)
        })
        .collect();
    let highest = points.iter().map(|point| point.1.max(point.2)).fold(0.01, f64::max);
    let area = SVGBackend::new(path, (860, 360)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption("Prequential HR@10: each example is ranked before it is learnt from", ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(52)
        .build_cartesian_2d(0.0..seen.max(1) as f64, 0.0..highest * 1.1)?;
    chart
        .configure_mesh()
        .max_light_lines(0)
        .bold_line_style(BLACK.mix(0.12))
        .x_desc("examples")
        .y_desc("HR@10, whole catalogue")
        .x_label_formatter(&|examples| format!("{examples:.0}"))
        .draw()?;
    type Value = fn(&(f64, f64, f64)) -> f64;
    let lines: [(&str, RGBColor, Value); 2] =
        [("model", MODEL, |point| point.1), ("running popularity", POPULARITY, |point| point.2)];
    for (name, colour, value) in lines {
        chart
            .draw_series(LineSeries::new(points.iter().map(|point| (point.0, value(point))), &colour))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .draw()?;
    area.present()?;
    Ok(())
}
