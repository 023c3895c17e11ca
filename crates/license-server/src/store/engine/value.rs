//! Parameters of statements. Their types are explicit, because PostgreSQL has to know the type of a missing value, too.

use std::borrow::Cow;
use std::net::IpAddr;

/// A parameter of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// A number, a time or a truth value (0 or 1).
    Integer(Option<i64>),
    /// Text.
    Text(Option<Cow<'a, str>>),
    /// A column of numbers, for statements about several rows.
    Integers(Vec<Option<i64>>),
    /// A column of texts, for statements about several rows.
    Texts(Vec<Option<Cow<'a, str>>>),
}

/// What can be a parameter, by reference. The result borrows text only.
pub(crate) trait ToValue<'v> {
    /// The missing value.
    const NULL: Value<'static>;

    /// The parameter.
    fn to_value(self) -> Value<'v>;
}

macro_rules! integer {
    ($($number:ty),*) => {$(
        impl ToValue<'static> for &$number {
            const NULL: Value<'static> = Value::Integer(None);

            fn to_value(self) -> Value<'static> {
                Value::Integer(Some(i64::from(*self)))
            }
        }
    )*};
}

integer!(i64, u32, u16, bool);

impl<'v> ToValue<'v> for &'v String {
    const NULL: Value<'static> = Value::Text(None);

    fn to_value(self) -> Value<'v> {
        Value::Text(Some(Cow::Borrowed(self)))
    }
}

impl<'v> ToValue<'v> for &&'v String {
    const NULL: Value<'static> = Value::Text(None);

    fn to_value(self) -> Value<'v> {
        Value::Text(Some(Cow::Borrowed(self)))
    }
}

impl<'v> ToValue<'v> for &&'v str {
    const NULL: Value<'static> = Value::Text(None);

    fn to_value(self) -> Value<'v> {
        Value::Text(Some(Cow::Borrowed(self)))
    }
}

impl ToValue<'static> for &IpAddr {
    const NULL: Value<'static> = Value::Text(None);

    fn to_value(self) -> Value<'static> {
        Value::Text(Some(Cow::Owned(self.to_string())))
    }
}

impl<'v, 'r, T> ToValue<'v> for &'r Option<T>
where
    &'r T: ToValue<'v>,
{
    const NULL: Value<'static> = <&'r T as ToValue<'v>>::NULL;

    fn to_value(self) -> Value<'v> {
        self.as_ref().map_or(Self::NULL, ToValue::to_value)
    }
}

/// The parameters of a statement, in the order of their numbers.
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        &[$($crate::store::engine::ToValue::to_value(&$value)),*]
    };
}
pub(in crate::store) use params;
