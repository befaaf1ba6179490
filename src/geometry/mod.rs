//! Distances between two image regions, measured from depth.
