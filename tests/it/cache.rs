//! The cache file under hostile circumstances.
