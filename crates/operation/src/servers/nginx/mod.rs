//! nginx: where its files are, whether it accepts them, and whether it serves them.
//!
//! A reload that nginx refuses leaves the previous configuration in effect, and neither `nginx -t` nor `systemctl reload`
//! reports it: another program can hold a port, or an earlier file can have a name. So after each change the helper sees for
//! itself what is served.
//!
//! * [`mod@place`] — the paths of files; [`mod@test`] — `nginx -t`
//! * [`master`] — the running main process; [`mod@load`] — making it load the configuration, and seeing that it did
//! * [`visit`] — asking for a page like a visitor; [`effect`] — whether sites are served as written; [`token`] — by which
//!   they are recognized
//! * [`cause`] — why something is not in effect

pub mod cause;
pub mod effect;
pub mod load;
pub mod master;
pub mod place;
pub mod test;
pub mod token;
pub mod visit;

pub use load::reload;
pub use place::{SitePaths, directories, place};
pub use test::test;
