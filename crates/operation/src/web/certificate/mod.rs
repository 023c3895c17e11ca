//! Certificates of sites. One comes from a certificate authority through certbot, which renews it, or somebody has
//! uploaded it. An upload wins while both are there; nginx never points to a file that is not.
//!
//! * [`files`], [`certbot`], [`uploaded`], [`current`] — where they are, and which of them counts
//! * [`inspect`], [`pair`], [`key`] — what one says, and whether it can be served; [`names`] — which names are asked for
//! * [`obtain`] — having one issued; [`published`] — what is told of it

pub mod certbot;
pub mod current;
pub mod files;
pub mod inspect;
pub mod key;
pub mod names;
pub mod obtain;
pub mod pair;
pub mod published;
mod reason;
pub mod uploaded;
