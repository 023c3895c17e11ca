//! How the pages of both programs look: their style, the frame around them, and the writer of pages without templates.

pub mod frame;
pub mod page;

/// Colours, type, and the parts that all pages have; what else a page needs stands beside it.
pub const STYLE: &str = include_str!("base.css");

/// The picture that a browser shows beside a page's title.
pub const ICON: &str = include_str!("icon.svg");
