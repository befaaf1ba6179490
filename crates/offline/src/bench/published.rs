//! The figures of the paper (Cheng et al., SpatialRGPT, NeurIPS 2024, arXiv 2406.01584, table 1), whose answers GPT-4 judged.

/// A line of the paper's table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Published {
    /// As the paper calls it.
    pub model: &'static str,
    /// Success in percent, in the order of `Column::QUALITATIVE`.
    pub qualitative: [f64; 6],
    /// The average over them, as the paper has it.
    pub average: f64,
    /// Success in percent, and the relative error or degrees, in the order of `Column::QUANTITATIVE`.
    pub quantitative: [(f64, f64); 6],
}

/// The original's variants, and the best of the others.
pub(crate) const PUBLISHED: [Published; 5] = [
    Published {
        model: "GPT-4V + SoM",
        qualitative: [75.00, 55.23, 42.45, 54.46, 49.03, 47.27],
        average: 54.33,
        quantitative: [
            (25.7, 1.02),
            (22.1, 2.36),
            (33.9, 0.64),
            (45.8, 0.70),
            (62.4, 1.08),
            (54.2, 55.5),
        ],
    },
    Published {
        model: "SpatialRGPT-7B (rgb)",
        qualitative: [99.17, 99.04, 79.24, 89.28, 83.65, 87.27],
        average: 89.80,
        quantitative: [
            (35.1, 0.35),
            (59.0, 0.27),
            (53.8, 0.27),
            (51.9, 0.31),
            (54.9, 0.63),
            (95.3, 17.1),
        ],
    },
    Published {
        model: "SpatialRGPT-7B",
        qualitative: [99.17, 99.04, 80.19, 91.96, 87.50, 91.81],
        average: 91.78,
        quantitative: [
            (41.2, 0.33),
            (65.6, 0.25),
            (51.9, 0.27),
            (49.6, 0.31),
            (57.9, 0.61),
            (95.3, 15.4),
        ],
    },
    Published {
        model: "SpatialRGPT-VILA-1.5-3B",
        qualitative: [99.17, 100.0, 81.13, 88.39, 85.57, 93.63],
        average: 91.47,
        quantitative: [
            (44.6, 0.30),
            (63.1, 0.22),
            (50.9, 0.28),
            (42.9, 0.33),
            (63.2, 0.60),
            (93.5, 10.4),
        ],
    },
    Published {
        model: "SpatialRGPT-VILA-1.5-8B",
        qualitative: [99.17, 100.0, 84.90, 89.28, 91.34, 90.90],
        average: 92.69,
        quantitative: [
            (45.9, 0.31),
            (68.0, 0.22),
            (56.6, 0.28),
            (48.9, 0.28),
            (61.7, 0.41),
            (95.3, 9.7),
        ],
    },
];
