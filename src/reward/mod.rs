//! Rewards, filters, episodes and success: pure functions and small state machines.
