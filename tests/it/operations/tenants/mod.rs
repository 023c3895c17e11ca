//! The tenant plays against root: with links where root would follow, with files that root would open, with processes
//! that change all that while root is at work. Nothing is gained, and nothing outside of the account changes.

mod deletion;
mod pages;
mod places;
