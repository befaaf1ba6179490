//! A pinhole camera, as Python has it.

use pyo3::prelude::*;
use spatial_reward_core::frame::{Distortion, Intrinsics};

use crate::error::{Failure, raised};

/// What makes the same camera again.
type Arguments = (f64, f64, f64, f64, u32, u32, Vec<f64>, String);

/// A pinhole camera: where a point in space is in the picture.
#[pyclass(frozen, eq, module = "spatial_reward")]
#[derive(PartialEq)]
pub(crate) struct Camera {
    pub intrinsics: Intrinsics,
    coefficients: Vec<f64>,
    model: String,
}

#[pymethods]
impl Camera {
    #[new]
    #[pyo3(signature = (fx, fy, cx, cy, width, height, distortion = None, model = "plumb_bob"))]
    #[expect(clippy::too_many_arguments, reason = "Python gives them by name")]
    fn new(
        fx: f64,
        fy: f64,
        cx: f64,
        cy: f64,
        width: u32,
        height: u32,
        distortion: Option<&Bound<'_, PyAny>>,
        model: &str,
    ) -> PyResult<Self> {
        let distortion = coefficients(distortion)?;
        for (name, value) in [("fx", fx), ("fy", fy)] {
            if !(value.is_finite() && value > 0.0) {
                let words = format!("{name} is {value}, and a focal length is above 0 pixels");
                return Err(Failure::of("camera", words).into());
            }
        }
        for (name, value) in [("cx", cx), ("cy", cy)] {
            if !value.is_finite() {
                let words =
                    format!("{name} is {value}, and a principal point is a number of pixels");
                return Err(Failure::of("camera", words).into());
            }
        }
        if width == 0 || height == 0 {
            let words =
                format!("the camera's picture has {width}x{height} pixels, and it needs some");
            return Err(Failure::of("camera", words).into());
        }
        let lens = Distortion::of_model(model, &distortion).map_err(raised)?;
        Ok(Self {
            intrinsics: Intrinsics {
                width,
                height,
                fx,
                fy,
                cx,
                cy,
                distortion: lens,
            },
            coefficients: distortion,
            model: model.to_owned(),
        })
    }

    /// Of a vertical field of view in degrees, as MuJoCo's cameras have it: square pixels, the principal point in the middle.
    #[staticmethod]
    fn from_fovy(fovy_deg: f64, width: u32, height: u32) -> PyResult<Self> {
        if !(fovy_deg > 0.0 && fovy_deg < 180.0) {
            let words = format!(
                "a vertical field of view is between 0 and 180 degrees, and this is {fovy_deg}"
            );
            return Err(Failure::of("camera", words).into());
        }
        let focal = f64::from(height) / 2.0 / (fovy_deg.to_radians() / 2.0).tan();
        let (cx, cy) = (f64::from(width) / 2.0, f64::from(height) / 2.0);
        Self::new(focal, focal, cx, cy, width, height, None, "plumb_bob")
    }

    #[getter]
    fn fx(&self) -> f64 {
        self.intrinsics.fx
    }

    #[getter]
    fn fy(&self) -> f64 {
        self.intrinsics.fy
    }

    #[getter]
    fn cx(&self) -> f64 {
        self.intrinsics.cx
    }

    #[getter]
    fn cy(&self) -> f64 {
        self.intrinsics.cy
    }

    #[getter]
    fn width(&self) -> u32 {
        self.intrinsics.width
    }

    #[getter]
    fn height(&self) -> u32 {
        self.intrinsics.height
    }

    #[getter]
    fn distortion(&self) -> Vec<f64> {
        self.coefficients.clone()
    }

    #[getter]
    fn model(&self) -> &str {
        &self.model
    }

    fn __getnewargs__(&self) -> Arguments {
        let Intrinsics {
            width,
            height,
            fx,
            fy,
            cx,
            cy,
            ..
        } = self.intrinsics;
        let (distortion, model) = (self.coefficients.clone(), self.model.clone());
        (fx, fy, cx, cy, width, height, distortion, model)
    }

    fn __repr__(&self) -> String {
        let Intrinsics {
            width,
            height,
            fx,
            fy,
            cx,
            cy,
            ..
        } = self.intrinsics;
        let lens = match self.coefficients.is_empty() {
            true => String::new(),
            false => format!(
                ", distortion={:?}, model='{}'",
                self.coefficients, self.model
            ),
        };
        format!("Camera(fx={fx}, fy={fy}, cx={cx}, cy={cy}, width={width}, height={height}{lens})")
    }
}

/// A list, or an array as OpenCV has it, of one row or one column.
fn coefficients(given: Option<&Bound<'_, PyAny>>) -> Result<Vec<f64>, Failure> {
    let Some(given) = given else {
        return Ok(Vec::new());
    };
    let flat = given.call_method0("ravel").ok();
    let numbers = flat.as_ref().unwrap_or(given).extract();
    numbers.map_err(|_| {
        let words = format!("distortion is {given}, and a list of numbers is needed");
        Failure::of("camera", words)
    })
}

impl Camera {
    /// Of intrinsics that a recording has.
    pub(crate) fn of(intrinsics: Intrinsics) -> Self {
        let (coefficients, model) = match intrinsics.distortion {
            Distortion::None => (Vec::new(), "plumb_bob"),
            Distortion::BrownConrady(all) => (all.to_vec(), "rational_polynomial"),
            Distortion::ThinPrism(all) => (all.to_vec(), "rational_polynomial"),
            Distortion::Equidistant(all) => (all.to_vec(), "equidistant"),
        };
        Self {
            intrinsics,
            coefficients,
            model: model.to_owned(),
        }
    }
}
