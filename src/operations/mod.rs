//! What is done to the host. The Agent has no rights for it: it checks a request, and one short-lived process with the
//! rights, the helper, checks it again and does it.
//!
//! * [`request`], [`fields`], [`problem`] — what can be asked, and what is said when it is not done
//! * [`host`], [`register`], [`facts`] — what the host is, and what is known of it
//! * [`tool`], [`lock`], [`deadline`] — how things are done

pub mod accounts;
pub mod certificate;
pub mod deadline;
pub mod facts;
pub mod fields;
pub mod host;
pub mod lock;
pub mod problem;
pub mod queue;
pub mod register;
pub mod request;
pub mod site;
pub mod tool;
