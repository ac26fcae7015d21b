//! (being written by jit-ops)
