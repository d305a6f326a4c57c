//! The edge as a whole, over a database of its own.
