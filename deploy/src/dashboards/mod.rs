//! The dashboards, one a file.

mod bridge;
mod business;
mod pipeline;
mod serving;
mod state;
mod trainer;

use crate::grafana::{Dashboard, Panel, Shape};

/// All dashboards.
pub fn all() -> Vec<Dashboard> {
    vec![
        pipeline::dashboard(),
        bridge::dashboard(),
        state::dashboard(),
        trainer::dashboard(),
        serving::dashboard(),
        business::dashboard(),
    ]
}

/// Where most, nearly all and all but the slowest hundredth lie.
const TIMES: [(&str, &str); 3] = [("0.5", "half within"), ("0.95", "95 % within"), ("0.99", "99 % within")];

fn lines(title: &'static str, unit: &'static str, description: &'static str) -> Panel {
    Panel::new(Shape::Lines, title, unit, description)
}

fn stack(title: &'static str, unit: &'static str, description: &'static str) -> Panel {
    Panel::new(Shape::Stack, title, unit, description)
}

fn number(title: &'static str, unit: &'static str, description: &'static str) -> Panel {
    Panel::new(Shape::Number, title, unit, description)
}

fn heat(title: &'static str, unit: &'static str, histogram: &str, description: &'static str) -> Panel {
    let query = format!("sum by (le) (increase({histogram}_bucket{{$s}}[$i]))");
    Panel::new(Shape::Heat, title, unit, description).query(query, "{{le}}")
}
