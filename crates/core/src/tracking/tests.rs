//! Synthetic pictures.
