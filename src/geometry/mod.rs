//! Distances between two image regions, measured from depth.

pub mod background;
pub mod camera;
pub mod distance;
pub mod segment;
pub mod shape;
pub mod window;

use crate::frame::{ColorImage, DepthImage, Intrinsics, Measurement, Reason, Regions};
use shape::Point;
use window::{DepthRange, Window};

pub struct Debug { pub window: Window, pub segments: segment::Segments, pub centers: Vec<Point>, pub target_center: Point }

pub fn measure_debug(color: &ColorImage, depth: &DepthImage, intrinsics: &Intrinsics, regions: &Regions, range: DepthRange, min_pixels: usize) -> Result<(Measurement, Debug), Reason> {
    let window = Window::cut(color, depth, intrinsics, regions, range).ok_or(Reason::BoxOutsideImage)?;
    let segments = segment::segment(&window, min_pixels);
    if segments.target.len() < min_pixels || segments.fingertip_parts.iter().map(Vec::len).sum::<usize>() < min_pixels {
        return Err(Reason::DepthInvalid);
    }
    let target = shape::object(&window, &segments.target, &window.target, &shape::mask(&window, &segments.fingertip_parts.concat()));
    let axes = shape::finger_axes(&window, &segments.fingertip_parts);
    let target_mask = shape::mask(&window, &segments.target);
    let ends = shape::finger_ends(&window, &segments.fingertip_parts, &axes, &target_mask);
    let parts: Vec<shape::Solid> = segments.fingertip_parts.iter().zip(&axes).zip(&ends).map(|((p, a), e)| {
        match a {
            Some(axis) => shape::finger(&window, p, *axis, *e),
            None => shape::object(&window, p, &bounds(&window, p), &shape::mask(&window, &segments.target)),
        }
    }).collect();
    let largest = segments.fingertip_parts.iter().map(Vec::len).max().unwrap_or(0);
    let mut reached = 0;
    let main: Vec<Point> = segments.fingertip_parts.iter().zip(&parts).filter(|(p, _)| {
        let sides = segment::sides_mask(&window, p, &window.fingertip);
        let keep = p.len() * 4 >= largest || sides & !reached != 0;
        reached |= sides;
        keep
    }).map(|(_, s)| s.center).collect();
    let center = main.iter().sum::<Point>() / main.len() as f32;
    let fc: Vec<Point> = parts.iter().flat_map(|s| s.surface.iter().copied()).collect();
    let visible = |pixels: Vec<usize>| distance::thin(&pixels.iter().map(|&i| Point::from(window.point(i))).collect::<Vec<_>>(), 600);
    let visible_t = visible(segments.target.clone());
    let visible_f = visible(segments.fingertip_parts.concat());
    if std::env::var("DBG").is_ok() { for (k, (part, px)) in parts.iter().zip(&segments.fingertip_parts).enumerate() { let (mut best, mut pa, mut pb) = (9.0, Point::zeros(), Point::zeros()); for a in &part.surface { for b in &target.surface { let d=(a-b).norm(); if d<best {best=d;pa=*a;pb=*b;} } }
        let vis = |p: &Point, set: &[usize]| set.iter().map(|&i| (Point::from(window.point(i))-p).norm()).fold(9.0,f32::min)*1e3;
        eprintln!("part {k} gap {:.1} a-T {:.1?} (vis {:.1}) b-T {:.1?} (vis {:.1}) axis {:.2?} center-T {:.1?} n {}", best*1e3, ((pa-target.center)*1e3).as_slice(), vis(&pa,px), ((pb-target.center)*1e3).as_slice(), vis(&pb,&segments.target), axes[k].map(|a| [a.x,a.y,a.z]), ((part.center-target.center)*1e3).as_slice(), px.len()); } }
    let gap = distance::gap(&fc, &target.surface, 8);
    let mean = |v: Vec<f32>| v.iter().sum::<f32>() / v.len() as f32;
    let cloud = (mean(distance::nearest(&visible_f, &visible_t)) + mean(distance::nearest(&visible_t, &visible_f))) / 2.0;
    let d = (center - target.center).norm();
    Ok((Measurement { center_m: Some(d.into()), surface_m: Some(gap.into()), cloud_m: Some(cloud.into()), confidence: 1.0, answer: String::new() },
        Debug { window, segments, centers: parts.iter().map(|p| p.center).collect(), target_center: target.center }))
}
fn bounds(window: &Window, pixels: &[usize]) -> crate::frame::BoundingBox {
    let (mut x0, mut y0, mut x1, mut y1) = (f64::INFINITY, f64::INFINITY, 0.0_f64, 0.0_f64);
    for &i in pixels {
        let (x, y) = ((i % window.width) as f64, (i / window.width) as f64);
        x0 = x0.min(x); y0 = y0.min(y); x1 = x1.max(x + 1.0); y1 = y1.max(y + 1.0);
    }
    crate::frame::BoundingBox::new(x0, y0, x1, y1)
}
pub fn last_debug(color: &ColorImage, depth: &DepthImage, intrinsics: &Intrinsics, regions: &Regions) -> Option<(Window, segment::Segments)> {
    let window = Window::cut(color, depth, intrinsics, regions, DepthRange{min_m:0.05,max_m:20.0})?;
    let segments = segment::segment(&window, 6);
    Some((window, segments))
}

/// Measures the distance from depth, without any model.
pub struct GeometryEstimator {
    range: DepthRange,
    min_pixels: usize,
}

impl GeometryEstimator {
    pub fn new(settings: &crate::config::Geometry) -> Self {
        Self {
            range: DepthRange { min_m: settings.min_depth_m as f32, max_m: settings.max_depth_m as f32 },
            min_pixels: settings.min_pixels as usize,
        }
    }
}

impl crate::estimator::Estimator for GeometryEstimator {
    fn name(&self) -> &'static str {
        "geometry"
    }

    fn estimate(&self, frame: &crate::frame::Frame, regions: &Regions) -> Result<Measurement, Reason> {
        let depth = frame.depth.as_ref().ok_or(Reason::NoDepth)?;
        let intrinsics = frame.intrinsics.as_ref().ok_or(Reason::NoDepth)?;
        measure_debug(&frame.color, depth, intrinsics, regions, self.range, self.min_pixels).map(|(m, _)| m)
    }
}
