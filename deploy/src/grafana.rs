//! Dashboards as they are described here, and as Grafana reads them.

use serde_json::{Value, json};

/// Columns of Grafana's grid.
const COLUMNS: u32 = 24;
/// What every panel's query selects by, written `$s` in the descriptions.
const SELECTION: &str = r#"job=~"$job",instance=~"$instance""#;

/// A dashboard: rows of panels.
pub struct Dashboard {
    /// File name and uid: links to it stay when its title changes.
    pub uid: &'static str,
    /// What it is called.
    pub title: &'static str,
    /// What it shows, for whom.
    pub description: &'static str,
    /// A metric that every part it shows has: jobs and instances to choose from are those that have it.
    pub present: &'static str,
    /// A gauge that changes with each snapshot, to mark them by.
    pub version: Option<&'static str>,
    /// Its rows.
    pub rows: Vec<Row>,
}

/// A heading and the panels under it.
pub struct Row {
    /// The heading.
    pub title: &'static str,
    /// The panels, left to right; they wrap.
    pub panels: Vec<Panel>,
}

/// How a panel shows its queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Lines over time.
    Lines,
    /// Areas over time, one on the other: parts of a sum.
    Stack,
    /// The newest value, large.
    Number,
    /// Buckets of a histogram over time, as colours.
    Heat,
    /// The newest values as bars, one a bucket.
    Bars,
}

