//! How far a piece of work is: one shape for labelling, datasets, training and downloads, so that whoever shows it needs
//! one callback.

/// How far a piece of work is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress<'a> {
    /// What is at work: a file that is fetched, empty where the caller knows.
    pub subject: &'a str,
    /// So much is done, in the unit of `total`.
    pub done: f64,
    /// So much there is; `None` where only the end will tell.
    pub total: Option<f64>,
    /// What `done` and `total` count.
    pub unit: Unit,
    /// What came of it so far: steps, rows, the loss.
    pub figure: Option<(&'a str, f64)>,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Messages of a bag.
    Messages,
    /// Bags, of which a part counts as a fraction.
    Bags,
    /// Photos.
    Photos,
    /// Steps of a training.
    Steps,
    /// Bytes of a file.
    Bytes,
}

/// Told now and then how far the work is.
pub type OnProgress<'a> = &'a mut dyn FnMut(Progress<'_>);

/// The same for work on a thread of its own.
pub type BoxedProgress = Box<dyn FnMut(Progress<'_>) + Send>;
