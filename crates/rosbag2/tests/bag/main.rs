//! The bag module from outside: bags are built in code, read, copied, and damaged.

mod damaged;
mod fixtures;
mod hostile;
mod reading;
mod writing;
