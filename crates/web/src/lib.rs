//! The appearance of the pages of both programs: the common style, the frame around pages, and a page writer that works
//! without templates.

pub mod frame;
pub mod page;

/// The common style sheet: colors, type, and the parts that all pages share. Pages add their own.
pub const STYLE: &str = include_str!("base.css");

/// The icon that a browser shows beside a page's title.
pub const ICON: &str = include_str!("icon.svg");
