//! Looking for contradictions in what is stored.
