//! Prepared statements of a session, and parameters in the driver's types.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use tokio_postgres::Statement;
use tokio_postgres::types::{ToSql, Type};

use super::super::value::Value;
use super::failure::{Failure, Problem};
use super::link::Link;
use super::placeholders::numbered;

/// The most statements that a session keeps, about three times what the store has.
const MAX_STATEMENTS: usize = 1024;

/// The statements that a session has prepared, by text and types of the parameters.
#[derive(Default)]
pub(super) struct Statements(RefCell<HashMap<String, Vec<Variant>>>);

/// A statement for parameters of these types.
struct Variant {
    types: Vec<Type>,
    statement: Statement,
}

impl Statements {
    /// The statement, prepared now if it was not yet.
    ///
    /// # Errors
    /// The server's.
    pub(super) fn prepare(
        &self,
        link: &Link,
        time: Duration,
        sql: &str,
        parameters: &[Value<'_>],
    ) -> Result<Statement, Problem> {
        let mut kept = self.0.borrow_mut();
        let types = || parameters.iter().map(kind);
        if let Some(variants) = kept.get(sql)
            && let Some(found) = variants.iter().find(|variant| types().eq(variant.types.iter().cloned()))
        {
            return Ok(found.statement.clone());
        }
        let types: Vec<Type> = types().collect();
        let text = numbered(sql);
        let statement = link.run(time, |client| client.prepare_typed(&text, &types))?;
        if kept.len() >= MAX_STATEMENTS {
            kept.clear();
        }
        kept.entry(sql.to_owned()).or_default().push(Variant { types, statement: statement.clone() });
        Ok(statement)
    }

    /// Forgets all statements, such as after the schema has changed.
    pub(super) fn clear(&self) {
        self.0.borrow_mut().clear();
    }
}

/// The type of a parameter.
pub(super) fn kind(value: &Value<'_>) -> Type {
    match value {
        Value::Integer(_) => Type::INT8,
        Value::Text(_) => Type::TEXT,
        Value::Integers(_) => Type::INT8_ARRAY,
        Value::Texts(_) => Type::TEXT_ARRAY,
    }
}

/// The parameter as the driver takes it.
pub(super) fn to_sql<'v>(value: &'v Value<'_>) -> &'v (dyn ToSql + Sync) {
    match value {
        Value::Integer(number) => number,
        Value::Text(text) => text,
        Value::Integers(numbers) => numbers,
        Value::Texts(texts) => texts,
    }
}

/// Refuses a NUL: PostgreSQL has no such text, and one would fail the statement of a whole batch.
///
/// # Errors
/// There is one.
pub(super) fn check(parameters: &[Value<'_>]) -> Result<(), Failure> {
    let has_nul = |text: &Option<Cow<'_, str>>| text.as_ref().is_some_and(|text| text.contains('\0'));
    let is_wrong = parameters.iter().any(|value| match value {
        Value::Text(text) => has_nul(text),
        Value::Texts(texts) => texts.iter().any(has_nul),
        Value::Integer(_) | Value::Integers(_) => false,
    });
    if is_wrong { Err(Failure::Failed("a text has a NUL character. Nothing was sent".to_owned())) } else { Ok(()) }
}
