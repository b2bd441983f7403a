//! Wire formats without I/O: scan, splice, SSE, usage readers, error bodies, the provider table.
