//! What every operation says of itself.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;

/// One operation: a request, whole and valid, with the rules by which it is read.
///
/// It is written as it was read: the helper, which believes nobody, reads it by the same rules again.
pub trait Operation: Sized + Serialize {
    /// The paths that the Panel calls for it.
    const PATHS: &'static [&'static str];

    /// Whether it waits for other machines, for minutes perhaps: it then keeps no other operation waiting.
    const WAITS_FOR_OTHERS: bool = false;

    /// Reads it.
    ///
    /// # Errors
    /// A field breaks its rule.
    fn parse(fields: &Fields) -> Result<Self, Problem>;
}
