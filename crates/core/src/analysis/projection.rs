//! Penultimate activations, projected onto the plane of three class templates: the points show whether and where a class
//! forms a cluster.
//!
//! ```text
//! u1 = (w_b − w_a) / ‖w_b − w_a‖,      u2 = r / ‖r‖,  r = (w_c − w_a) − ((w_c − w_a)·u1) u1
//! x = (h − w_a)·u1,      y = (h − w_a)·u2            for each row whose label is a, b or c
//! ```
//!
//! h: a row's penultimate activation, w_k: the template of class k (row k of the last linear layer). Collinear
//! templates have no plane and are rejected.
//!
//! Source: Müller, Kornblith, Hinton, "When Does Label Smoothing Help?", NeurIPS 2019, arXiv:1906.02629, section 2.
//! Where we differ: the origin is w_a, so that the picture shows the position of each template.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::diagnostic::Diagnostic;
use super::seen::{Seen, Sides, Table};
use crate::error::{Error, Result};

/// Options of the projection.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[schemars(rename = "ProjectionDiagnostic")]
pub struct Projection {
    /// The three classes, all different. Default `[0, 1, 2]`.
    pub classes: [usize; 3],
}

impl Default for Projection {
    fn default() -> Self {
        Projection { classes: [0, 1, 2] }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProjectionReport {
    /// Coordinates of the templates of the three classes, in the order of `classes`; the first is at `[0, 0]`.
    pub templates: [[f64; 2]; 3],
    /// Mean and spread of the points of each class, in the order of `classes`.
    pub clusters: Vec<ProjectedCluster>,
    /// One point for every row of the three classes.
    pub points: Vec<ProjectedPoint>,
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProjectedCluster {
    pub label: usize,
    pub rows: usize,
    pub x: f64,
    pub y: f64,
    /// Root of the mean squared distance of the points to their mean.
    pub deviation: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProjectedPoint {
    /// Position of the row in the data, from 0.
    pub row: usize,
    pub label: usize,
    pub x: f64,
    pub y: f64,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The plane through three points: its origin and two unit vectors.
struct Plane {
    origin: Vec<f64>,
    axes: [Vec<f64>; 2],
}

impl Plane {
    fn through([a, b, c]: [&[f64]; 3]) -> Option<Plane> {
        let from_a = |to: &[f64]| -> Vec<f64> { to.iter().zip(a).map(|(to, a)| to - a).collect() };
        let (first, second) = (from_a(b), from_a(c));
        let length = dot(&first, &first).sqrt();
        let u1: Vec<f64> = first.iter().map(|x| x / length).collect();
        let along = dot(&second, &u1);
        let rest: Vec<f64> = second.iter().zip(&u1).map(|(x, u)| x - along * u).collect();
        let height = dot(&rest, &rest).sqrt();
        // Weights are f32: a height this small is only rounding error.
        let plane = length > 0.0 && height > 1e-6 * dot(&second, &second).sqrt();
        plane.then(|| Plane { origin: a.to_vec(), axes: [u1, rest.iter().map(|x| x / height).collect()] })
    }

    fn at(&self, h: &[f64]) -> [f64; 2] {
        let from: Vec<f64> = h.iter().zip(&self.origin).map(|(h, origin)| h - origin).collect();
        [dot(&from, &self.axes[0]), dot(&from, &self.axes[1])]
    }
}

/// The report on plain numbers: activations `[rows, width]`, templates `[classes, width]`.
pub(super) fn report(
    activations: &Table,
    templates: &Table,
    labels: &[usize],
    classes: [usize; 3],
) -> Result<ProjectionReport> {
    let [a, b, c] = classes;
    let count = templates.rows().len();
    if let Some(class) = classes.into_iter().find(|class| *class >= count) {
        return Err(Error::config("classes", format!("expected classes below {count}, got {class}")));
    }
    let plane = Plane::through([templates.row(a), templates.row(b), templates.row(c)]).ok_or_else(|| {
        let message = format!("expected classes whose templates span a plane, got {a}, {b} and {c}, whose templates lie on one line: choose other classes");
        Error::config("classes", message)
    })?;
    let chosen = activations.rows().zip(labels).enumerate().filter(|(_, (_, label))| classes.contains(label));
    let point = |(row, (h, label)): (usize, (&[f64], &usize))| {
        let [x, y] = plane.at(h);
        ProjectedPoint { row, label: *label, x, y }
    };
    let points: Vec<ProjectedPoint> = chosen.map(point).collect();
    let clusters = classes.map(|label| {
        let own = || points.iter().filter(|point| point.label == label);
        let rows = own().count();
        let mean = |of: fn(&ProjectedPoint) -> f64| own().map(of).sum::<f64>() / rows.max(1) as f64;
        let (x, y) = (mean(|point| point.x), mean(|point| point.y));
        let squared = own().map(|point| (point.x - x).powi(2) + (point.y - y).powi(2)).sum::<f64>();
        ProjectedCluster { label, rows, x, y, deviation: (squared / rows.max(1) as f64).sqrt() }
    });
    let templates = classes.map(|class| plane.at(templates.row(class)));
    Ok(ProjectionReport { templates, clusters: clusters.to_vec(), points })
}

impl Diagnostic for Projection {
    type Report = Sides<ProjectionReport>;

    fn validate(&self) -> Result<()> {
        let [a, b, c] = self.classes;
        if a == b || b == c || a == c {
            return Err(Error::config("classes", format!("expected three different classes, got {a}, {b} and {c}")));
        }
        Ok(())
    }

    fn report(&self, seen: &Seen<'_>) -> Result<Sides<ProjectionReport>> {
        let labels = seen.labels()?;
        seen.each_model(|_, who| {
            let inner = seen.inner(who)?;
            report(&inner.activations, &inner.templates, &labels, self.classes)
        })
    }
}
