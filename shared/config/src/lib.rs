//! gateway.yaml: parse, validate, explain.
