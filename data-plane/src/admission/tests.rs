//! Who is admitted and what the others hear, by every scope that a request has to pass.
