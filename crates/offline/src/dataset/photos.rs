//! Training data from plain photos: the Open Spatial Dataset's own pipeline (arXiv 2406.01584, section 3.1; the original's
//! `dataset_pipeline/`), with what its networks say in files beside each photo or from networks that are given.
//!
//! Photos are listed (`list`) and each is read with what belongs to it (`sidecars`, `npy`, `networks`, `words`, `problem`).
//! Its things are chosen (`objects`), their points put into canonical coordinates (`canonical`, by `up`) and cleaned as
//! Open3D does it (`cloud`, on `kd_tree` and `hull`); scene, questions, wording and rows are those of all data sets (`work`).
//! What is done is kept (`parts`) until all is: a run (`run`) lists the photos, has its parts made by this process or by others
//! (`making`) and joins them (`lines`); `build` is one that does all of it.

mod build;
mod canonical;
mod cloud;
mod hull;
mod kd_tree;
mod lines;
mod list;
mod making;
mod networks;
mod npy;
mod objects;
mod parts;
mod problem;
mod request;
mod run;
mod sidecars;
mod up;
mod words;
mod work;

pub use self::build::build;
pub use self::list::has_photos;
pub use self::making::{Made, PartMaker};
pub use self::networks::{DepthModel, Detector, FoundRegion, MetricDepth, Networks, Segmenter};
pub use self::request::{PhotosReport, PhotosRequest};
pub use self::run::{Begun, Run};
pub use self::words::parse as words;