/// A panel.
pub struct Panel {
    shape: Shape,
    title: &'static str,
    description: &'static str,
    unit: &'static str,
    columns: u32,
    queries: Vec<(String, &'static str)>,
    /// Value from which a colour holds.
    steps: Vec<(f64, &'static str)>,
    max: Option<f64>,
}

impl Panel {
    /// A panel that shows in `unit`, one of Grafana's (`s`, `bytes`, `percentunit`, `cps`, `short`, …).
    pub fn new(shape: Shape, title: &'static str, unit: &'static str, description: &'static str) -> Self {
        let columns = match shape {
            Shape::Number => 4,
            Shape::Lines | Shape::Stack => 8,
            Shape::Heat | Shape::Bars => 12,
        };
        Self { shape, title, description, unit, columns, queries: Vec::new(), steps: Vec::new(), max: None }
    }

    /// Adds a query and what its series are called: `$s` stands for the chosen jobs and instances, `$i`
    /// for the interval of rates.
    pub fn query(mut self, query: impl Into<String>, legend: &'static str) -> Self {
        let query = query.into().replace("$s", SELECTION).replace("$i]", "$__rate_interval]");
        self.queries.push((query, legend));
        self
    }

    /// Three quantiles of a histogram, of which `labels` are further conditions.
    pub fn quantiles(self, histogram: &str, labels: &str, quantiles: [(&str, &'static str); 3]) -> Self {
        quantiles.into_iter().fold(self, |panel, (quantile, legend)| {
            let rate = format!("rate({histogram}_bucket{{$s{labels}}}[$i])");
            panel.query(format!("histogram_quantile({quantile}, sum by (le) ({rate}))"), legend)
        })
    }

    /// Orange and red from these values on.
    pub fn warns(mut self, orange: f64, red: f64) -> Self {
        self.steps = vec![(orange, "orange"), (red, "red")];
        self
    }

    /// Red below this value.
    pub fn needs(mut self, least: f64) -> Self {
        self.steps = vec![(f64::NEG_INFINITY, "red"), (least, "green")];
        self
    }

    /// The axis ends here.
    pub fn up_to(mut self, max: f64) -> Self {
        self.max = Some(max);
        self
    }

    /// Columns of 24 that it is wide.
    pub fn wide(mut self, columns: u32) -> Self {
        self.columns = columns;
        self
    }

    fn rows(&self) -> u32 {
        if self.shape == Shape::Number { 4 } else { 8 }
    }

    fn json(&self, id: usize, x: u32, y: u32) -> Value {
        let (kind, options) = self.kind();
        let targets: Vec<Value> = self
            .queries
            .iter()
            .zip('A'..)
            .map(|((query, legend), reference)| {
                let format = if self.shape == Shape::Heat { "heatmap" } else { "time_series" };
                json!({
                    "refId": reference.to_string(),
                    "datasource": datasource(),
                    "expr": query,
                    "legendFormat": legend,
                    "format": format,
                    "instant": matches!(self.shape, Shape::Bars),
                    "range": !matches!(self.shape, Shape::Bars),
                })
            })
            .collect();
        json!({
            "id": id,
            "type": kind,
            "title": self.title,
            "description": self.description,
            "datasource": datasource(),
            "gridPos": {"x": x, "y": y, "w": self.columns, "h": self.rows()},
            "targets": targets,
            "fieldConfig": {"defaults": self.defaults(), "overrides": []},
            "options": options,
        })
    }

    fn kind(&self) -> (&'static str, Value) {
        let newest = json!({"calcs": ["lastNotNull"], "fields": "", "values": false});
        match self.shape {
            Shape::Lines | Shape::Stack => (
                "timeseries",
                json!({
                    "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true},
                    "tooltip": {"mode": "multi", "sort": "desc"},
                }),
            ),
            Shape::Number => (
                "stat",
                json!({"reduceOptions": newest, "colorMode": "value", "graphMode": "area", "textMode": "auto"}),
            ),
            Shape::Heat => (
                "heatmap",
                json!({
                    "calculate": false,
                    "cellGap": 1,
                    "color": {"mode": "scheme", "scheme": "Viridis", "steps": 64},
                    "yAxis": {"unit": self.unit, "axisPlacement": "left"},
                    "rowsFrame": {"layout": "le"},
                    "tooltip": {"mode": "single", "yHistogram": true},
                    "legend": {"show": true},
                }),
            ),
            Shape::Bars => (
                "bargauge",
                json!({"reduceOptions": newest, "orientation": "vertical", "displayMode": "basic"}),
            ),
        }
    }

    fn defaults(&self) -> Value {
        let mut steps = vec![json!({"color": "green", "value": null})];
        for (value, color) in &self.steps {
            match value.is_finite() {
                true => steps.push(json!({"color": color, "value": value})),
                false => steps = vec![json!({"color": color, "value": null})],
            }
        }
        let limits = if self.steps.is_empty() || self.shape != Shape::Lines { "off" } else { "dashed" };
        let stack = if self.shape == Shape::Stack { "normal" } else { "none" };
        let mut defaults = json!({
            "unit": self.unit,
            "min": 0,
            "thresholds": {"mode": "absolute", "steps": steps},
            "color": {"mode": if matches!(self.shape, Shape::Number) { "thresholds" } else { "palette-classic" }},
            "custom": {
                "lineWidth": 1,
                "fillOpacity": if self.shape == Shape::Stack { 40 } else { 8 },
                "showPoints": "never",
                "spanNulls": false,
                "stacking": {"mode": stack, "group": "A"},
                "thresholdsStyle": {"mode": limits},
            },
        });
        if let (Some(max), Some(defaults)) = (self.max, defaults.as_object_mut()) {
            defaults.insert("max".to_owned(), json!(max));
        }
        defaults
    }
}

impl Dashboard {
    /// The queries of all panels, each with its panel's title.
    pub fn queries(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.rows
            .iter()
            .flat_map(|row| &row.panels)
            .flat_map(|panel| panel.queries.iter().map(|(query, _)| (panel.title, query.as_str())))
    }

    /// Queries beside the panels': annotations and variables.
    pub fn other_queries(&self) -> Vec<String> {
        let starts = format!("changes(process_start_time_seconds{{{SELECTION}}}[1m]) > 0");
        let versions = self.version.map(|version| format!("changes({version}{{{SELECTION}}}[1m]) > 0"));
        std::iter::once(starts).chain(versions).collect()
    }

    /// The dashboard as Grafana's JSON.
    pub fn json(&self) -> Value {
        json!({
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": ["hmisr"],
            "schemaVersion": 39,
            "version": 1,
            "editable": false,
            "graphTooltip": 1,
            "refresh": "10s",
            "time": {"from": "now-1h", "to": "now"},
            "timezone": "browser",
            "links": [{
                "type": "dashboards", "title": "HMISR", "tags": ["hmisr"], "asDropdown": true,
                "keepTime": true, "includeVars": false,
            }],
            "annotations": {"list": self.annotations()},
            "templating": {"list": self.variables()},
            "panels": self.panels(),
        })
    }

    fn panels(&self) -> Vec<Value> {
        let mut panels = Vec::new();
        let mut y = 0;
        for row in &self.rows {
            panels.push(json!({
                "id": panels.len() + 1, "type": "row", "title": row.title, "collapsed": false, "panels": [],
                "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1},
            }));
            y += 1;
            let (mut x, mut tallest) = (0, 0);
            for panel in &row.panels {
                if x + panel.columns > COLUMNS {
                    (x, y, tallest) = (0, y + tallest, 0);
                }
                panels.push(panel.json(panels.len() + 1, x, y));
                x += panel.columns;
                tallest = tallest.max(panel.rows());
            }
            y += tallest;
        }
        panels
    }

    fn variables(&self) -> Vec<Value> {
        let choice = |name: &str, label: &str, query: String| {
            json!({
                "type": "query", "name": name, "label": label, "datasource": datasource(),
                "query": {"query": query, "refId": name}, "definition": query,
                "multi": true, "includeAll": true,
                "current": {"selected": true, "text": ["All"], "value": ["$__all"]},
                "refresh": 2, "sort": 1,
            })
        };
        let present = self.present;
        vec![
            json!({"type": "datasource", "name": "datasource", "label": "Prometheus", "query": "prometheus"}),
            choice("job", "Job", format!("label_values({present}, job)")),
            choice("instance", "Instance", format!("label_values({present}{{job=~\"$job\"}}, instance)")),
        ]
    }

    /// Marks where a process started and, to be switched on, where a snapshot came: one comes every few
    /// seconds by default, which hides a day's lines.
    fn annotations(&self) -> Vec<Value> {
        let marks =
            [("Starts", "orange", true, "{{instance}} started"), ("Snapshots", "blue", false, "a snapshot")];
        self.other_queries()
            .iter()
            .zip(marks)
            .map(|(query, (name, color, enable, title))| {
                json!({
                    "name": name, "datasource": datasource(), "enable": enable, "iconColor": color,
                    "expr": query, "titleFormat": title, "step": "60s", "useValueForTime": false,
                })
            })
            .collect()
    }
}

fn datasource() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}
