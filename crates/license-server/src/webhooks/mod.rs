//! Delivering events to webhooks: who may be a receiver ([`target`], [`receiver_address`]), how a delivery is signed
//! ([`signature`]), sent ([`exchange`] over what [`connection`] opens) and repeated ([`schedule`]). [`dispatcher`] decides
//! what is sent when.
//!
//! A receiver is not trusted: it may be slow, endless, or inside the vendor's network. Everything that one delivery does
//! ends by one deadline, and no receiver waits for another.

pub mod connection;
pub mod dispatcher;
pub mod exchange;
pub mod receiver_address;
pub mod schedule;
pub mod signature;
pub mod target;
