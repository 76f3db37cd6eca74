//! modulemd documents.
